"""What each job of a multirun returns to a sweeper that searches, an Optuna study say."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sweep.session.launching import Launch
from sweep.session.preparation import Request
from sweep.statistics.dataset import of_identities

if TYPE_CHECKING:
    import xarray as xr

    from sweep.statistics.objective import Objective


def metrics_of(objective: Any) -> list[str]:
    """The metrics that the setting `objective` names, which is null, one of them or a list."""
    return [objective] if isinstance(objective, str) else list(objective or ())


def objectives(request: Request, done: Launch) -> list[list["Objective"]]:
    """Of every experiment, in the order they were asked for, the metrics that were asked for.

    They are of the realisations that were asked for, whatever else the store holds, so that a
    search that was killed sees the same numbers again.

    Raises:
        ConfigError: fits do not have what a metric needs.
        StoreError: the store cannot be read.
    """
    from sweep.statistics.objective import objective
    from sweep.store import open_dataset

    ds, metrics = open_dataset(done.store), metrics_of(request.confs[0].objective)
    found: dict[tuple[str, int], list[Objective]] = {}
    asked = [
        (identity, conf.noise.realisations)
        for identity, conf in zip(done.identities, request.confs, strict=True)
    ]
    for one in asked:
        if one not in found:
            own = as_after(ds, [one[0]], one[1])
            found[one] = [objective(own, metric) for metric in metrics]
    return [found[one] for one in asked]


def as_after(ds: "xr.Dataset", identities: Sequence[str], realisations: int) -> "xr.Dataset":
    """These experiments as they are after so many realisations, whatever else is there."""
    there = ds["realisation"].values < realisations
    return of_identities(ds, identities).isel(realisation=there)
