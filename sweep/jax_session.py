"""JAX as the fits need it while they are computed, and as the caller had it afterwards."""

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sweep.alarms import without_alarms
from sweep.errors import ConfigError

_process: int | None = None
"""The process in which JAX was first used here."""


@contextmanager
def jax_session() -> Iterator[None]:
    """Double precision, draws by JAX's defaults, a cache of compiled programs on disk, no alarms.

    Also a decorator. It can be entered again within itself. Precision and draws are those of
    this thread alone; the cache is one a process, and taken where the caller has none.

    Raises:
        ConfigError: JAX cannot work in this process, or a variable of the environment names for
            JAX what is not there.
    """
    _check_process()
    with without_alarms():
        import jax  # only here: a worker chooses its device first

        _check_environment()
        # nll is 1e9 and differences of 1e-3 decide
        with (
            jax.enable_x64(True),
            jax.threefry_partitionable(True),
            jax.default_prng_impl("threefry2x32"),
            _program_cache(),
        ):
            yield


def _check_process() -> None:
    global _process
    if _process not in (None, os.getpid()):
        raise ConfigError(
            "this process was forked from one that had computed with jax, whose threads it lacks: "
            "it would hang. Start it by multiprocessing.get_context('spawn'), or give the "
            "experiments to one sweep.run(..., processes=N)"
        )
    _process = os.getpid()


@cache
def _check_environment() -> None:
    import jax

    if platforms := os.environ.get("JAX_PLATFORMS"):
        try:
            jax.devices()
        except Exception as error:
            reason = " ".join(str(error).split()) or "no such device is to be seen"
            raise ConfigError(f"JAX_PLATFORMS = {platforms}: {reason}") from error
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if folder and "://" not in folder:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ConfigError(
                f"JAX_COMPILATION_CACHE_DIR = {folder} cannot be written: {error.strerror}; name "
                "another folder, or unset it"
            ) from error


def program_folder() -> str:
    """Where compiled programs are kept for commands, as a user gives it: it may be an address."""
    return os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(_own_folder())


def _own_folder() -> Path:
    # on the node: shared between nodes, writers of jax's cache get in each other's way
    return Path(tempfile.gettempdir()) / f"skysweep-jax-{os.getuid()}"


@contextmanager
def _program_cache() -> Iterator[None]:
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        yield
        return
    folder = _own_folder()
    if problem := _unsafe(folder):
        warnings.warn(
            f"{folder} {problem}: compiled programs are not kept; remove it, or name a folder "
            "of your own by JAX_COMPILATION_CACHE_DIR",
            stacklevel=2,
        )
        yield
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    try:
        yield
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        reset_cache()  # else jax would go on with the folder


def _unsafe(folder: Path) -> str | None:
    """Why compiled programs cannot be kept in `folder`, which is made; None where they can.

    What is found there is run: the folder must be this user's, and nobody else may write to it.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        return f"cannot be used ({error.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return "is a link"
    if found.st_uid != os.getuid():
        return f"belongs to another user ({found.st_uid})"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by other users"
    return None
