"""docs/your-data.md: its instrument, its command and its names are what the program has."""

import re
import shlex
from pathlib import Path

import pytest

import sweep
from sweep.assemble.data import SKIES, build_instrument, build_sky
from sweep.sky import MapsSky

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "your-data.md").read_text(encoding="utf-8")


def block(language: str, start: str) -> str:
    """The first fenced block of a language that begins with some words."""
    found = re.search(rf"^```{language}\n({re.escape(start)}.*?)^```", PAGE, re.M | re.S)
    assert found is not None
    return found[1]


def test_the_command_composes_with_the_instrument_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(block("yaml", "# mine.yaml"), encoding="utf-8")
    program, flag, *words = shlex.split(block("", "sweep -m").replace("\\\n", " "))
    assert (program, flag) == ("sweep", "-m")
    conf = sweep.compose([word.split(",")[0] for word in words])
    assert type(conf.sky) in SKIES
    instrument, sky = build_instrument(conf), build_sky(conf)
    assert isinstance(sky, MapsSky)
    path = sky.observed.files.paths(3)[1]
    assert path == tmp_path / "maps" / f"{instrument.band[1]}_0003.fits"


def test_the_lines_that_write_maps_are_python_for_the_same_paths() -> None:
    code = block("python", "import os")
    compile(code, "your-data.md", "exec")
    assert 'f"maps/{band}_{realisation:04d}.fits"' in code


def test_readme_leads_to_it() -> None:
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    assert "docs/your-data.md" in readme[:1200]
