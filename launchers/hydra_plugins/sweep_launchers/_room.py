"""How much room a grid would take, said of one that is too large to look at."""

from sweep.config.schema import SweepConf
from sweep.grid import MOST_UNITS
from sweep.grid.plan import MOST_BYTES
from sweep.store import VARIABLES, fit_axes, fit_bytes
from sweep.types import PARAMETERS, Parameter


def room(conf: SweepConf, points: int) -> tuple[float, float]:
    """Bytes and files of so many points like `conf`, at most: no mask and no data are looked at.

    Args:
        conf: one of the points.
        points: their number.

    Returns:
        Bytes of the numbers, uncompressed, and files of units that experiments share.
    """
    kept, pixels = conf.store, 12 * conf.sky.nside**2
    most: dict[Parameter, int] = {name: pixels for name in PARAMETERS}
    if conf.clusters.name == "kmeans":
        for name in PARAMETERS:
            most[name] = min(getattr(conf.clusters, name), pixels)
    maps = None if kept.maps == "none" else kept.maps
    axes = fit_axes(
        conf.sky.nside,
        most if kept.parameters else {},
        pixels if maps is not None else 0,
        None if kept.spectra == "none" else kept.spectra,  # pyright: ignore[reportArgumentType]
    )
    fits = points * (conf.noise.realisations + conf.noise.noiseless)
    size = fits * fit_bytes(axes, maps)
    variables = sum(set(v.dims[2:]) <= axes.keys() for v in VARIABLES.values())
    units = max(min(fits, MOST_UNITS), size / MOST_BYTES)
    return size, units * variables


def said(size: float, files: float) -> str:
    """Room as a person says it."""
    unit, one = next((u, n) for u, n in (("TB", 1e12), ("GB", 1e9), ("MB", 0)) if size >= n)
    return f"up to {size / (one or 1e6):.3g} {unit} in {files:.1g} files"
