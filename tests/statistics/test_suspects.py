"""Fits that look wrong are told in words, with the ranking."""

from collections.abc import Sequence

import numpy as np
import pytest
import xarray as xr

from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.statistics.suspects import warnings
from sweep.types import Status
from tests.statistics.test_summary import dataset

S = Status


def suspected(
    flags: list[list[int]], statuses: Sequence[Sequence[int]] | None = None
) -> xr.Dataset:
    ds = dataset(
        statuses or [[S.CONVERGED] * len(flags[0])] * len(flags), list(range(len(flags[0])))
    )
    return ds.assign(suspect=(("experiment", "realisation"), np.array(flags, np.int8)))


def test_they_are_counted_of_those_that_are_known() -> None:
    converged, failed = S.CONVERGED, S.NONFINITE
    ds = suspected(
        [[6, 4, 0, 2], [0, 0, 0, 0], [-1, -1, -1, -1], [7, -1, 0, 7]],
        [[converged] * 4] * 3 + [[converged, converged, converged, failed]],
    )
    table = summary(ds)
    assert table["suspect"].tolist()[:2] == [3, 0]
    assert np.isnan(table["suspect"].iloc[2])
    assert table[["suspect", "suspect_of"]].iloc[3].tolist() == [1, 2]
    said = warnings(table)
    assert said[0] == (
        "00000000: in 3 of 4 fits temp_dust and beta_pl are implausible or stuck at their box: "
        "dust and synchrotron may have swapped roles; see docs/science.md"
    )
    assert "in 1 of 2 fits beta_dust, temp_dust and beta_pl are" in said[1]
    assert len(said) == 2


def test_dust_alone_has_swapped_no_roles() -> None:
    (line,) = warnings(summary(suspected([[1, 0]])))
    assert line.endswith(
        "in 1 of 2 fits beta_dust is implausible or stuck at its box: see docs/science.md"
    )


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    said = warnings(summary(suspected([[4, 4]] * 8)))
    assert len(said) == 6
    assert said[-1].startswith("suspect fits in 3 more experiments")


@pytest.mark.parametrize("elsewhere", [[0, 0, 1, -1], [0, 2, 0, 0]])
def test_starts_that_ended_in_the_same_minimum(elsewhere: list[int]) -> None:
    ds = dataset([[S.CONVERGED] * 4, [S.CONVERGED] * 4], [0, 1, 2, 3])
    values = np.array([elsewhere, [-1] * 4], np.int32)
    table = summary(ds.assign(starts_elsewhere=(("experiment", "realisation"), values)))
    assert table["starts_same"].iloc[0] == elsewhere.count(0)
    assert table["starts_tried"].iloc[0] == 4 - elsewhere.count(-1)
    assert np.isnan(table["starts_same"].iloc[1])


def test_a_store_that_does_not_say_it_has_no_such_columns() -> None:
    table = summary(dataset([[S.CONVERGED]], [0]))
    assert not {"suspect", "starts_same"} & set(table.columns)
    assert warnings(table) == []


def test_they_do_not_win_silently() -> None:
    from sweep.cli.rankings import notes_of

    table = best(suspected([[4, 4], [0, 0]]), "cmb_variance")
    assert table["suspect"].tolist() == [2, 0]
    assert "in 2 of 2 fits beta_pl is implausible" in notes_of(table)[0]
