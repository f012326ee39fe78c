"""Statistics of one number a fit over realisations: an xarray.Dataset in, one out.

Usable are fits whose status is usable and whose number is finite; the noise-free fit (realisation
-1) is no draw and never counted. What is not usable is counted beside. Realisations are summed in
the order of their numbers, so that results do not depend on who computed them, or when. Where noise
is antithetic (`sweep.statistics.pairs`) the pair is the unit of errors.

Datasets may be chunked (`ds.chunk(experiment=1000)`, with the extra `dask`): results are then
computed by dask, chunk by chunk, when they are asked for.
"""

from typing import Any

import numpy as np
import xarray as xr

from sweep.errors import ConfigError
from sweep.statistics.dataset import is_usable, noisy_part
from sweep.statistics.moments import Moments
from sweep.statistics.pairs import antithetic, by_pair
from sweep.types import NOT_ATTEMPTED, Status

STATISTICS = ("mean", "standard_error", "variance", "variance_error", "usable", "unusable")
_COUNTS = ("usable", "unusable")


def statistics(ds: xr.Dataset, variable: str = "cmb_variance") -> xr.Dataset:
    """Mean and variance over the realisations of every experiment, each with its error.

    Args:
        ds: what `sweep.open` returns, or a part of it.
        variable: a number that every fit has, e.g. `cmb_variance`, `nll`, `seconds`.

    Returns:
        Over `experiment`: `mean`, its `standard_error`, `variance`, its error `variance_error` (by
        the jackknife), `usable` and `unusable` (recorded fits that are not usable). NaN where
        there are too few usable fits: below 1, 2, 2 and 3.

    Raises:
        ConfigError: `variable` is no number of every fit.
    """
    noisy = _noisy(ds, variable)
    return _of_units(_statistics, noisy[variable], noisy["status"], antithetic(ds))


def convergence(ds: xr.Dataset, variable: str = "cmb_variance") -> xr.Dataset:
    """`statistics` of the first 1, 2, 3 ... realisations: how they settle with their number.

    Returns:
        As `statistics`, with the further dimension `count`: 1 to the number of realisations, all
        that are not recorded or not usable included.

    Raises:
        ConfigError: `variable` is no number of every fit.
    """
    noisy = _noisy(ds, variable)
    found = _of_units(_running, noisy[variable], noisy["status"], antithetic(ds), "count")
    about = {"units": "1", "long_name": "realisations looked at"}
    return found.assign_coords(count=("count", np.arange(noisy.sizes["realisation"]) + 1, about))


def paired(ds: xr.Dataset, reference: int, variable: str = "cmb_variance") -> xr.Dataset:
    """Differences to an experiment, realisation by realisation.

    The same number is the same noise in every experiment: differences are known much better than
    the two numbers themselves.

    Args:
        ds: what `sweep.open` returns, or a part of it.
        reference: position of the experiment that is subtracted.
        variable: a number that every fit has.

    Returns:
        As `statistics`, of the differences; `usable` counts realisations that are usable in both.

    Raises:
        ConfigError: `variable` is no number of every fit, or there is no such experiment.
    """
    noisy = _noisy(ds, variable)
    if not 0 <= reference < noisy.sizes["experiment"]:
        raise ConfigError(
            f"experiment {reference}: expected a position below {noisy.sizes['experiment']}"
        )
    other = noisy.isel(experiment=reference, drop=True)
    usable = is_usable(noisy["status"]) & is_usable(other["status"])
    recorded = (noisy["status"] != Status.PENDING) & (other["status"] != Status.PENDING)
    status = xr.where(usable, Status.CONVERGED, Status.NONFINITE).where(recorded, Status.PENDING)
    difference = (noisy[variable] - other[variable]).assign_attrs(noisy[variable].attrs)
    return _of_units(_statistics, difference, status, antithetic(ds))


