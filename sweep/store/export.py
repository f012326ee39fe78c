"""Export: everything that is recorded as one plain Zarr group, for readers without this package."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from sweep.errors import StoreError
from sweep.quantities.table import VARIABLES
from sweep.store.chunks import create_array
from sweep.store.columns import encode
from sweep.store.compact import LARGEST
from sweep.store.dataset import open_dataset
from sweep.store.files import folder_published, store_path, writing


def export(path: str | Path, output: str | Path, *, nside: int | None = None) -> Path:
    """Write what `open_dataset` shows into one Zarr v3 group.

    Its arrays run over all experiments. Texts are codes with their labels in the attribute
    `labels`, identities 32 bytes each; the attributes `base` and `provenance` of the group are
    JSON. What is not recorded is fill: status 0, NaN, -1. The group appears whole or not at all.

    Args:
        path: the store.
        output: the group to make; nothing may be there yet.
        nside: as in `open_dataset`.

    Raises:
        StoreError: `path` is no store, something is at `output`, it cannot be written, or a
            recorded chunk is missing or damaged.
    """
    output = store_path(output)
    if output.exists():
        raise StoreError(f"{output} exists; give another output")
    ds = open_dataset(path, nside=nside)
    with (
        writing(output.parent),
        folder_published(output.parent, output) as folder,
    ):
        zarr.create_group(folder, zarr_format=3, attributes=_group_attributes(ds))
        for name, array in ds.coords.items():
            _write_whole(folder, str(name), array)
        for name in ds.data_vars:
            _write_rows(folder, str(name), ds[name])
    return output


def _group_attributes(ds: xr.Dataset) -> dict[str, Any]:
    coordinates = " ".join(str(name) for name in ds.coords if name not in ds.dims)
    loaded = {name: json.loads(ds.attrs[name]) for name in ("base", "provenance")}
    return {"exported_from": ds.attrs["format"], "coordinates": coordinates, **loaded}


def _write_whole(folder: Path, name: str, array: xr.DataArray) -> None:
    """A coordinate; texts as codes."""
    values, dims, attributes = array.values, tuple(map(str, array.dims)), dict(array.attrs)
    if name == "identity":
        digests = b"".join(bytes.fromhex(one) for one in values)
        values, dims = np.frombuffer(digests, np.uint8).reshape(-1, 32), (*dims, "byte")
    elif values.dtype.kind in "OUS":
        column = encode(name, values.tolist())
        values, attributes = column.values, attributes | column.attributes
    made = create_array(
        folder,
        name,
        shape=values.shape,
        chunks=values.shape,
        dtype=values.dtype,
        fill=0,
        dims=dims,
        attributes={key: _plain(value) for key, value in attributes.items()},
    )
    made[...] = values


def _write_rows(folder: Path, name: str, array: xr.DataArray) -> None:
    """A variable, in chunks of whole experiments that are read one after another."""
    count = array.shape[0]
    row = int(np.prod(array.shape[1:])) * array.dtype.itemsize
    rows = int(np.clip(LARGEST // max(row, 1), 1, max(count, 1)))
    made = create_array(
        folder,
        name,
        shape=array.shape,
        chunks=(rows, *array.shape[1:]),
        dtype=array.dtype,
        fill=VARIABLES[name].fill,
        dims=tuple(map(str, array.dims)),
        attributes=dict(array.attrs),
    )
    for start in range(0, count, rows):
        made[start : start + rows] = array[start : start + rows].values


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
