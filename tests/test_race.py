"""A race against the grid that it stands for, killed and run again, and what is refused."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep
from sweep.cli.session import run_session
from sweep.cli.store import main as store_main
from sweep.config import SweepConf
from sweep.engines import LocalEngine
from sweep.errors import ConfigError
from sweep.progress import Progress
from sweep.session import Race, Request, Round, Rules, race
from sweep.statistics.race import Look
from sweep.statistics.selection import best
from sweep.store import Store
from sweep.testing.small import SMALL, grid, run

RULES = Rules("cmb_variance", first=3, growth=2.0, lost=0.05, enough=0.0, fits=None)
MOST = 12
POINTS = [f"solver=newton clusters.beta_dust={n} noise.realisations={MOST}" for n in (1, 2, 8, 24)]


BIN = Path(sys.executable).parent


class Counting(LocalEngine):
    """In this process; it counts the units, and dies when it was told to."""

    def __init__(self, dies_after: int | None = None) -> None:
        super().__init__(0)
        self.units, self._left = 0, dies_after

    def run(self, packages: Any, worker: Any, say: Any = None) -> Any:
        for ended in super().run(packages, worker):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left = None if self._left is None else self._left - 1
            self.units += len(ended)
            yield ended


def raced(
    confs: list[SweepConf], rules: Rules = RULES, engine: LocalEngine | None = None
) -> tuple[Race, list[Round]]:
    rounds: list[Round] = []
    engine = engine or Counting()
    found = race(Request(confs, engine, (), rules), Progress(None), rounds.append)
    return found, rounds


def points(folder: Path) -> list[SweepConf]:
    return grid(folder / "a.zarr", *POINTS)


def left_of(found: Race) -> list[str]:
    (end,) = found.ends
    return end.left


def test_it_finds_what_the_grid_finds_with_fewer_fits(tmp_path: Path) -> None:
    found, rounds = raced(points(tmp_path / "race"))
    run(grid(tmp_path / "grid.zarr", *POINTS))
    whole = best(sweep.open(tmp_path / "grid.zarr"), "cmb_variance")
    first = {identity[:8]: identity for identity in found.identities}[str(whole.index[0])]
    assert first in left_of(found)
    assert found.whole == len(POINTS) * MOST
    recorded = sweep.open(tmp_path / "race" / "a.zarr")["status"].values
    assert np.count_nonzero(recorded) == found.fits < found.whole
    assert [r.realisations for r in rounds] == [3, 6, 12][: len(rounds)]
    gone = [identity for identity in found.identities if identity not in left_of(found)]
    assert gone


def test_one_that_was_killed_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    plain, _ = raced(points(tmp_path / "plain"))
    for after in (2, 7):
        with pytest.raises(KeyboardInterrupt):
            raced(points(tmp_path), engine=Counting(after))
    engine = Counting()
    found, _ = raced(points(tmp_path), engine=engine)
    assert left_of(found) == left_of(plain)
    assert found.fits == plain.fits
    assert engine.units <= plain.fits - 2 - 7
    again = Counting()
    assert left_of(raced(points(tmp_path), engine=again)[0]) == left_of(plain)
    assert again.units == 0


def test_more_realisations_that_are_there_already_change_no_round(tmp_path: Path) -> None:
    plain, rounds = raced(points(tmp_path / "plain"))
    run(points(tmp_path))
    engine = Counting()
    found, same = raced(points(tmp_path), engine=engine)
    assert engine.units == 0
    assert [[s.left for s in r.groups] for r in same] == [
        [s.left for s in r.groups] for r in rounds
    ]
    assert left_of(found) == left_of(plain)


def test_comparison_groups_race_apart(tmp_path: Path) -> None:
    words = [f"{point} noise.ratio={ratio}" for ratio in (0.5, 1) for point in POINTS]
    found, _ = raced(grid(tmp_path / "a.zarr", *words))
    assert {end.group for end in found.ends} == {"noise.ratio=0.5", "noise.ratio=1"}
    assert all(end.left and end.entered == len(POINTS) for end in found.ends)


def test_it_ends_before_it_is_over_budget(tmp_path: Path) -> None:
    careful = replace(RULES, lost=1e-12, fits=10)  # nobody leaves
    found, rounds = raced(grid(tmp_path / "a.zarr", *POINTS[:2]), careful)
    assert len(rounds) == 1
    assert found.fits == 6
    assert len(left_of(found)) == 2
    assert found.ends[0].over == "going on would make it 12 fits, above 10"


def test_it_ends_before_it_takes_more_hours_of_a_device(tmp_path: Path) -> None:
    careful = replace(RULES, lost=1e-12)
    plain, _ = raced(grid(tmp_path / "a.zarr", *POINTS[:2]), careful)
    seconds = sweep.open(tmp_path / "a.zarr")["seconds"].values
    assert plain.hours == pytest.approx(seconds.sum() / 3600, rel=1e-12)
    # as the third round would be told before it: the mean of the second, six times more
    foreseen = (seconds[:, :6].sum() + 6 * seconds[:, :6].mean(axis=1).sum()) / 3600
    for share, last in ((1.001, 12), (0.999, 6)):
        bounded = replace(careful, device_hours=share * foreseen)
        found, rounds = raced(grid(tmp_path / "a.zarr", *POINTS[:2]), bounded)
        assert rounds[-1].realisations == last
    assert found.ends[0].over.startswith("going on would make it ")
    assert found.ends[0].over.endswith(f" device hours, above {0.999 * foreseen:g}")


def test_it_ends_where_the_leader_is_far_enough_ahead(tmp_path: Path) -> None:
    careful = replace(RULES, lost=1e-12)
    two = grid(tmp_path / "a.zarr", *POINTS[1:3])
    _, rounds = raced(two, careful)
    look = rounds[0].groups[0].look
    assert isinstance(look, Look)
    assert 0 < look.ahead < np.inf
    found, fewer = raced(two, replace(careful, sigma=0.99 * look.ahead))
    assert len(fewer) == 1
    assert found.ends[0].over == (
        f"the first is ahead of all others by {look.ahead:.1f} errors or more"
    )
    assert len(raced(two, replace(careful, sigma=1.01 * look.ahead))[1]) > 1


def test_what_is_quoted_is_measured_by_realisations_that_did_not_choose(tmp_path: Path) -> None:
    found, _ = raced(points(tmp_path))
    (end,) = found.ends
    assert isinstance(end.look, Look)
    ds = sweep.open(tmp_path / "a.zarr")
    rows = np.isin(ds["identity"].values, end.left)
    values = ds["cmb_variance"].values[rows][:, : end.look.realisations]
    middle = values.shape[1] // 2
    halves = (values[:, :middle], values[:, middle:])
    measured = [other[half.mean(axis=1).argmin()] for half, other in (halves, halves[::-1])]
    assert end.measured is not None
    assert end.measured[0] == pytest.approx(np.mean([m.mean() for m in measured]), rel=1e-12)


def test_it_ends_where_all_that_are_left_are_tied(tmp_path: Path) -> None:
    same = grid(tmp_path / "a.zarr", POINTS[0], f"{POINTS[0]} solver.nodes=16")
    found, rounds = raced(same)
    assert len(rounds) == 1
    assert found.ends[0].over == "those that are left are tied"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "beauty"}, "hydra.sweeper.metric = beauty: must be one of "),
        ({"first": 2}, "hydra.sweeper.first = 2: must be at least 3"),
        ({"growth": 1.0}, "hydra.sweeper.growth = 1.0: must be above 1"),
        ({"lost": 0.0}, "hydra.sweeper.lost = 0.0: must be between 0 and 1"),
        ({"enough": 1.0}, "hydra.sweeper.enough = 1.0: must be from 0 to below 1"),
        ({"fits": 0}, "hydra.sweeper.fits = 0: must be above 0, or null"),
        ({"sigma": -1.0}, "hydra.sweeper.sigma = -1.0: must be above 0, or null"),
        ({"device_hours": 0.0}, "hydra.sweeper.device_hours = 0.0: must be above 0, or null"),
        ({"coarse": 1}, "hydra.sweeper.coarse = 1: must be at least 2"),
        ({"zones": True}, "hydra.sweeper.zones = True: must be false, or hydra.sweeper.metric one"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(RULES, **change)


def test_realisations_are_those_of_the_last_round_and_not_swept(tmp_path: Path) -> None:
    confs = grid(tmp_path / "a.zarr", "noise.realisations=4", "noise.realisations=6")
    with pytest.raises(ConfigError, match="noise.realisations = 4, 6: a race grows them itself"):
        raced(confs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("first", "growth", "most", "rounds"),
    [
        (5, 2.0, 100, [5, 10, 20, 40, 80, 100]),
        (5, 1.1, 8, [5, 6, 7, 8]),
        (5, 3.0, 4, [4]),
        (3, 10.0, 30, [3, 30]),
    ],
)
def test_rounds_grow_to_the_realisations_asked_for(
    first: int, growth: float, most: int, rounds: list[int]
) -> None:
    assert replace(RULES, first=first, growth=growth).rounds(most) == rounds


def test_the_command_says_who_leads_who_is_left_and_what_was_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    confs = points(tmp_path)
    request = Request(confs, Counting(), (), RULES)
    assert len(run_session(request)) == len(confs)
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("round 1, 3 realisations: ")
    assert "leads with cmb_variance" in out[0]
    assert f" left of the {len(confs)}" in out[0]
    assert any(line.startswith("left: ") for line in out)
    assert any("instead of the 48 fits of the whole grid" in line for line in out)
    assert any(line.startswith("cmb_variance to quote, half of the realis") for line in out)
    (ranked,) = [
        line for line in out if line.startswith("those that are left, ranked: sweep-store")
    ]
    words = ranked.split(": ")[1].split()
    monkeypatch.setattr(sys, "argv", words)
    store_main()
    printed = " ".join(capsys.readouterr().out.split())
    assert f"compared on the {words[-1]} realisations that all have" in printed
    capsys.readouterr()
    run_session(replace(request, confs=[replace(conf, plan=True) for conf in confs]))
    assert "of a race the first round is planned" in capsys.readouterr().err


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_twenty_kills_at_random_change_no_choice_and_compute_nothing_twice(tmp_path: Path) -> None:
    rng = random.Random(int.from_bytes(os.urandom(4), "big"))
    counts = ",".join(str(n) for n in (1, 2, 8, 24))
    words = ("hydra/sweeper=race", "hydra.sweeper.first=3", f"clusters.beta_dust={counts}")
    more = ("solver=newton", "noise.realisations=24", "hydra.launcher.processes=0")
    slowly = "hydra.sweeper.lost=1e-12"  # so that it is long enough to be killed so often

    def command(store: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BIN / "sweep", "-m", *SMALL, *words, *more, slowly, f"store.path={store}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def recorded() -> int:
        there = (tmp_path / "a.zarr" / "zarr.json").exists()
        return len(Store(tmp_path / "a.zarr").done_units()) if there else 0

    plain, _ = command(tmp_path / "plain.zarr").communicate(timeout=300)
    kills = 0
    while kills < 20:
        process, already = command(tmp_path / "a.zarr"), recorded()
        while process.poll() is None and recorded() <= already:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it ended before 20 kills"
        kills += 1
    out, err = command(tmp_path / "a.zarr").communicate(timeout=300)
    assert said_of_ends(out) == said_of_ends(plain), err
    records = Store(tmp_path / "a.zarr").records
    assert {len(of_unit) for of_unit in records.values()} == {1}
    assert len(records) == len(Store(tmp_path / "plain.zarr").records)


def said_of_ends(out: str) -> list[str]:
    """Rounds, who is left and why, without what a device took."""
    return [line for line in out.splitlines() if line.startswith(("round ", "left: "))]
