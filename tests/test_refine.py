"""A race that visits some points: against all of them, killed, and within its budget."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.config import SweepConf
from sweep.errors import ConfigError
from sweep.progress import Progress
from sweep.session import Race, Request, Round, Rules, race
from sweep.statistics.selection import best
from sweep.testing.small import grid, run
from tests.test_race import Counting, left_of

RULES = Rules("cmb_variance", first=3, growth=4.0, lost=0.05, enough=0.0, coarse=3)
COUNTS = (1, 2, 4, 6, 8, 12, 16, 24, 32)
MOST = 6


def points(store: Path, *more: str) -> tuple[list[SweepConf], list[list[str]]]:
    """A line of counts, in the order of the command line."""
    overrides = [[f"clusters.beta_dust={count}", *more] for count in COUNTS]
    fixed = f"solver=newton noise.realisations={MOST}"
    return grid(store, *(" ".join([fixed, *each]) for each in overrides)), overrides


def refined(
    store: Path, rules: Rules = RULES, engine: Counting | None = None
) -> tuple[Race, list[Round]]:
    rounds: list[Round] = []
    confs, overrides = points(store)
    request = Request(confs, engine or Counting(), overrides, rules)
    return race(request, Progress(None), rounds.append), rounds


def test_it_finds_the_best_of_all_by_some(tmp_path: Path) -> None:
    found, rounds = refined(tmp_path / "some.zarr")
    run(points(tmp_path / "all.zarr")[0])
    whole = best(sweep.open(tmp_path / "all.zarr"), "cmb_variance")
    assert left_of(found)[0][:8] == str(whole.index[0])
    visited = sweep.open(tmp_path / "some.zarr").sizes["experiment"]
    assert visited < len(COUNTS)
    assert found.ends[0].visited == visited
    assert found.ends[0].entered == len(COUNTS) == len(found.identities)
    assert found.whole == len(COUNTS) * MOST
    seconds = sweep.open(tmp_path / "some.zarr")["seconds"].values
    assert found.hours == pytest.approx(np.nansum(seconds) / 3600, rel=1e-9)
    recorded = sweep.open(tmp_path / "some.zarr")["status"].values
    assert np.count_nonzero(recorded) == found.fits < found.whole
    assert rounds[0].more > 0
    assert rounds[-1].more == 0


def test_one_that_was_killed_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    plain, rounds = refined(tmp_path / "plain.zarr")
    for after in (4, 9):
        with pytest.raises(KeyboardInterrupt):
            refined(tmp_path / "a.zarr", engine=Counting(after))
    engine = Counting()
    found, again = refined(tmp_path / "a.zarr", engine=engine)
    assert left_of(found) == left_of(plain)
    assert [(r.number, r.more) for r in again] == [(r.number, r.more) for r in rounds]
    assert engine.units <= plain.fits - 4 - 9


def test_what_is_recorded_of_others_does_not_change_the_walk(tmp_path: Path) -> None:
    plain, rounds = refined(tmp_path / "plain.zarr")
    run(points(tmp_path / "a.zarr")[0])
    engine = Counting()
    found, same = refined(tmp_path / "a.zarr", engine=engine)
    assert engine.units == 0
    assert left_of(found) == left_of(plain)
    assert found.fits == plain.fits
    assert [r.more for r in same] == [r.more for r in rounds]


def test_it_visits_no_more_than_its_budget(tmp_path: Path) -> None:
    found, rounds = refined(tmp_path / "a.zarr", replace(RULES, fits=10))
    assert found.fits == 9
    assert len(rounds) == 1
    assert found.ends[0].over.startswith("going on would make it ")
    assert sweep.open(tmp_path / "a.zarr").sizes["experiment"] == 3


def test_a_point_that_cannot_be_is_said_before_any_is_computed(tmp_path: Path) -> None:
    confs, overrides = points(tmp_path / "a.zarr")
    confs[3] = replace(confs[3], clusters=replace(confs[3].clusters, beta_dust=10_000))
    request = Request(confs, Counting(), overrides, RULES)
    with pytest.raises(ConfigError, match="`beta_dust`: 10,000 clusters, 192 pixels"):
        race(request, Progress(None), lambda _: None)
    assert list(tmp_path.iterdir()) == []
