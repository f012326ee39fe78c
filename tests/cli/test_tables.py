import io
import re

import pandas as pd
import pytest
from rich.console import Console

from sweep.cli.tables import Page, summary_table, with_error
from sweep.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.23456, 0.0123, "1.235 ± 0.012"),
        (1.23456, 12.3, "1 ± 12"),
        (1234.56, 0.9, "1234.56 ± 0.90"),
        (1e-7, 2.34e-9, "(1.000 ± 0.023)e-07"),
        (-1.234e7, 2e4, "(-1.2340 ± 0.0020)e+07"),
        (0.0, 3e-5, "(0.0 ± 3.0)e-05"),
        (1.5, 0.0, "1.5"),
        (1.5, float("nan"), "1.5"),
    ],
)
def test_a_value_has_the_digits_of_its_error(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


def summed_up(**columns: object) -> pd.DataFrame:
    """What `sweep.statistics.summary` gives for two experiments."""
    table = pd.DataFrame(
        {
            "solver": ["a", "a"],
            "noise.ratio": [1.0, 2.0],
            "realisations": 3,
            "usable": 3,
            "converged": 3,
            "certified": float("nan"),
            "cmb_variance": [1.0, float("nan")],
            "cmb_variance_error": [0.1, float("nan")],
            "cmb_variance_variance": 0.03,
            "nll": -1e9,
            "iterations": 4.0,
            "evaluations": 5.0,
            "gradient_norm": 1e-9,
            "seconds": 0.5,
        }
        | columns,
        index=pd.Index(["aa", "bb"], name="experiment"),
    )
    table.attrs["settings"] = ["solver", "noise.ratio"]
    return table


def shown(table: pd.DataFrame, width: int = 160, columns: list[str] | None = None) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(summary_table(table, Page("title[red]", width, columns)))
    return console.export_text()


def test_settings_that_do_not_differ_stand_below_the_table() -> None:
    text = shown(summed_up())
    assert "all: solver=a" in text
    assert "title[red]" in text
    assert "1.00 ± 0.10" in text
    assert "-1000000000.000" in text


def test_certified_is_shown_where_a_solver_scans() -> None:
    assert "no cluster" not in shown(summed_up())
    text = shown(summed_up(certified=[0.29, float("nan")]))
    assert "no cluster" in text
    assert "certified" not in text
    aa, bb = (
        next(line for line in text.splitlines() if line.startswith(k)) for k in (" aa", " bb")
    )
    assert " 29 % " in aa
    assert "%" not in bb
    assert " of 3 " in bb
    assert re.split(r"\s{2,}", bb.strip())[3] == "-"
    assert " 99 % " in shown(summed_up(certified=[0.9999, 0.0]))
    assert " 100 % " in shown(summed_up(certified=[1.0, 0.0]))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_narrow_terminal_gets_fewer_columns_and_is_told(width: int) -> None:
    text = shown(summed_up(), width)
    assert "…" not in text
    assert "1.00 ± 0.10" in text
    assert ("no room for" in text) == (width < 140)
    assert ("seconds" in text.split("no room")[0]) == (width == 140)


def many_settings() -> pd.DataFrame:
    """Settings that differ, with long names and a long value, wider than a terminal."""
    names = [
        f"parameters.temp_dust.prior.{word}" for word in ("mean", "width", "reference", "kind")
    ]
    table = summed_up(
        **{name: [1.0, 2.0] for name in names},
        **{"clusters.path": ["/data/" + 10 * "labels/" + c for c in "ab"]},
    )
    table.attrs["settings"] = ["solver", "clusters.path", "noise.ratio", *names]
    return table


@pytest.mark.parametrize("width", [40, 60, 80, 150])
def test_nothing_of_a_table_is_cut_however_narrow(width: int) -> None:
    text = shown(many_settings(), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "1.00 ± 0.10" in text
    head, left_out = text.split("no room for ")
    left_out = " ".join(left_out.split(": see")[0].split()).split(", ")
    assert "seconds" in left_out
    shown_names = "parameters.temp_dust.prior.kind" not in left_out
    assert shown_names == (width >= 150)
    if shown_names:
        assert {"parameters", "temp dust", "reference"} <= set(re.split(r"\s{2,}", head))


def test_columns_are_those_asked_for() -> None:
    text = shown(summed_up(), columns=["experiment", "seconds", "noise.ratio", "evaluations"])
    head = text.split("aa")[0]
    assert [head.index(w) for w in ("seconds", "noise", "evaluations")] == sorted(
        head.index(w) for w in ("seconds", "noise", "evaluations")
    )
    assert "cmb_variance" not in text
    assert "no room" not in text
    with pytest.raises(ConfigError, match="--columns secnods: no such column; choose from solver"):
        shown(summed_up(), columns=["secnods"])
