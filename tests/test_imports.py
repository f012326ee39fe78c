"""Imports go one way: each module only knows those that stand before it in the data path."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sweep

ROOT = Path(sweep.__file__).parent

ORDER = (
    "errors",
    "install",
    "paths",
    "types",
    "estimators",
    "quantities",
    "units",
    "npz",
    "cache",
    "alarms",
    "jax_session",
    "caches",
    "draws",
    "inputs",
    "instrument",
    "sky",
    "mask",
    "clusters",
    "noise",
    "spectra",
    "programs",
    "lanes",
    "problem",
    "solvers",
    "ends",
    "fit",
    "memory",
    "provenance",
    "store",
    "config",
    "assemble",
    "grid",
    "worker",
    "engines",
    "progress",
    "importing",
    "statistics",
    "results",
    "session",
    "plots",
    "report",
    "api",
    "cli",
    "testing",
)

# Side branches that no part of the fit is told about, though they stand after it.
APART = {"store": {"fit", "problem", "solvers", "noise", "clusters", "mask", "sky", "instrument"}}

MODULES = sorted(p for p in ROOT.rglob("*.py") if "conf" not in p.relative_to(ROOT).parts)


def imported(file: Path) -> set[str]:
    """Parts of sweep that a file imports anywhere, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("sweep.")}


def part(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_part_has_a_place() -> None:
    assert {part(f) for f in MODULES} == {*ORDER, "__init__"}


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_module_imports_from_earlier_parts_only(file: Path) -> None:
    here = part(file)
    if here == "__init__":  # the names of the package lead into all of it
        return
    used = imported(file) - {here}
    later = {name for name in used if ORDER.index(name) > ORDER.index(here)}
    assert not later, f"{here} imports {later}"
    assert not used & APART.get(here, set())


def test_tests_and_benchmarks_do_not_import_each_other() -> None:
    here = Path(__file__).parent
    for folder, other in ((here.parent / "benchmarks", "tests"), (here, "benchmarks")):
        for file in folder.rglob("*.py"):
            if file.parent != here / "benchmarks":  # the tests of benchmarks
                assert not re.search(rf"^\s*(from|import) {other}\b", file.read_text(), re.M), file


@pytest.mark.parametrize(
    "module",
    [
        "sweep",
        "sweep.engines",
        "sweep.config",
        "hydra_plugins.sweep_launchers.launcher",
        "hydra_plugins.sweep_launchers.grid",
    ],
)
def test_what_every_process_imports_is_light(module: str) -> None:
    program = (
        f"import sys, {module}\n"
        "heavy = {'jax', 'healpy', 'astropy', 'xarray', 'pandas', 'matplotlib', 'camb'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_asking_a_store_does_not_wait_for_what_fits() -> None:
    heavy = "{'furax', 'healpy', 'optimistix', 'sweep.worker'}"
    program = f"import sys, sweep.cli.store; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
