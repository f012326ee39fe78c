"""Which experiments are ranked: those with enough realisations, as a race leaves them."""

import re

import pytest

from sweep.cli.rankings import notes_of, ranking_table
from sweep.cli.tables import Page, console
from sweep.errors import ConfigError
from sweep.statistics.candidates import with_realisations
from sweep.statistics.selection import best
from sweep.types import Status
from tests.statistics.test_summary import dataset

C, P = Status.CONVERGED, Status.PENDING
RACED = [[C, C, C, C, C, C], [C, C, P, P, P, P], [C, C, C, C, C, Status.NONFINITE], [P] * 6]
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
