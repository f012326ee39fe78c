"""Rows of the matrix on a small sky: they run, go on after a stop, and tell good fits from bad."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import cells, matrix
from benchmarks.matrix_compare import folded, missed, ratio
from benchmarks.matrix_table import tables
from sweep.assemble.setup import Setup

SWAPPED = (
    "parameters.beta_pl.low=-1.5",
    "parameters.beta_pl.high=-0.5",
    "parameters.beta_pl.start=-1",
)
TINY = ("sky.nside=16", "clusters.beta_dust=2", "clusters.temp_dust=1", "clusters.beta_pl=1")
CELL = ("--sky", "synthetic", "--instrument", "pico", "--counts", "coarse")
WORDS = (*CELL, "--solver", "newton", "--draws", "2")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The matrix with a cell that is small, and a box that swaps dust and synchrotron."""
    kept: dict[str, Any] = {"setups": 0}

    def small(cell: cells.Cell, solver: str, *overrides: str) -> Setup:
        kept["setups"] += 1
        return cells.cell_setup(cell, solver, *overrides, *TINY)

    monkeypatch.setattr(matrix, "ROWS", tmp_path / "runs" / "matrix.jsonl")
    monkeypatch.setattr(matrix, "cell_setup", small)
    monkeypatch.setattr(matrix, "RESULTS", tmp_path)
    monkeypatch.setattr(matrix, "keep", kept.__setitem__)
    monkeypatch.setitem(cells.VARIANTS, "swapped", SWAPPED)
    return kept


@pytest.mark.slow
def test_a_box_that_swaps_the_foregrounds_is_seen_and_rows_are_not_run_twice(
    kept: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [*WORDS, "--variant", "narrow", "swapped", "--restarts", "1"]
    matrix.main(words)
    narrow, swapped = kept["matrix"]
    assert (narrow["variant"], swapped["variant"]) == ("narrow", "swapped")
    assert narrow["converged"] == swapped["converged"] == 1
    assert narrow["lowest"] == swapped["lowest"] == "narrow, newton"
    assert narrow["ratio"] == 1
    assert narrow["ratio error"] == 0
    assert swapped["ratio"] - 5 * swapped["ratio error"] > 1.05
    assert (narrow["swapped"], swapped["swapped"]) == (False, True)
    assert swapped["noise_free r"] > narrow["noise_free r"] > 0
    assert np.isfinite([narrow[f"{how} upper_68"] for how in ("noise_free", "cross")]).all()
    assert (narrow["restarts tried"], narrow["restarts lower"]) == (1, 0)
    assert missed(kept["matrix"], "narrow") == []
    assert missed(kept["matrix"], "swapped") == [swapped]
    (tmp_path / "matrix.json").write_text(json.dumps({"rows": kept["matrix"]}))
    matrix.main(["--table"])
    text = capsys.readouterr().out
    assert "- narrow: none above 1.05\n- swapped: synthetic/pico/coarse above 1.05" in text
    assert f"| **{swapped['ratio']:.3f} ± {swapped['ratio error']:.3f}** * |" in text

    first, before = kept.pop("matrix"), kept["setups"]
    with matrix.ROWS.open("a") as file:
        file.write('{"code": "a kill came in the mid')
    matrix.main(words)
    assert kept["setups"] == before
    assert kept["matrix"] == first
    assert capsys.readouterr().out.count(": there") == 2

    # a row of a box that has changed since is no row of it, the other's stays
    monkeypatch.setitem(cells.VARIANTS, "swapped", SWAPPED[::-1])
    assert [row["variant"] for row in matrix.known(matrix.ROWS).values()] == ["narrow"]


def test_what_is_asked_for_and_not_run_is_said(
    kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cells.VARIANTS, "unknown", ("parameters.beta_pl.nothing=1",))
    with pytest.raises(SystemExit, match="not run, 1 rows: synthetic unknown: unknown key"):
        matrix.main([*WORDS, "--variant", "unknown"])
    assert "matrix" not in kept


def test_rows_of_few_realisations_are_compared_on_those_that_both_have() -> None:
    def row(variant: str, values: list[float], converged: list[bool]) -> dict[str, Any]:
        ends = {"mean": -3.0, "at low end": 0.0, "at high end": 0.0}
        return {
            **{"sky": "a", "instrument": "b", "counts": "c", "solver": "newton"},
            **{"variant": variant, "draws": len(values), "residual_variance": values},
            **{"converged": converged, "certified": 0, "suspect": 0},
            **{"evaluations": 1.0, "seconds": 1.0},
            **{"r": dict.fromkeys(("noise_free", "cross"), {"unknown": "-"}), "commit": None},
            **dict.fromkeys(("beta_dust", "temp_dust", "beta_pl"), ends),
        }

    long = row("long", [1.0, 1.0, 9.0, 9.0], [True] * 4)
    short = row("short", [1.1, 1.3], [True] * 2)
    failed = row("failed", [0.1, 0.1], [False] * 2)
    found = ratio(short, long)
    assert found.value == pytest.approx(1.2)
    # differences to 1.2 times the other are -0.1 and 0.1
    assert found.error == pytest.approx(0.1 * np.sqrt(2) / np.sqrt(2))
    assert found.shared == 2
    rows = folded([failed, short, long])
    assert [r["lowest"] for r in rows] == ["long, newton"] * 3
    assert np.isnan(rows[0]["ratio"])
    assert missed(rows, "failed") == [rows[0]]
    assert "| - ± - |" in tables(rows).replace("**", "")