def _noisy(ds: xr.Dataset, variable: str) -> xr.Dataset:
    if variable not in ds or set(ds[variable].dims) != {"experiment", "realisation"}:
        known = [str(n) for n, v in ds.items() if v.dims == ds["status"].dims and n != "status"]
        raise ConfigError(f"unknown variable {variable!r}; choose from {', '.join(known)}")
    noisy = noisy_part(ds[[variable, "status"]]).sortby("realisation")
    return noisy.chunk(realisation=-1) if noisy.chunks else noisy


def _of_units(
    function: Any, values: xr.DataArray, status: xr.DataArray, pairs: np.ndarray, *left: str
) -> xr.Dataset:
    """`_reduced`; where noise is antithetic, errors are those of as many pairs.

    That of the mean is by the means of pairs. The two fits of a pair are as far from the mean, so
    that a variance is known as of half as many.
    """
    found = _reduced(function, values, status, *left)
    if not pairs.any():
        return found
    realisations = values["realisation"].values
    numbers, usable = by_pair(values.values, is_usable(status.values), realisations, pairs)
    ended = status.copy(data=np.where(usable, status.values, Status.PENDING))
    of_pairs = _reduced(function, values.copy(data=numbers), ended, *left)
    which = xr.DataArray(pairs, dims="experiment")
    found["standard_error"] = xr.where(which, of_pairs["standard_error"], found["standard_error"])
    error = found["variance_error"]
    found["variance_error"] = xr.where(which, np.sqrt(2) * error, error)
    return found


def _reduced(function: Any, values: xr.DataArray, status: xr.DataArray, *left: str) -> xr.Dataset:
    """`function` of all realisations of an experiment; its results keep the dimensions `left`."""
    found = xr.apply_ufunc(
        function,
        values,
        status,
        input_core_dims=[["realisation"], ["realisation"]],
        output_core_dims=[list(left)] * len(STATISTICS),
        dask="parallelized",
        output_dtypes=[np.int64 if name in _COUNTS else np.float64 for name in STATISTICS],
        dask_gufunc_kwargs={"output_sizes": dict.fromkeys(left, values.sizes["realisation"])},
    )
    unit = values.attrs.get("units", "1")
    units = {"mean": unit, "standard_error": unit, "usable": "1", "unusable": "1"}
    squared = unit if unit == "1" else f"({unit})^2"
    return xr.Dataset(
        {
            name: array.assign_attrs(
                units=units.get(name, squared),
                long_name=f"{name.replace('_', ' ')} of {values.name}",
            )
            for name, array in zip(STATISTICS, found, strict=True)
        }
    )


def _usable(values: np.ndarray, status: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers, and which of them are usable and which are recorded and not."""
    finite = np.isfinite(values)
    if values.dtype.kind == "i":
        finite &= values != NOT_ATTEMPTED
    usable = is_usable(status) & finite
    return values.astype(np.float64), usable, (status != Status.PENDING) & ~usable


def _statistics(values: np.ndarray, status: np.ndarray) -> tuple[np.ndarray, ...]:
    numbers, usable, unusable = _usable(values, status)
    return _columns(Moments.of(numbers, usable), unusable.sum(axis=-1))


def _running(values: np.ndarray, status: np.ndarray) -> tuple[np.ndarray, ...]:
    numbers, usable, unusable = _usable(values, status)
    merged = Moments.of(numbers[..., :0], usable[..., :0])
    steps = []
    for i in range(numbers.shape[-1]):
        merged = merged.merge(Moments.of(numbers[..., i : i + 1], usable[..., i : i + 1]))
        steps.append(_columns(merged, unusable[..., : i + 1].sum(axis=-1)))
    return tuple(np.stack(column, axis=-1) for column in zip(*steps, strict=True))


def _columns(found: Moments, unusable: np.ndarray) -> tuple[np.ndarray, ...]:
    numbers = {name: getattr(found, name) for name in STATISTICS if name not in _COUNTS}
    return (*numbers.values(), found.n, unusable)
