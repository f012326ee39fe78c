"""Experiments on disjoint masks as one sky, each zone with its own clusters."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.grid import Groups
from sweep.statistics.configurations import configuration
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
    check_zones([configuration(ds, e) for e in experiments])
    return combine([read_residuals(ds, e, field) for e in experiments])


def check_zones(confs: Sequence[SweepConf]) -> None:
    """Refuse zones that are not parts of one sky.

    Raises:
        ConfigError: masks overlap, or the sky, the instrument or the noise differ.
    """
    from sweep.config.build import build_mask  # imports jax

    groups = Groups()
    for name in _SHARED:
        if len({groups.digest(conf, name) for conf in confs}) > 1:
            raise ConfigError(
                f"zones must share sky, instrument and noise, but `{name}` differs between them"
            )
    seen = np.zeros(0, bool)
    for i, conf in enumerate(confs):
        mask = build_mask(conf)
        seen = seen if seen.size else np.zeros(mask.keep.size, bool)
        if (overlap := np.count_nonzero(seen & mask.keep)) > 0:
            others = ", ".join(f"`{c.mask.expression}`" for c in confs[:i])
            raise ConfigError(
                f"zone `{conf.mask.expression}` has {overlap:,} pixels in common with {others}: "
                "take disjoint masks, e.g. GAL020 and GAL040-GAL020"
            )
        seen |= mask.keep


def combine(zones: Sequence[Residuals]) -> Residuals:
    """Residuals of disjoint zones together: coefficients add up, and so do sky fractions.

    Raises:
        ConfigError: there is no zone, resolutions differ, or no realisation is in all of them.
    """
    if not zones:
        raise ConfigError("no zone was given")
    if len({zone.alms.shape[1] for zone in zones}) > 1:
        raise ConfigError("zones must have the same nside and the same multipoles")
    shared = zones[0].realisations
    for zone in zones[1:]:
        shared = np.intersect1d(shared, zone.realisations)
    noiseless = [zone.noiseless for zone in zones if zone.noiseless is not None]
    whole = len(noiseless) == len(zones)
    if not shared.size and not whole:
        raise ConfigError("the zones have no usable realisation in common")
    return Residuals(
        label="+".join(zone.label for zone in zones),
        sky_fraction=float(sum(zone.sky_fraction for zone in zones)),
        realisations=shared,
        alms=np.sum([zone.select(shared).alms for zone in zones], axis=0),
        noiseless=np.sum(noiseless, axis=0) if whole else None,
    )
