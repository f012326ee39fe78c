"""Who may write to a store follows from the umask of who made it, as for any other file."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sweep.store import Store

from .processes import GROUP, USERS

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two other users")


@pytest.fixture
def group_folder() -> Iterator[Path]:
    """A folder of the group's, where folders above let others pass."""
    folder = Path(tempfile.mkdtemp(prefix="sweep-users-"))
    os.chown(folder, USERS[0], GROUP)
    folder.chmod(0o770)
    yield folder
    shutil.rmtree(folder)


def modes(folder: Path) -> set[int]:
    return {p.stat().st_mode & 0o777 for p in folder.parent.rglob("*")}


def test_users_of_a_group_share_a_store_where_the_umask_says_so(
    group_folder: Path, processes: Callable[..., str]
) -> None:
    path = group_folder / "shared.zarr"
    assert processes("share", path, 0o002).split() == ["0"] * 4
    assert len(Store(path).pending_units()) == 1
    assert {p.stat().st_uid for p in group_folder.rglob("*")} == set(USERS)
    assert modes(path) == {0o775, 0o664}


def test_another_user_is_refused_where_the_umask_says_so(
    group_folder: Path, processes: Callable[..., str]
) -> None:
    path = group_folder / "mine.zarr"
    assert processes("share", path, 0o022).split() == ["0", "1", "0", "1"]
    assert {p.stat().st_uid for p in group_folder.rglob("*")} == {USERS[0]}
    assert modes(path) == {0o755, 0o644}
