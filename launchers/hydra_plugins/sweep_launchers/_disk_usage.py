"""The disk usage of a grid, for one that is too large to look at."""

from sweep.config.models import parameter_names
from sweep.config.schema import SweepConf
from sweep.grid import MOST_UNITS, axes_of_fit
from sweep.grid.plan import MOST_BYTES
from sweep.quantities.table import VARIABLES
from sweep.store import fit_bytes


def disk_usage(conf: SweepConf, points: int) -> tuple[float, float]:
    """Bytes and files of so many points like `conf`, at most: no mask and no data are looked at.

    Args:
        conf: one of the points.
        points: their number.

    Returns:
        Bytes of the numbers, uncompressed, and files of units that experiments share.
    """
    pixels = 12 * conf.sky.nside**2
    most = {name: pixels for name in parameter_names(conf)}
    if conf.clusters.name == "kmeans":
        most = {name: min(getattr(conf.clusters, name), pixels) for name in most}
    axes, maps = axes_of_fit(conf.store, conf.sky.nside, most, pixels, 0)
    fits = points * (conf.noise.realisations + conf.noise.noiseless)
    size = fits * fit_bytes(axes, maps)
    variables = sum(set(v.dims[2:]) <= axes.keys() for v in VARIABLES.values())
    units = max(min(fits, MOST_UNITS), size / MOST_BYTES)
    return size, units * variables


def as_text(size: float, files: float) -> str:
    """Bytes and files in words."""
    units = {"TB": 1e12, "GB": 1e9, "MB": 1e6}
    unit = next((name for name, length in units.items() if size >= length), "MB")
    return f"up to {size / units[unit]:.3g} {unit} in {files:.1g} files"
