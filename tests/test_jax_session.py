import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from sweep.errors import ConfigError
from sweep.jax_session import _check_environment, jax_session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where programs are kept if the caller says nothing, and not those of other tests."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name = "jax_compilation_cache_dir"
    before = getattr(jax.config, name)
    jax.config.update(name, None)
    reset_cache()
    yield tmp_path
    jax.config.update(name, before)
    reset_cache()


def compile_and_run(number: int) -> None:
    jax.jit(lambda x: x + number)(np.arange(3.0))


def test_precision_is_double_in_this_thread_and_the_callers_afterwards() -> None:
    jax.config.update("jax_enable_x64", False)
    try:
        with jax_session(), ThreadPoolExecutor(1) as pool:
            with jax_session():
                assert jnp.ones(1).dtype == np.float64
            assert jnp.ones(1).dtype == np.float64
            assert pool.submit(lambda: jnp.ones(1).dtype).result() == np.float32
        assert jnp.ones(1).dtype == np.float32
        with pytest.raises(ValueError, match="planted"), jax_session():
            raise ValueError("planted")
        assert jnp.ones(1).dtype == np.float32
    finally:
        jax.config.update("jax_enable_x64", True)


def test_programs_are_kept_on_disk_within_and_no_longer(folder: Path) -> None:
    compile_and_run(1)
    assert list(folder.iterdir()) == []
    with jax_session():
        compile_and_run(2)
    kept = set(folder.rglob("*"))
    assert len(kept) > 1
    compile_and_run(3)  # jax alone would go on with the folder though the setting is gone
    assert set(folder.rglob("*")) == kept
    with jax_session():
        compile_and_run(4)
    assert set(folder.rglob("*")) > kept


def link(folder: Path) -> None:
    folder.symlink_to(folder.parent / "elsewhere")
    (folder.parent / "elsewhere").mkdir()


def of_nobody(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives folders away")
    folder.mkdir()
    os.chown(folder, 65534, 65534)


def writable(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def for_a_group(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


UNSAFE = {
    "is a link": link,
    "belongs to another user": of_nobody,
    "can be written by other users": writable,
    "can be written by other users of a group": for_a_group,
    "cannot be used": Path.touch,
}


@pytest.mark.parametrize("problem", UNSAFE)
def test_programs_are_not_kept_where_others_could_put_theirs(problem: str, folder: Path) -> None:
    """Issue 17, point 7: what stands in the folder is run."""
    place = folder / f"skysweep-jax-{os.getuid()}"
    UNSAFE[problem](place)
    before = set(folder.rglob("*"))
    said = problem.removesuffix(" of a group")
    warned = rf"{place} {said}.*JAX_COMPILATION_CACHE_DIR"
    with pytest.warns(UserWarning, match=warned), jax_session():
        compile_and_run(6)
    assert set(folder.rglob("*")) == before


def test_the_folder_of_programs_is_for_its_user_alone(folder: Path) -> None:
    with jax_session():
        compile_and_run(7)
    (place,) = folder.iterdir()
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_cache_of_the_caller_is_used_and_stays(folder: Path) -> None:
    own = folder / "own"
    jax.config.update("jax_compilation_cache_dir", str(own))
    with jax_session():
        compile_and_run(5)
    assert jax.config.jax_compilation_cache_dir == str(own)  # pyright: ignore[reportAttributeAccessIssue]
    assert list(folder.iterdir()) == [own]
    assert list(own.iterdir())


def test_a_program_is_not_compiled_again_within() -> None:
    compiled = jax.jit(lambda x: 2 * x)
    compiled(np.arange(3.0))
    with jax_session():
        compiled(np.arange(3.0))
    assert compiled._cache_size() == 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_process_forked_after_a_session_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 17, point 6: it hung without end."""
    with jax_session():
        pass
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(ConfigError, match="forked from one that had computed with jax"):
        jax_session().__enter__()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("JAX_COMPILATION_CACHE_DIR", "/proc/cache", "cannot be written: "),
        ("JAX_PLATFORMS", "cuda", "no such device is to be seen"),
    ],
)
def test_a_variable_of_jax_that_names_nothing_is_refused(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def devices() -> None:
        if os.environ["JAX_PLATFORMS"] != "cpu":
            raise AssertionError  # as jax does

    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setenv(name, value)
    _check_environment.cache_clear()
    with pytest.raises(ConfigError, match=f"{name} = {value}.*{said}"):
        jax_session().__enter__()
