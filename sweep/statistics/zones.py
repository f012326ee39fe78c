"""Experiments on disjoint masks as one sky, each zone with its own clusters."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sweep.cache import canonical_json
from sweep.errors import ConfigError
from sweep.grid import Groups
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.recovered import kept_pixels
from sweep.statistics.residuals import Field, Residuals, read_residuals

_SHARED = ("sky", "instrument", "noise")
"""What all zones must have in common: the same draws of noise on the same sky."""


def read_zones(ds: xr.Dataset, experiments: Sequence[int], field: Field = "B") -> Residuals:
    """Residuals of experiments on disjoint masks together, over the realisations they share.

    Args:
        ds: what `sweep.open` returns.
        experiments: their positions in `ds`, one a zone.
        field: E or B.

    Raises:
        ConfigError: masks overlap, the experiments see different skies, or they share no
            realisation.
    """
    views = [ExperimentView(ds, e) for e in experiments]
    check_shared(views)
    check_disjoint(views)
    return combine([read_residuals(view, field) for view in views])


def check_shared(experiments: Sequence[ExperimentView]) -> None:
    """Refuse zones that are not parts of one sky; imports by what is known of them.

    Raises:
        ConfigError: the sky, the instrument or the noise differ.
    """
    groups = Groups()
    for name in _SHARED:
        if len({_group(e, name, groups) for e in experiments}) > 1:
            raise ConfigError(
                f"zones must share sky, instrument and noise, but `{name}` differs between them"
            )


def _group(experiment: ExperimentView, name: str, groups: Groups) -> str:
    """The settings `name` of an experiment, in a form that can be compared."""
    settings = experiment.imported_settings
    if settings is None:
        return groups.digest(experiment.configuration, name)
    return canonical_json({k: v for k, v in settings.items() if k.split(".")[0] == name})


def check_disjoint(experiments: Sequence[ExperimentView]) -> None:
    """Refuse zones that overlap.

    Raises:
        ConfigError: masks have pixels in common.
    """
    masks = [str(e.stored["mask.expression"].item()) for e in experiments]
    seen = np.zeros(0, np.int64)
    for i, experiment in enumerate(experiments):
        pixels = kept_pixels(experiment)
        if (overlap := np.intersect1d(seen, pixels).size) > 0:
            others = ", ".join(f"`{mask}`" for mask in masks[:i])
            raise ConfigError(
                f"zone `{masks[i]}` has {overlap:,} pixels in common with {others}: "
                "take disjoint masks, e.g. GAL020 and GAL040-GAL020"
            )
        seen = np.union1d(seen, pixels)


def combine(zones: Sequence[Residuals]) -> Residuals:
    """Residuals of disjoint zones together: coefficients add up, and so do sky fractions.

    Raises:
        ConfigError: there is no zone, resolutions differ, or no realisation is in all of them.
    """
    if not zones:
        raise ConfigError("no zone was given")
    if len({zone.alms.shape[1] for zone in zones}) > 1:
        raise ConfigError("zones must have the same nside and the same multipoles")
    if len({zone.fwhm for zone in zones}) > 1:
        raise ConfigError("zones must have the same instrument.fwhm_out")
    shared = zones[0].realisations
    for zone in zones[1:]:
        shared = np.intersect1d(shared, zone.realisations)
    noiseless = [zone.noiseless for zone in zones if zone.noiseless is not None]
    whole = len(noiseless) == len(zones)
    if not shared.size and not whole:
        raise ConfigError("the zones have no usable realisation in common")
    odd = [part.odd for zone in zones if (part := zone.select(shared)).odd is not None]
    return Residuals(
        label="+".join(zone.label for zone in zones),
        sky_fraction=float(sum(zone.sky_fraction for zone in zones)),
        realisations=shared,
        alms=np.sum([zone.select(shared).alms for zone in zones], axis=0),
        noiseless=np.sum(noiseless, axis=0) if whole else None,
        odd=np.sum(odd, axis=0) if odd else None,
        fwhm=zones[0].fwhm,
    )
