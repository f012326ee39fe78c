import io

import pandas as pd
import pytest
from rich.console import Console

from sweep.cli.tables import summary_table, with_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.23456, 0.0123, "1.235 ± 0.012"),
        (1.23456, 12.3, "1 ± 12"),
        (1234.56, 0.9, "1234.56 ± 0.90"),
        (1e-7, 2.34e-9, "0.0000001000 ± 0.0000000023"),
        (1.5, 0.0, "1.5"),
        (1.5, float("nan"), "1.5"),
    ],
)
def test_a_value_has_the_digits_of_its_error(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


def test_settings_that_do_not_differ_stand_below_the_table() -> None:
    table = pd.DataFrame(
        {
            "solver": ["a", "a"],
            "noise.ratio": [1.0, 2.0],
            "realisations": 3,
            "usable": 3,
            "converged": 3,
            "cmb_variance": [1.0, float("nan")],
            "cmb_variance_error": [0.1, float("nan")],
            "cmb_variance_variance": 0.03,
            "nll": -1e9,
            "iterations": 4.0,
            "evaluations": 5.0,
            "gradient_norm": 1e-9,
            "seconds": 0.5,
        },
        index=pd.Index(["aa", "bb"], name="experiment"),
    )
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary_table(table, "title[red]", width=200))
    text = console.export_text()
    assert "all: solver=a" in text
    assert "title[red]" in text
    assert "1.00 ± 0.10" in text
    assert "-1000000000.000" in text
