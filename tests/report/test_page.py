"""The file: complete, safe whatever the store says, small, and whole or not there."""

import base64
import gzip
import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from sweep.cli.store import main
from sweep.errors import ConfigError
from sweep.progress import Progress
from sweep.report import page as module
from sweep.report import write_report
from sweep.report.page import SCRIPTS, page
from tests.report.synthetic import collected as synthetic

HOSTILE = '</script><img src=x onerror="window.harmed=1"><b>&amp;'
FOLDER = Path(module.__file__).parent / "page"


def packed(html: str, name: str) -> str:
    found = re.search(rf' id="{name}">([^<]*)</script>', html)
    assert found is not None
    return gzip.decompress(base64.b64decode(found.group(1))).decode()


def test_everything_is_in_the_file(report: Path, collected: dict) -> None:
    html = report.read_text("utf-8")
    assert json.loads(packed(html, "payload")) == json.loads(json.dumps(collected))
    assert packed(html, "plotly") == get_plotlyjs()
    for name in SCRIPTS:
        assert (FOLDER / f"{name}.js").read_text("utf-8") in html
    assert {p.stem for p in FOLDER.glob("*.js")} == set(SCRIPTS)
    assert "{{" not in html.replace("{{plotly}}", "")


def test_nothing_is_outside_the_file(report: Path) -> None:
    html = report.read_text("utf-8")
    assert not re.search(r"https?://", html)
    elements = re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL)
    assert re.findall(r"\b(?:src|href|action)\s*=\s*[\"']?([^#\"'])", elements) == []
    assert "default-src 'none'" in html


def test_only_the_two_known_programs_may_run(report: Path) -> None:
    html = report.read_text("utf-8")
    (policy,) = re.findall(r"script-src ([^;]*);", html)
    (program,) = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    known = {
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in (program, packed(html, "plotly"))
    }
    assert set(policy.split()) == known
    assert "eval(" not in program
    assert ".innerHTML" not in program


def test_text_of_a_store_is_no_html(collected: dict) -> None:
    html = page(collected | {"name": HOSTILE, "path": HOSTILE, "labels": [HOSTILE] * 4})
    assert "<img" not in html
    assert html.count("</script>") == page(collected).count("</script>") == 3
    assert json.loads(packed(html, "payload"))["labels"] == [HOSTILE] * 4


def test_2000_experiments_are_below_15_megabytes() -> None:
    assert len(page(synthetic(2000)).encode()) < 15e6


def test_a_small_report_is_small(report: Path) -> None:
    assert report.stat().st_size < 2.5e6


def test_the_command_writes_a_file(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "[bold] a.html"
    main(["report", str(swept), "--output", str(output)])
    said = capsys.readouterr()
    assert said.out == f"written: {output}, {output.stat().st_size / 1e6:.1f} MB\n"
    assert "4/4 experiments" in said.err
    assert json.loads(packed(output.read_text("utf-8"), "payload"))["name"] == swept.name
    assert [p.name for p in tmp_path.iterdir()] == [output.name]


def test_it_stands_beside_the_store_by_default(
    swept: Path, collected: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "collect", lambda *_: collected)
    written = write_report(swept, None, Progress(None))
    assert written == swept.with_name("zones-report.html")
    written.unlink()


@pytest.mark.parametrize("output", ["nowhere/a.html", "folder"])
def test_a_place_that_cannot_be_written_is_refused_at_once(
    output: str, swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["report", str(swept), "--output", str(tmp_path / output)])
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert err.startswith("sweep-store: the report ")
    assert err.count("\n") == 1


def test_no_store_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path / "none.zarr"), "--output", str(tmp_path / "a.html")])
    assert ended.value.code == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_old_report_stays_if_the_new_one_cannot_be_written(
    swept: Path, tmp_path: Path, collected: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    output = tmp_path / "a.html"
    output.write_text("old")
    monkeypatch.setattr(module, "collect", lambda *_: collected)
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        write_report(swept, output, Progress(None))
    assert output.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
