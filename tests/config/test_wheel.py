"""What is installed without the checkout: configuration, plugins and the report's page as well."""

import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import sweep
from sweep.config import config_dir

ROOT = Path(sweep.__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unpacked."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=120)
    (wheel,) = folder.glob("skysweep-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The installed command; -S leaves out the .pth file that names the checkout."""
    program = "import sweep; from sweep.cli.run import main; print(sweep.__file__); main()"
    packages = [str(installed), *site.getsitepackages()]
    return subprocess.run(
        [sys.executable, "-S", "-c", program, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_wheel_holds_configuration_plugins_and_page(installed: Path) -> None:
    shipped = {
        str(p.relative_to(installed / "sweep/conf")) for p in installed.glob("sweep/conf/**/*.yaml")
    }
    assert shipped == {str(p.relative_to(config_dir())) for p in config_dir().rglob("*.yaml")}
    page = {p.name for p in (installed / "sweep/report/page").iterdir()}
    assert page == {p.name for p in (ROOT / "sweep/report/page").iterdir()}
    assert {"index.html", "style.css", "main.js"} <= page
    plugins = {p.name for p in (installed / "hydra_plugins/sweep_launchers").iterdir()}
    assert {"__init__.py", "config.py", "grid.py", "launcher.py"} <= plugins
    assert not (installed / "hydra_plugins/__init__.py").exists()  # a namespace, shared with others
    top = {p.name for p in installed.iterdir() if not p.name.endswith(".dist-info")}
    assert top == {"sweep", "hydra_plugins"}


def test_the_wheel_names_its_commands_and_licence(installed: Path) -> None:
    (info,) = installed.glob("skysweep-*.dist-info")
    scripts = (info / "entry_points.txt").read_text()
    assert "sweep = sweep.cli.run:main" in scripts
    assert "sweep-store = sweep.cli.store:main" in scripts
    assert "License-Expression: GPL-3.0-or-later" in (info / "METADATA").read_text()


def test_the_installed_command_works_in_a_fresh_folder(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "--cfg", "job", "noise.seed=3")
    assert done.returncode == 0, done.stderr
    where, printed = done.stdout.split("\n", 1)
    assert Path(where).is_relative_to(installed)
    assert yaml.safe_load(printed)["noise"]["seed"] == 3
    # the launcher is found, and nothing of the checkout
    done = run(installed, tmp_path, "-m", "noise.ratio=-1", "store.path=a.zarr")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "noise.ratio = -1.0" in done.stderr
    assert not list(tmp_path.iterdir())
