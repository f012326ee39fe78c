"""What a race has spent, by hand."""

import numpy as np
import pytest
import xarray as xr

from sweep.session.rules import Rules
from sweep.session.spent import Spent

HOURS = {"a": 1.0, "b": 10.0, "c": 100.0}
"""Of a fit of each experiment."""


def rules(**bounds: float) -> Rules:
    given = {"metric": "nll", "first": 3, "growth": 2.0, "lost": 0.05, "enough": 0.0}
    return Rules(**given | bounds)  # pyright: ignore[reportArgumentType]


def recorded(identities: str, realisations: int) -> xr.Dataset:
    """These experiments in this order, with a fit without noise each."""
    numbers = np.arange(-1, realisations)
    seconds = [[3600 * HOURS[i]] * numbers.size for i in identities]
    return xr.Dataset(
        {"seconds": (("experiment", "realisation"), seconds)},
        {"identity": ("experiment", list(identities)), "realisation": numbers},
    )


def test_fits_and_hours_are_those_of_each_experiment_whatever_their_order() -> None:
    spent = Spent(rules())
    spent.add(recorded("ab", 3), {"a"})
    assert (spent.fits, spent.hours) == (7, pytest.approx(4 * 1 + 4 * 10))
    spent.add(recorded("cba", 3), {"a"})  # a search visits one more
    assert (spent.fits, spent.hours) == (10, pytest.approx(44 + 4 * 100))
    spent.add(recorded("cb", 6), {"a"})
    assert (spent.fits, spent.hours) == (16, pytest.approx(444 + 3 * 100 + 3 * 10))


def test_what_is_foreseen_is_by_the_mean_of_each_and_of_all_for_who_is_new() -> None:
    ds = recorded("ba", 3)
    for bounds, fits in (({"fits": 7}, 7), ({"fits": 8}, 8)):
        spent = Spent(rules(**bounds))
        spent.add(ds, ())
        said = spent.over(ds, ["a"], 5)
        assert said == ("" if fits == 8 else "going on would make it 8 fits, above 7")
    for bound, over in ((46.0, False), (45.9, True)):
        spent = Spent(rules(device_hours=bound))
        spent.add(ds, ())
        assert bool(spent.over(ds, ["a"], 5)) is over  # 44, and two fits of an hour
    for bound, over in ((60.5, False), (60.4, True)):
        spent = Spent(rules(device_hours=bound))
        spent.add(ds, ())
        assert bool(spent.over(ds, ["c"], 3)) is over  # three fits of 5.5 hours
