"""Statistics over realisations: against numpy, lazily by dask, and paired."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.variance import STATISTICS, convergence, paired, statistics
from sweep.types import Status

EXPERIMENTS, REALISATIONS = 6, 9


@pytest.fixture
def ds() -> xr.Dataset:
    rng = np.random.default_rng(0)
    shape = (EXPERIMENTS, REALISATIONS + 1)
    status = rng.choice([int(s) for s in Status], size=shape, p=[0.1, 0.5, 0.1, 0.1, 0.1, 0.1])
    values = rng.normal(1.0, 0.1, size=shape)
    values[status == Status.NONFINITE] = np.nan
    values[:, 0] = 1e6  # the noise-free fit is no draw
    fit = ("experiment", "realisation")
    return xr.Dataset(
        {
            "status": (fit, status.astype("int8")),
            "cmb_variance": (fit, values, {"units": "uK^2"}),
            "iterations": (fit, rng.integers(1, 9, size=shape, dtype="int32")),
        },
        {"realisation": np.arange(-1, REALISATIONS)},
    )


def kept(ds: xr.Dataset, experiment: int, variable: str = "cmb_variance") -> np.ndarray:
    usable = np.isin(ds["status"].values[experiment], [s for s in Status if s.usable])
    return ds[variable].values[experiment][usable & (ds["realisation"].values >= 0)]


@pytest.mark.parametrize("variable", ["cmb_variance", "iterations"])
def test_they_are_those_of_numpy_over_usable_draws(ds: xr.Dataset, variable: str) -> None:
    found = statistics(ds, variable)
    for i in range(EXPERIMENTS):
        values = kept(ds, i, variable)
        one = found.isel(experiment=i)
        assert one["usable"] == values.size
        noisy = ds["status"].values[i, 1:]
        assert one["unusable"] == np.count_nonzero(noisy != Status.PENDING) - values.size
        assert float(one["mean"]) == pytest.approx(values.mean())
        assert float(one["variance"]) == pytest.approx(values.var(ddof=1))
        assert float(one["standard_error"]) == pytest.approx(
            values.std(ddof=1) / np.sqrt(values.size)
        )


def test_units_and_names_go_along(ds: xr.Dataset) -> None:
    found = statistics(ds)
    assert found["mean"].attrs["units"] == found["standard_error"].attrs["units"] == "uK^2"
    assert found["variance"].attrs["units"] == "(uK^2)^2"
    assert found["variance_error"].attrs["long_name"] == "variance error of cmb_variance"
    assert found["usable"].attrs["units"] == "1"


def test_dask_gives_the_same_bits_and_only_when_asked(ds: xr.Dataset) -> None:
    chunked = ds.chunk(experiment=2, realisation=3)
    for function in (statistics, convergence, lambda ds: paired(ds, 1)):
        lazy: Any = function(chunked)
        assert lazy["mean"].chunks is not None
        xr.testing.assert_identical(lazy.compute(), function(ds))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_gives_the_same_bits(ds: xr.Dataset, workers: int) -> None:
    for function in (statistics, convergence):
        lazy = function(ds.chunk(experiment=1))
        found = lazy.compute(scheduler="threads", num_workers=workers)
        xr.testing.assert_identical(found, function(ds))


def test_the_order_in_the_store_does_not_matter(ds: xr.Dataset) -> None:
    shuffled = ds.isel(realisation=np.random.default_rng(1).permutation(REALISATIONS + 1))
    xr.testing.assert_identical(statistics(shuffled), statistics(ds))
    xr.testing.assert_identical(convergence(shuffled), convergence(ds))


def test_convergence_is_the_statistics_of_the_first(ds: xr.Dataset) -> None:
    found = convergence(ds)
    assert found["count"].values.tolist() == list(range(1, REALISATIONS + 1))
    for count in range(1, REALISATIONS + 1):
        first = statistics(ds.isel(realisation=slice(0, count + 1)))
        for name in STATISTICS:
            np.testing.assert_allclose(found[name].sel(count=count), first[name], rtol=1e-9)


def test_pairs_share_their_noise(ds: xr.Dataset) -> None:
    noise = 10 * np.random.default_rng(2).normal(size=REALISATIONS + 1)
    ds["cmb_variance"] = ds["cmb_variance"] + noise
    found = paired(ds, 2)
    for i in range(EXPERIMENTS):
        usable = np.isin(ds["status"].values[[i, 2], 1:], [s for s in Status if s.usable])
        both = usable.all(axis=0)
        gaps = (ds["cmb_variance"][i] - ds["cmb_variance"][2]).values[1:][both]
        assert found["usable"][i] == both.sum()
        assert float(found["mean"][i]) == pytest.approx(gaps.mean(), abs=1e-12)
        if i != 2 and both.sum() > 1:
            error = gaps.std(ddof=1) / np.sqrt(both.sum())
            assert float(found["standard_error"][i]) == pytest.approx(error)
            assert error < 0.1 * float(statistics(ds)["standard_error"][i])
    assert float(found["mean"][2]) == float(found["variance"][2]) == 0.0


def test_what_is_not_there_is_one_line(ds: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="'speed'; choose from cmb_variance, iterations"):
        statistics(ds, "speed")
    with pytest.raises(ConfigError, match="experiment 6: expected a position below 6"):
        paired(ds, EXPERIMENTS)
