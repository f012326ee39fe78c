"""Searches of the published grid on recorded fits: how good a choice, for how many of its fits.

The 847 counts of the published K-means grid in one of its masks, of which 20 realisations each are
recorded. A search draws its realisations from these, with replacement, so that what is best of all
is known: the lowest mean of what is drawn from. It goes as `hydra/sweeper=refine` does; beside it a
race of all points, and points drawn at random of which as many fits are made.

    python -m benchmarks.refined [SKY ...]
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from benchmarks.choice import swept
from benchmarks.races import MOST, plainly, race, rules
from benchmarks.real import check_data
from benchmarks.record import keep
from sweep.session import Rules
from sweep.session.search import Search
from sweep.statistics.summary import settings_table

SKIES = ("d1s1", "rough")
MASK, RECORDED = "GAL040-GAL020", 20
STORES = Path("runs/refined")
REPEATS = 100

ENOUGH = {"cmb_variance": 0.001, "residual_variance": 0.01}
"""Share of the metric by which a choice may be worse than the best and count as good; also
`hydra.sweeper.enough`, where a race ends."""

BUDGET = 0.05
"""Of the fits of the whole grid."""

WAYS = ("refine", "race", "race, growth 1.5", "at random")

AXES = ("clusters.beta_dust", "clusters.temp_dust", "clusters.beta_pl")


def main(*skies: str) -> None:
    """Search the grid of each sky, many times."""
    check_data()
    rows = [row for name in skies or SKIES for row in of_sky(name)]
    keep("refined", rows, mask=MASK, rounds=rules("cmb_variance").rounds(MOST))


def of_sky(name: str) -> list[dict[str, Any]]:
    """A row for each metric and way."""
    path = STORES / f"{name}.zarr"
    words = (f"mask.expression={MASK}", f"noise.realisations={RECORDED}")
    swept(path, name, "+experiment=paper_grid", *words, quiet=True)
    ds = sweep.open(path)
    table = settings_table(ds)
    counts = table[list(AXES)].to_numpy()
    points = [[f"{k}={n}" for k, n in zip(AXES, each, strict=True)] for each in counts]
    return [
        {"sky": name, "metric": metric, **row}
        for metric in ENOUGH
        for row in repeated(points, ds[metric].values, metric)
    ]


def repeated(
    points: Sequence[Sequence[str]], values: np.ndarray, metric: str
) -> list[dict[str, Any]]:
    """Many searches, each on realisations of its own."""
    means, rng = values.mean(axis=1), np.random.default_rng(7)
    most, found = int(BUDGET * len(values) * MOST), list[tuple[Any, ...]]()
    usual, slow = (rules(metric, ENOUGH[metric], growth) for growth in (2.0, 1.5))
    first = usual.first
    for _ in range(REPEATS):
        drawn = values[:, rng.integers(values.shape[1], size=MOST)]
        chosen, visited, took = refined(points, drawn, usual, most)
        races = [race(len(values), given, plainly(drawn, given)) for given in (usual, slow)]
        some = rng.choice(len(values), min(took // first, len(values)), replace=False)
        random = some[drawn[some, :first].mean(axis=1).argmin()]
        found.append(
            (
                (chosen, visited, took),
                *((left[0], len(values), of_race) for left, of_race in races),
                (random, len(some), took),
            )
        )
    rows = []
    for way, of_way in zip(WAYS, zip(*found, strict=True), strict=True):
        choices, visits, fits = np.array(of_way).T
        worse = means[choices] / means.min() - 1
        rows.append(
            {
                "way": way,
                "good": int(np.sum(worse <= ENOUGH[metric])),
                "of": REPEATS,
                "enough": ENOUGH[metric],
                "worse, mean": float(worse.mean()),
                "worse, most": float(worse.max()),
                "points": float(visits.mean()),
                "fits of the grid's": float(fits.mean() / (len(values) * MOST)),
            }
        )
    return rows


def refined(
    points: Sequence[Sequence[str]], drawn: np.ndarray, given: Rules, most: int
) -> tuple[int, int, int]:
    """What a search chooses, how many points it visits, and its fits, at most so many."""
    search, looked = Search(points, 4, 8, ()), plainly(drawn, given)
    left, took, before = search.first(), 0, 0
    visited = len(left)
    for number in given.rounds(MOST):
        more, cost = left, len(left) * (number - before)
        while more and took + cost <= most:
            took += cost
            order = np.array(left)[drawn[left, :number].mean(axis=1).argsort(kind="stable")]
            more = search.next("", order.tolist())
            cost = len(more) * number
            if took + cost <= most:
                left, visited = [*left, *more], visited + len(more)
        if more:
            break
        stay, over = looked(left, number)
        left, before = [left[i] for i in stay], number
        if over:
            break
    return left[0], visited, took


if __name__ == "__main__":
    main(*sys.argv[1:])
