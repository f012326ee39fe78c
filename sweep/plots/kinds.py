"""Every kind of picture of a store: what it shows and needs, and how it is drawn from a dataset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import xarray as xr

from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS, NAMES, Estimator
from sweep.plots.convergence import plot_convergence
from sweep.plots.counts import plot_counts
from sweep.plots.front import plot_front
from sweep.plots.heatmap import plot_heatmap
from sweep.plots.histograms import plot_histograms
from sweep.plots.maps import plot_clusters, plot_cmb, plot_parameters, plot_residuals
from sweep.plots.metrics import fits_that_stopped, unconverged
from sweep.plots.names import experiment_names
from sweep.plots.ratio import plot_likelihoods
from sweep.plots.solvers import plot_solvers, solver_table
from sweep.plots.spectra import plot_spectra
from sweep.statistics.experiment import ExperimentView, by_position
from sweep.statistics.front import front
from sweep.statistics.maps import (
    cluster_maps,
    cmb_maps,
    on_pixels,
    parameter_maps,
    residual_maps,
    true_parameter_maps,
)
from sweep.statistics.rankings import templates_of
from sweep.statistics.residuals import Residuals, read_residuals
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.statistics.variance import convergence

_Paths = str | Path


@dataclass(frozen=True)
class Kind:
    """A kind of picture.

    Attributes:
        text: what it shows.
        needs: what the store must hold.
        of: the whole store, one experiment, or several in one picture.
        draw: called with the dataset, for `experiment` and `experiments` the position or positions,
            and the paths to write. Raises ConfigError where what it needs is missing.
    """

    text: str
    needs: str
    of: Literal["store", "experiment", "experiments"]
    draw: Callable[..., Path]


def _front(ds: xr.Dataset, *paths: _Paths) -> Path:
    table = front(ds, converged=0)
    return plot_front(table.assign(unconverged=unconverged(table, ds)), *paths)


def _solvers(ds: xr.Dataset, *paths: _Paths) -> Path:
    return plot_solvers(solver_table(ds), *paths)


@by_position
def _spectra(experiment: ExperimentView, *paths: _Paths) -> Path:
    residuals = read_residuals(experiment)
    (name,) = _names(experiment.ds, [experiment.position])
    estimator = _estimator([residuals])
    return plot_spectra(residuals, templates_of(residuals), *paths, estimator=estimator, name=name)


def _likelihood(ds: xr.Dataset, experiments: Sequence[int], *paths: _Paths) -> Path:
    read = [read_residuals(ExperimentView(ds, i)) for i in experiments]
    usual = _estimator(read)
    found = {}
    for estimator in sorted(ESTIMATORS, key=lambda e: e != usual):
        for name, residuals in zip(_names(ds, experiments), read, strict=True):
            if estimator == usual or not residuals.missing(estimator):
                ratio = tensor_ratio(residuals, templates_of(residuals), estimator)
                found[f"{name}, {NAMES[estimator]}"] = ratio
    return plot_likelihoods(found, *paths)


def _estimator(read: Sequence[Residuals]) -> Estimator:
    """The usual one, but another where that has all of them and the usual one not."""
    whole: list[Estimator] = [e for e in ESTIMATORS if not any(one.missing(e) for one in read)]
    return whole[0] if whole else ESTIMATORS[0]


def _convergence(ds: xr.Dataset, experiments: Sequence[int], *paths: _Paths) -> Path:
    found = convergence(ds.isel(experiment=list(experiments)))
    return plot_convergence(found, _names(ds, experiments), *paths)


@by_position
def _clusters(experiment: ExperimentView, *paths: _Paths) -> Path:
    return plot_clusters(cluster_maps(experiment), *paths)


@by_position
def _parameters(experiment: ExperimentView, *paths: _Paths) -> Path:
    from sweep.statistics.curvature import parameter_errors  # imports jax

    realisation = _realisation(experiment)
    values = parameter_maps(experiment, realisation)
    truth = true_parameter_maps(experiment)
    try:
        errors = on_pixels(experiment, parameter_errors(experiment, realisation))
    except ConfigError:  # too many clusters for a dense matrix
        errors = None
    note = fits_that_stopped(experiment, realisation)
    return plot_parameters(values, *paths, truth=truth, errors=errors, note=note)


@by_position
def _histograms(experiment: ExperimentView, *paths: _Paths) -> Path:
    realisation = _realisation(experiment)
    values, truth = parameter_maps(experiment, realisation), true_parameter_maps(experiment)
    note = fits_that_stopped(experiment, realisation)
    return plot_histograms(values, truth, *paths, note=note)


@by_position
def _cmb(experiment: ExperimentView, *paths: _Paths) -> Path:
    realisation = _realisation(experiment)
    note = fits_that_stopped(experiment, realisation)
    return plot_cmb(cmb_maps(experiment, realisation), *paths, note=note)


@by_position
def _residuals(experiment: ExperimentView, *paths: _Paths) -> Path:
    note = fits_that_stopped(experiment)
    return plot_residuals(residual_maps(experiment), *paths, note=note)


def _names(ds: xr.Dataset, experiments: Sequence[int]) -> list[str]:
    """What tells experiments apart, and whether fits behind a name did not converge."""
    notes = [fits_that_stopped(ExperimentView(ds, i)) for i in experiments]
    names = zip(experiment_names(ds, experiments), notes, strict=True)
    return [f"{name} ({note})" if note else name for name, note in names]


def _realisation(experiment: ExperimentView) -> int:
    """The first usable realisation; the noise-free fit only if there is no other."""
    numbers = experiment.realisations
    if not numbers.size:
        raise experiment.missing("no usable fit")
    return int(min(numbers, key=lambda n: (n < 0, n)))


_FITS = "usable fits"
_RESIDUALS = (
    "two usable fits, or one and noise.noiseless=true, and store.spectra=alm, store.maps or "
    "store.parameters"
)
_PARAMETERS = "a usable fit and store.parameters"
_MAPS = "a usable fit and store.maps or store.parameters"

KINDS = {
    "variance": Kind(
        "variance of the recovered CMB against cluster counts", _FITS, "store", plot_counts
    ),
    "residual_variance": Kind(
        "variance of recovered minus true CMB against cluster counts",
        _FITS,
        "store",
        partial(plot_counts, metric="residual_variance"),
    ),
    "nll": Kind(
        "NLL above the lowest against cluster counts",
        _FITS,
        "store",
        partial(plot_counts, metric="nll"),
    ),
    "r": Kind(
        "r of the residuals against cluster counts",
        _RESIDUALS,
        "store",
        partial(plot_counts, metric="r"),
    ),
    "heatmap": Kind(
        "variance of the recovered CMB over two cluster counts",
        "usable fits, and two swept cluster counts",
        "store",
        plot_heatmap,
    ),
    "front": Kind(
        "systematic against statistical residual, with the Pareto front",
        "two usable fits and store.parameters or store.maps, or one and noise.noiseless=true",
        "store",
        _front,
    ),
    "solvers": Kind(
        "NLL above the lowest against time, for every solver",
        "usable fits of two solvers with the same other settings",
        "store",
        _solvers,
    ),
    "convergence": Kind(
        "mean and variance against the number of realisations",
        "three usable realisations",
        "experiments",
        _convergence,
    ),
    "likelihood": Kind("likelihood of r", _RESIDUALS, "experiments", _likelihood),
    "spectra": Kind(
        "BB spectra of the residuals, lensing and tensor modes", _RESIDUALS, "experiment", _spectra
    ),
    "histograms": Kind(
        "recovered parameters of all pixels against the truth",
        "a usable fit, store.parameters, and a sky that knows its parameters",
        "experiment",
        _histograms,
    ),
    "parameters": Kind(
        "maps of the parameters: true, recovered, error", _PARAMETERS, "experiment", _parameters
    ),
    "clusters": Kind(
        "maps of the clusters", "the files that it was made from", "experiment", _clusters
    ),
    "cmb": Kind("maps of the recovered CMB", _MAPS, "experiment", _cmb),
    "residuals": Kind(
        "maps of the systematic and the statistical residual", _MAPS, "experiment", _residuals
    ),
}
"""Kinds of pictures by name."""
