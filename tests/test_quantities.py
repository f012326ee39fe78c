"""One table says what a fit and an experiment have, and what reads it knows no names."""

import numpy as np
import pandas as pd
import pytest

from sweep.cli.tables import Page, draw
from sweep.ends import BlockResult
from sweep.mask import Mask
from sweep.quantities.base import FIT, Quantity, unit_symbol
from sweep.quantities.table import COLUMNS, QUANTITIES, VARIABLES
from sweep.report.columns import number_columns, places
from sweep.spectra import residual_arrays
from sweep.statistics.summary import summary
from tests.statistics.test_summary import dataset


def test_a_name_stands_once_for_fits_and_once_for_experiments() -> None:
    for rows in (VARIABLES, COLUMNS):
        assert all(row.name == name and row.about for name, row in rows.items())
    assert len(QUANTITIES) == len(VARIABLES.keys() | COLUMNS.keys()) + 1  # suspect is two
    assert all(row.total in COLUMNS for row in COLUMNS.values() if row.total)


def test_a_fit_gives_every_number_of_the_store() -> None:
    mask = Mask(1, np.ones(12, bool), "all")
    residual = residual_arrays(np.ones((1, 2, mask.pixels.size)), mask, spectra=False)
    numbers = {name for name, row in VARIABLES.items() if row.dims == FIT}
    assert numbers == {*BlockResult._fields} - {"cmb", "params"} | residual.keys()


def test_a_new_number_of_a_fit_is_shown_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Quantity(
        "foo", "what is new", FIT, unit="K", means=("mean",), ranks=True, shown=("summary", "page")
    )
    monkeypatch.setitem(COLUMNS, "foo", row)
    ds = dataset([[1, 1]], [0, 1], solver=["newton"])
    ds["foo"] = ds["cmb_variance"].dims, np.array([[1.0, 2.0]])
    table = summary(ds)
    assert table["foo"].tolist() == [1.5]
    assert "foo" in places(table)["shown"]
    (column,) = [c for c in number_columns(table) if c["name"] == "foo"]
    assert (column["title"], column["unit"], column["about"]) == ("foo", "K", "what is new")
    heading = draw(table, Page("", 80), (), ["foo"]).columns[1].header
    assert heading == "foo\nK"


def test_a_number_without_a_row_is_no_setting() -> None:
    table = pd.DataFrame({"solver": ["a", "b"], "nll": [1.0, 2.0], "bar": [3.0, 4.0]})
    table.attrs["settings"] = ["solver"]
    shown = draw(table, Page("", 80), (), ["nll"])
    assert [column.header for column in shown.columns] == ["experiment", "solver", "nll"]


def test_units_are_those_that_pictures_can_write() -> None:
    assert {unit_symbol(row.unit) for row in QUANTITIES} == {"", "µK", "µK²", "µK⁴", "K", "s"}
