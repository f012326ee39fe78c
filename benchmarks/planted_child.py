"""The process in which the tests of a planted fault run; it must not import sweep before them."""

import os
import sys

PRELOADED = (
    "benchmarks.planted_child",
    "camb",
    "furax",
    "healpy",
    "hydra",
    "jax",
    "optimistix",
    "pandas",
    "pytest",
    "scipy.optimize",
    "scipy.stats",
    "xarray",
    "zarr",
)
"""Imported once for all of these processes, which are forks: it takes longer than most tests."""


def run_tests(tree: str, tests: tuple[str, ...], output: str) -> None:
    """Run tests in a copy of the tree, up to the first that fails; exit as pytest does."""
    import pytest

    os.setsid()
    os.chdir(tree)
    path = [tree, os.path.join(tree, "launchers")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    sys.path[:0] = path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("benchmarks", "sweep")]:
        del sys.modules[name]
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    warnings = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of what was imported before
    os._exit(pytest.main(["-x", "-q", *warnings, f"--basetemp={tree}/tmp", *tests]))
