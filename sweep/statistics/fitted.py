"""A recorded fit with the likelihood it minimised, made again to look at its surroundings."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sweep.assemble.setup import build
from sweep.errors import ConfigError
from sweep.jax_session import jax_session
from sweep.problem import Prior, SpectralProblem, observe
from sweep.problem.cells import Rows
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.recovered import check_data
from sweep.types import Params, Status


@dataclass(frozen=True)
class Fitted:
    """One realisation of an experiment at its solution; all numbers are float64.

    Attributes:
        problem: the likelihood.
        rows: the data of the realisation, reduced to its cells.
        params: the solution, shape (cluster,) each.
        low, high: the box, of the same shapes; the ends of a fixed parameter are its value.
        prior: of the free parameters; None where there is none.
    """

    problem: SpectralProblem
    rows: Rows
    params: Params
    low: Params
    high: Params
    prior: Prior | None


@jax_session()
def fitted(experiment: ExperimentView, realisation: int) -> Fitted:
    """Build the likelihood of an experiment again, at the recorded parameters of a realisation.

    Args:
        experiment: the experiment.
        realisation: its number, -1 for the noise-free fit.

    Raises:
        ConfigError: parameters were not kept, the fit is not recorded or not usable, or a file
            that the experiment was made from is gone or has changed.
    """
    one = recorded(experiment, realisation)
    check_data(experiment, [realisation])
    setup = build(experiment.configuration)
    counts: dict[Any, int] = dict(setup.counts)
    problem, maps = _double((setup.problem, setup.maps((realisation,))[0]))
    bounds = setup.bounds

    def cut(values: Params) -> Params:
        return {p: _double(v[: counts[p]]) for p, v in values.items()}

    low, high = (cut(bounds.whole(end)) for end in (bounds.low, bounds.high))
    prior = None if bounds.prior is None else Prior(*map(cut, bounds.prior))
    params = {p: jnp.asarray(one[p].values[: counts[p]]) for p in problem.model.names}
    return Fitted(problem, jax.jit(observe)(problem, maps).rows, params, low, high, prior)


def recorded(experiment: ExperimentView, realisation: int) -> xr.Dataset:
    """What the store says of one usable fit whose parameters it kept.

    Raises:
        ConfigError: as `fitted`.
    """
    stored = experiment.stored
    if not all(p.name in stored for p in experiment.parameters):
        raise experiment.missing(
            "parameters were not kept; run it into another store with store.parameters=true"
        )
    known = stored["realisation"].values
    if realisation not in known:
        raise ConfigError(
            f"realisation {realisation}: not in the store; choose from "
            f"{', '.join(str(n) for n in known)}"
        )
    one = stored.sel(realisation=realisation)
    status = Status(one["status"].item())
    if not status.usable or not np.isfinite(one[experiment.parameters[0].name].values[0]):
        raise experiment.missing(
            f"the fit of realisation {realisation} is {status.name.lower()}; "
            "choose one that is usable"
        )
    return one


def _double(tree: Any) -> Any:
    """Floating point leaves as float64, so that differences of the likelihood keep their digits."""

    def of(leaf: Any) -> Any:
        return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(of, tree)
