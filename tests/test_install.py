import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

import sweep
from sweep.install import install

ROOT = Path(sweep.__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "analysis").glob("*.md")]


def test_the_command_is_one_of_this_python_and_this_checkout() -> None:
    python, _, pip, _, _, what = shlex.split(install("mpi"))
    assert (python, pip) == (sys.executable, "pip")
    assert what == f"{ROOT}[mpi]"


def test_elsewhere_it_takes_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.install._ROOT", Path("/usr/lib/python3/dist-packages"))
    assert install("mpi").endswith("-m pip install 'skysweep[mpi]'")


def test_extras_that_are_named_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    code = "".join(file.read_text() for file in ROOT.glob("sweep/**/*.py"))
    pages = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"\binstall\([\"'](\w+)[\"']\)", code))
    named |= set(re.findall(r"pip install -e '\.\[(\w+)\]'", code + pages))
    assert {"mpi", "pysm", "notebooks", "cuda", "namaster"} <= named
    assert named <= set(project["optional-dependencies"])
    assert "pip install 'skysweep" not in pages  # it is in no index
