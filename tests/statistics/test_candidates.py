"""Which experiments are ranked, and on which realisations."""

import re
from collections import Counter

import numpy as np
import pytest

from sweep.cli.rankings import notes_of, ranking_table
from sweep.cli.tables import Page, console
from sweep.errors import ConfigError
from sweep.statistics.candidates import (
    converged_share,
    in_common,
    rankable,
    with_realisations,
)
from sweep.statistics.selection import best
from sweep.types import Status
from tests.statistics.test_summary import dataset

S = Status


def test_the_share_is_of_recorded_fits_with_noise() -> None:
    ds = dataset(
        [
            [S.MAX_STEPS, S.CONVERGED, S.CONVERGED, S.PENDING],
            [S.CONVERGED, S.CONVERGED, S.MAX_STEPS, S.NONFINITE],
            [S.CONVERGED, S.PENDING, S.PENDING, S.PENDING],
        ],
        [-1, 0, 1, 2],
    )
    np.testing.assert_allclose(converged_share(ds), [1, 1 / 3, np.nan])


def test_too_few_converged_fits_do_not_rank_and_are_counted() -> None:
    ds = dataset(
        [[S.CONVERGED] * 10, [S.CONVERGED] * 9 + [S.STALLED], [S.CONVERGED] * 8 + [S.MAX_STEPS] * 2]
        + [[S.NONFINITE] * 10],
        list(range(10)),
    )
    left_out: Counter[str] = Counter()
    assert rankable(ds, 0.9, left_out).tolist() == [True, True, False, False]
    assert sorted(left_out.values()) == [1, 1]
    assert any("fewer than 90 % of the fits converged" in why for why in left_out)
    assert rankable(ds, 0.0, Counter()).tolist() == [True, True, True, False]
    assert rankable(ds, 1.0, Counter()).tolist() == [True, False, False, False]
    with pytest.raises(ConfigError, match="converged=90: expected a share from 0 to 1"):
        rankable(ds, 90, Counter())


def test_what_an_import_does_not_say_keeps_it_from_no_ranking() -> None:
    ds = dataset([[S.MAX_STEPS] * 2] * 2, [0, 1], **{"imported.program": ["", "furax-cs"]})
    assert rankable(ds, 0.9, Counter()).tolist() == [False, True]


@pytest.mark.parametrize(
    ("has", "needed", "kept", "on"),
    [
        (["1110", "1111", "1111"], 2, "111", "1110"),
        (["1000", "1111", "1111"], 2, "011", "1111"),
        (["1100", "1100", "0011"], 2, "110", "1100"),  # the one that shares nothing goes
        (["0011", "1100", "1100"], 1, "011", "1100"),
        (["1100", "0011"], 1, "10", "1100"),
        (["1000", "0000"], 2, "00", "0000"),
    ],
)
def test_realisations_in_common(has: list[str], needed: int, kept: str, on: str) -> None:
    matrix = np.array([[c == "1" for c in row] for row in has])
    found, shared = in_common(matrix, needed)
    assert "".join("01"[int(k)] for k in found) == kept
    assert "".join("01"[int(k)] for k in shared) == on


C, P = S.CONVERGED, S.PENDING
RACED = [[C, C, C, C, C, C], [C, C, P, P, P, P], [C, C, C, C, C, S.NONFINITE], [P] * 6]
NUMBERS = list(range(6))


@pytest.mark.parametrize(("least", "kept"), [(1, [0, 1, 2]), (5, [0, 2]), (6, [0])])
def test_those_with_enough_usable_realisations_are_ranked(least: int, kept: list[int]) -> None:
    ds, notes = with_realisations(dataset(RACED, NUMBERS), least)
    assert [int(identity, 16) for identity in ds["identity"].values] == kept
    assert notes == [f"left out: {4 - len(kept)} (fewer than {least} usable realisations)"]


def test_where_all_have_enough_nothing_is_said() -> None:
    ds = dataset(RACED[:1], NUMBERS)
    assert with_realisations(ds, 6) == (ds, [])


def test_more_than_any_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="no experiment has 7 usable realisations, the most .* 6"):
        with_realisations(dataset(RACED, NUMBERS), 7)


def test_a_ranking_on_few_of_them_says_how_to_use_more() -> None:
    out = console()
    for experiments, more in (
        (RACED[:2], "; --at-least 6 ranks those that have more"),
        (RACED[:1], ""),
    ):
        table = best(dataset(experiments, NUMBERS), "cmb_variance")
        with out.capture() as captured:
            out.print(ranking_table(table, notes_of(table), Page("a.zarr", 200)))
        few = 2 if more else 6
        said = " ".join(captured.get().split())  # a caption is as wide as its table
        assert re.search(rf"compared on the {few} realisations that all have{more}(?!;)", said)
