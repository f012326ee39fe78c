"""Imports go one way: each module only knows those that stand before it in the data path.

What a command imports is what one waits for: light commands import little.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sweep
from sweep.testing.small import SMALL

ROOT = Path(sweep.__file__).parent

ORDER = (
    "errors",
    "install",
    "paths",
    "types",
    "estimators",
    "units",
    "model",
    "quantities",
    "npz",
    "cache",
    "alarms",
    "jax_session",
    "caches",
    "draws",
    "inputs",
    "instrument",
    "bands",
    "beams",
    "mismatch",
    "sky",
    "mask",
    "clusters",
    "noise",
    "spectra",
    "pure_b",
    "programs",
    "lanes",
    "ahead",
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
        "sweep.cli.session",
        "hydra_plugins.sweep_launchers.launcher",
        "hydra_plugins.sweep_launchers.grid",
    ],
)
def test_what_every_process_imports_is_light(module: str) -> None:
    program = (
        f"import sys, {module}\n"
        "heavy = {'jax', 'healpy', 'astropy', 'xarray', 'pandas', 'scipy', 'camb'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


HEAVY = {
    *("jax", "furax", "healpy", "astropy", "matplotlib", "plotly", "scipy", "camb", "optimistix"),
    *("xarray", "pandas", "dask", "submitit"),
}


def imported_by(*commands: list[str]) -> set[str]:
    """Which heavy modules one process has imported after these commands, each with its name."""
    program = (
        "import json, sys\n"
        "from importlib import import_module\n"
        "for name, *arguments in json.loads(sys.argv[1]):\n"
        "    sys.argv[1:] = arguments\n"
        "    try:\n"
        "        import_module(f'sweep.cli.{name}').main()\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, (name, arguments, end.code)\n"
        "sys.stderr.write(' '.join(m for m in sys.modules if '.' not in m))\n"
    )
    command = [sys.executable, "-c", program, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split()) & {*HEAVY, "hydra", "numpy"}


def test_help_and_version_import_nothing() -> None:
    assert imported_by(["run", "--help"], ["run", "-h"], ["run", "--version"]) == set()


def test_asking_a_store_how_far_it_is_imports_neither_jax_nor_tables(
    small_store: Path, tmp_path: Path
) -> None:
    copy = str(shutil.copytree(small_store, tmp_path / "copy.zarr"))
    light = ("status", "verify", "seal", "compact")
    found = imported_by(["store", "--help"], *(["store", name, copy] for name in light))
    assert found == {"numpy"}


def test_a_summary_and_a_ranking_by_means_import_tables_but_neither_jax_nor_healpy(
    small_store: Path,
) -> None:
    store = str(small_store)
    found = imported_by(["store", "summary", store], ["store", "best", "--unconverged", store])
    assert found <= {"numpy", "xarray", "pandas", "dask", "scipy", "hydra"}


def test_where_all_is_recorded_a_plan_and_a_launch_import_nothing_that_fits(
    small_store: Path,
) -> None:
    given = [*SMALL, "noise.noiseless=true", f"store.path={small_store}"]
    planned = imported_by(["run", *given, "plan=true"])
    assert planned == {"numpy", "hydra"}
    launched = imported_by(["run", *given])
    assert launched <= planned | {"xarray", "pandas", "dask", "scipy"}


def test_a_fit_imports_only_its_own_solver_and_likelihood() -> None:
    program = (
        "import sys, sweep, sweep.worker\n"
        "from sweep.assemble.solver import build_solver\n"
        "from sweep.fit import objective_of\n"
        "build_solver(sweep.compose()), objective_of('direct')\n"
        "sys.exit(' '.join({'furax', 'optimistix', 'cadre'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
