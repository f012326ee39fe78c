"""The whole store as one lazily read `xarray.Dataset`: the union of its segments."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from sweep.errors import StoreError
from sweep.model import DEFAULT, KNOWN
from sweep.quantities.table import VARIABLES
from sweep.store.columns import ABSENT, distinct
from sweep.store.reader import Store
from sweep.store.schema import FORMAT, SCHEMA_VERSION, STOKES
from sweep.store.segment import Segment
from sweep.store.union import Axes, Union, View, chosen

ALWAYS = (
    "solver",
    "clusters",
    *(f"clusters.{name}" for name in KNOWN),
    "mask.expression",
    "noise.ratio",
)
"""Configuration coordinates that are there even when all experiments agree on them."""


_BEFORE = {"model.name": DEFAULT}
"""What experiments were of that say nothing of it."""


def open_dataset(path: str | Path, *, nside: int | None = None) -> xr.Dataset:
    """Open the store at `path`; values are read from disk only when they are used.

    Dimensions are `experiment` (in order of publication), `realisation` (its numbers, -1 is the
    noise-free slot), `cluster_*` (NaN padded), `stokes` and `pixel`, `multipole` and `harmonic` (as
    in `sweep.spectra`). What is not recorded reads
    as fill: status 0, NaN, -1. Swept configuration keys are coordinates of `experiment` under
    their dotted names; a trailing `.name` is left out.

    Args:
        path: the store.
        nside: keep only the segments of this nside; needed when maps of several are stored.

    Raises:
        StoreError: no store of this version is at `path`, or its maps have several nsides. On
            reading: a recorded chunk is missing or damaged.
    """
    while True:
        store = Store(path)
        try:
            return _dataset(store, nside)
        except StoreError:
            if not store.stale:
                raise


def _dataset(store: Store, nside: int | None) -> xr.Dataset:
    segments = chosen(store, nside)
    resolutions = sorted({s.nside for s in segments if s.layout.maps})
    if len(resolutions) > 1:
        raise StoreError(
            f"{store.path}: maps of nside {resolutions} cannot share one pixel axis; "
            f"open it with nside={resolutions[0]}, for example"
        )
    axes = Axes(segments)
    view = View(store, nside, axes)
    present = [n for n in VARIABLES if any(n in s.layout.variables for s in segments)]
    variables = {
        name: xr.Variable(
            VARIABLES[name].dims,
            indexing.LazilyIndexedArray(Union(view, name)),
            VARIABLES[name].attributes,
        )
        for name in present
    }
    base, coordinates = _config_coordinates(segments, axes)
    coordinates |= _coordinates(axes)
    attributes = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "path": str(store.path),
        "base": json.dumps(base),
        "provenance": json.dumps([s.provenance for s in segments]),
    }
    return xr.Dataset(variables, coordinates, attributes)


def _coordinates(axes: Axes) -> dict[str, xr.Variable]:
    """The coordinates that do not come from the configuration."""
    about = {"units": "1"}
    coordinates = {
        "identity": xr.Variable(
            "experiment",
            np.array(list(axes.pairs.identities), dtype=object),
            about | {"long_name": "sha256 of the experiment's configuration"},
        ),
        "realisation": xr.Variable(
            "realisation",
            axes.pairs.realisations,
            about | {"long_name": "realisation number, -1 is the noise-free slot"},
        ),
    }
    if multipoles := axes.sizes.get("multipole"):
        coordinates["multipole"] = xr.Variable(
            "multipole", np.arange(2, multipoles + 2), about | {"long_name": "multipole"}
        )
    if axes.nside is not None:
        coordinates["stokes"] = xr.Variable(
            "stokes", list(STOKES), about | {"long_name": "Stokes parameter"}
        )
        coordinates["healpix_index"] = xr.Variable(
            "pixel",
            axes.pixels,
            about | {"long_name": "HEALPix pixel", "indexing_scheme": "ring", "nside": axes.nside},
        )
    return coordinates


def _config_coordinates(
    segments: list[Segment], axes: Axes
) -> tuple[dict[str, Any], dict[str, xr.Variable]]:
    """The base that all experiments share, and a coordinate for each other key."""
    count = axes.sizes["experiment"]
    keys = dict.fromkeys(key for s in segments for key in (*s.base, *s.columns))
    base: dict[str, Any] = {}
    coordinates: dict[str, xr.Variable] = {}
    for key in keys:
        unsaid = _BEFORE.get(key, ABSENT)
        values = [unsaid if v is ABSENT else v for v in _values(key, segments, axes)]
        shared = len(distinct(values)) == 1
        if shared:
            base[key] = values[0]
            values = values[:1] * count
        name = key.removesuffix(".name")
        if name in keys or name in VARIABLES or name in axes.sizes:
            name = key
        if not shared or name in ALWAYS:
            coordinates[name] = xr.Variable(
                "experiment",
                _plain(values),
                {"units": "1", "long_name": f"configuration key {key}"},
            )
    return base, coordinates


def _values(key: str, segments: list[Segment], axes: Axes) -> list[Any]:
    """The value of a key for every experiment; only one where it is the same by every base."""
    bases = [s.base.get(key, ABSENT) for s in segments if key not in s.columns]
    if len(bases) == len(segments) and len(distinct(bases)) == 1:
        return bases[:1]
    values = np.full(axes.sizes["experiment"], ABSENT, dtype=object)
    for segment in segments:
        rows = axes.positions(segment, "experiment")
        column = segment.columns.get(key)
        held = column.decode() if column else [segment.base.get(key, ABSENT)] * rows.size
        values[rows] = np.fromiter(held, dtype=object, count=rows.size)
    return values.tolist()


def _plain(values: list[Any]) -> np.ndarray:
    """Numbers where all values are numbers (NaN where there is none), else strings."""
    some = [value for value in values if value is not ABSENT and value is not None]
    kinds = {type(value) for value in some}
    if kinds and kinds <= {int, float} or kinds == {bool}:
        if len(some) == len(values):
            return np.array(some)
        return np.array([v if type(v) in kinds else np.nan for v in values], dtype=float)
    texts = [
        "" if v is ABSENT or v is None else v if isinstance(v, str) else json.dumps(v)
        for v in values
    ]
    return np.array(texts, dtype=object)
