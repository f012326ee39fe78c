"""PySM's template files: which a model needs, and whether they are at hand."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

from sweep.errors import ConfigError

DOWNLOAD_TIMEOUT = 15.0
"""Seconds without an answer; PySM itself would wait 90 for each of several files."""

_SUFFIXES = (".fits", ".fits.gz", ".txt", ".dat", ".h5")

# What HensleyDraine2017 opens beside its preset, pysm3/models/hd2017.py.
_HENSLEY_DRAINE = (
    "pysm_2/sil_fe00_2.0.dat",
    "pysm_2/sil_fe05_2.0.dat",
    "pysm_2/car_1.0.dat",
    "pysm_2/COM_CompMap_dust-commander_0256_R2.00.fits",
)


def require_templates(presets: Mapping[str, Mapping[str, Any]], nside: int) -> dict[str, Any]:
    """Make sure that every template of the presets is on this machine.

    Looks under PYSM_LOCAL_DATA, in PySM's own folders and in astropy's cache, then tries to
    download into that cache.

    Args:
        presets: PySM presets by name, as in its `presets.cfg`.
        nside: HEALPix resolution asked for; newer templates come in several.

    Returns:
        What identifies the templates: PySM's version, and size and time of each file.

    Raises:
        ConfigError: Files are missing and the first cannot be downloaded; all are named.
    """
    import pysm3
    from astropy.utils.data import download_file, is_url_in_cache
    from pysm3.utils.data import DATAURL, RemoteData

    folders = RemoteData().data_folders
    names = sorted({name for preset in presets.values() for name in _names(preset, nside)})
    found: dict[str, Path] = {}
    missing = []
    for name in names:
        local = next((path for path in _candidates(name, folders) if path.exists()), None)
        if local is not None:
            found[name] = local
        elif not is_url_in_cache(DATAURL + name):
            missing.append(name)
    for name in names:
        if name in found:
            continue
        try:
            path = download_file(
                DATAURL + name, cache=True, timeout=DOWNLOAD_TIMEOUT, show_progress=False
            )
        except (URLError, OSError) as error:
            raise ConfigError(
                f"PySM templates {', '.join(missing)} are not on this machine and cannot be "
                f"downloaded ({_reason(error)}); put them under PYSM_LOCAL_DATA="
                f"{os.environ.get('PYSM_LOCAL_DATA', '<folder>')}, with these paths"
            ) from error
        found[name] = Path(path)
    files = {name: (path.stat().st_size, path.stat().st_mtime_ns) for name, path in found.items()}
    return {"pysm": pysm3.__version__, "templates": files}


def _candidates(name: str, folders: list[str]) -> Iterator[Path]:
    yield Path(name)
    yield from (Path(folder) / name for folder in folders)


def _names(preset: Mapping[str, Any], nside: int) -> Iterator[str]:
    available = preset.get("available_nside")
    # PySM's rule: the available resolution that is nearest.
    template_nside = min(available, key=lambda other: abs(other - nside)) if available else nside
    layers = range(1, preset.get("num_layers", 0) + 1)
    yield from _hidden(preset, nside)
    for value in preset.values():
        if isinstance(value, Mapping):
            yield from _names(value, nside)
        elif isinstance(value, str) and value.endswith(_SUFFIXES):
            if "{layer}" in value:
                yield from (value.format(layer=layer, nside=template_nside) for layer in layers)
            else:
                yield value.format(nside=template_nside)


def _hidden(preset: Mapping[str, Any], nside: int) -> Iterator[str]:
    """What a model opens that its preset does not name."""
    if preset.get("class") == "HensleyDraine2017":
        yield from _HENSLEY_DRAINE
    if preset.get("class") == "COLines":  # pysm3/models/co_lines.py
        size = 512 if nside <= 512 else 2048
        yield f"co/HFI_CompMap_CO-Type1_{size}_R2.00_ring.fits"
        if preset["has_polarization"]:
            yield f"co/psimap_dust90_{size}.fits"
            yield f"co/gmap_dust90_{size}.fits"
        if preset.get("include_high_galactic_latitude_clouds"):
            yield f"co/mcmoleCO_HGL_{size}.fits"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
