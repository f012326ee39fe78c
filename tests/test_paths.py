import os
from pathlib import Path

import pytest

from sweep.paths import is_address, located


@pytest.mark.parametrize(
    "path", ["s3://b/a", "gs://b/a", "file:///a", "https://h/a", "simplecache::s3://b", "me@h:/a"]
)
def test_addresses(path: str) -> None:
    assert is_address(path)
    assert is_address(Path(path))


@pytest.mark.parametrize(
    "path", ["a", "/a/b:/c", "runs/10:30/a.zarr", "10:30.zarr", "~/a", "", "."]
)
def test_paths(path: str) -> None:
    assert not is_address(path)


def test_links_and_home_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    os.symlink("circle", tmp_path / "circle")
    assert located("~/link/a") == tmp_path / "folder" / "a"
    assert located(tmp_path / "circle") == tmp_path / "circle"
