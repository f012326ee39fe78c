"""Creation of a store and of its segments: built aside, published by one rename."""

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from sweep.quantities.table import VARIABLES
from sweep.store.chunks import create_array
from sweep.store.columns import Column, split
from sweep.store.files import folder_made, folder_published, sidecar, store_path, writing
from sweep.store.schema import FORMAT, SCHEMA_VERSION, STOKES, Layout, SegmentSpec
from sweep.store.segment import PREFIX, check_root, segment_names


@dataclass(frozen=True)
class Content:
    """All that a segment holds before its first unit.

    `identities` are the sha256, shape (experiment, 32); `columns` the configuration keys that
    differ; `pixels` the RING indices of the maps, None without; `attributes` those of the group.
    """

    layout: Layout
    identities: np.ndarray
    realisations: tuple[int, ...]
    columns: dict[str, Column]
    nside: int
    pixels: np.ndarray | None
    attributes: dict[str, Any]


def publish(path: str | Path, spec: SegmentSpec) -> str:
    """Add one segment to the store at `path`, which is made if it is not there.

    Safe against other processes that do the same at the same time.

    Returns:
        The name of the new segment.

    Raises:
        StoreError: `path` is something else, or cannot be written; nothing is left behind.
    """
    path = store_path(path)
    aside = sidecar(path)
    base, columns = split([entry.config for entry in spec.experiments])
    name = _name(spec)
    with writing(path):
        fresh = not path.exists()
    ordinal = 0
    if not fresh:
        check_root(path)
        ordinal = len(segment_names(path))
    coordinates = ["identity", *columns] + (["healpix_index"] if spec.maps else [])
    attributes = {
        "ordinal": ordinal,
        "nside": spec.nside,
        "clusters": spec.clusters,
        "layout": asdict(spec.layout),
        "base": base,
        "swept": list(columns),
        "provenance": spec.provenance,
        "coordinates": " ".join(coordinates),
    }
    digests = b"".join(bytes.fromhex(entry.identity) for entry in spec.experiments)
    content = Content(
        layout=spec.layout,
        identities=np.frombuffer(digests, dtype="uint8").reshape(-1, 32),
        realisations=spec.realisations,
        columns=columns,
        nside=spec.nside,
        pixels=None if spec.pixels is None else np.asarray(spec.pixels),
        attributes=attributes,
    )
    with (
        writing(path),
        folder_made(path.parent),
        folder_made(aside),
        folder_published(aside, path / name) as temporary,
    ):
        fill(temporary, content)
        if fresh:
            _publish_root(aside, path)
    return name


def _publish_root(aside: Path, path: Path) -> None:
    with folder_published(aside, path) as temporary:
        zarr.create_group(
            temporary,
            zarr_format=3,
            attributes={
                "format": FORMAT,
                "schema_version": SCHEMA_VERSION,
                "uuid": uuid.uuid4().hex,
            },
        )
    check_root(path)


def _name(spec: SegmentSpec) -> str:
    content = [
        [entry.identity for entry in spec.experiments],
        spec.realisations,
        asdict(spec.layout),
        spec.provenance,
        uuid.uuid4().hex,
    ]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return PREFIX + digest[:12]


def fill(folder: Path, content: Content) -> None:
    """Write a segment's metadata and coordinates into `folder`; its variables hold only fill."""
    zarr.create_group(folder, zarr_format=3, attributes=content.attributes)
    layout = content.layout
    for name in layout.variables:
        variable = VARIABLES[name]
        grid = {"grid_mapping": "healpix_index"} if "pixel" in variable.dims else {}
        create_array(
            folder,
            name,
            shape=layout.shape(name),
            chunks=layout.chunks(name),
            dtype=layout.dtype(name),
            fill=variable.fill,
            dims=variable.dims,
            attributes=variable.attributes | grid,
        )
    _write(
        folder,
        "realisation",
        np.array(content.realisations, dtype="int32"),
        ("realisation",),
        {"units": "1", "long_name": "realisation number, -1 is the noise-free slot"},
    )
    _write(
        folder,
        "identity",
        content.identities,
        ("experiment", "byte"),
        {"units": "1", "long_name": "sha256 of the experiment's configuration"},
    )
    _write(
        folder,
        "recorded",
        np.zeros(layout.blocks, dtype="int8"),
        ("experiment_block", "realisation_block"),
        {"units": "1", "long_name": "units recorded when the store was last sealed"},
    )
    for key, column in content.columns.items():
        about = {"units": "1", "long_name": f"configuration key {key}"}
        _write(folder, key, column.values, ("experiment",), about | column.attributes)
    if multipoles := layout.sizes.get("multipole"):
        _write(
            folder,
            "multipole",
            np.arange(2, multipoles + 2, dtype="int32"),
            ("multipole",),
            {"units": "1", "long_name": "multipole"},
        )
    if content.pixels is not None:
        _write_sky(folder, content.pixels, content.nside)


def _write_sky(folder: Path, pixels: np.ndarray, nside: int) -> None:
    _write(
        folder,
        "stokes",
        np.arange(len(STOKES), dtype="int8"),
        ("stokes",),
        {"units": "1", "long_name": "Stokes parameter", "labels": list(STOKES)},
    )
    _write(
        folder,
        "healpix_index",
        pixels.astype("int64"),
        ("pixel",),
        {
            "units": "1",
            "long_name": "HEALPix pixel",
            "standard_name": "healpix_index",
            "grid_mapping_name": "healpix",
            "indexing_scheme": "ring",
            "nside": nside,
            "refinement_level": nside.bit_length() - 1,
        },
    )


def _write(
    folder: Path, name: str, values: np.ndarray, dims: tuple[str, ...], attributes: dict[str, Any]
) -> None:
    array = create_array(
        folder,
        name,
        shape=values.shape,
        chunks=values.shape,
        dtype=values.dtype,
        fill=0,
        dims=dims,
        attributes=attributes,
    )
    array[...] = values
