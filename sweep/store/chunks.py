"""One chunk, one file: its name, its encoding, and reading that never mistakes absence for fill."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.buffer import Buffer
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore

from sweep.errors import StoreError

SEPARATOR = "."
_COMPRESSORS = (ZstdCodec(level=3), Crc32cCodec())


def create_array(
    store: Path | MemoryStore,
    name: str,
    *,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype,
    fill: float,
    dims: tuple[str, ...] | None = None,
    attributes: dict | None = None,
) -> zarr.Array:
    """Create one array in the house encoding: zstd, crc32c, a file even for an empty chunk."""
    return zarr.create_array(
        store,
        name=name,
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        fill_value=fill,
        compressors=_COMPRESSORS,
        dimension_names=dims,
        attributes=attributes,
        chunk_key_encoding={"name": "default", "separator": SEPARATOR},
        config={"write_empty_chunks": True},
        zarr_format=3,
    )


def chunk_name(index: tuple[int, ...]) -> str:
    """File name of the chunk at `index` within its array's folder."""
    return SEPARATOR.join(("c", *map(str, index)))


def encode_chunk(values: np.ndarray, chunks: tuple[int, ...], fill: float) -> bytes:
    """Encode one chunk, padded to `chunks` with `fill`, as zarr would store it.

    Writing a ragged chunk through the array itself makes zarr read the old chunk first, which
    fails where that one is damaged and to be redone.
    """
    stored: dict[str, Buffer] = {}
    array = create_array(
        MemoryStore(stored), "x", shape=chunks, chunks=chunks, dtype=values.dtype, fill=fill
    )
    padded = np.full(chunks, fill, dtype=values.dtype)
    padded[tuple(slice(n) for n in values.shape)] = values
    array[...] = padded
    return stored[f"x/{chunk_name((0,) * len(chunks))}"].to_bytes()


def read_region(array: zarr.Array, file: Path, region: tuple[slice, ...]) -> np.ndarray:
    """Decode the one chunk that `region` covers and that `file` holds.

    Raises:
        StoreError: the file is missing (zarr alone would return fill), cannot be read, or
            fails its checksum.
    """
    try:
        if not file.is_file():
            raise StoreError(f"{file}: the chunk is missing; run `sweep-store verify`")
        return np.asarray(array[region])
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(
            f"{file}: the chunk is damaged ({line}); run `sweep-store verify`"
        ) from error


class _Recorded(LocalStore):
    """The folder of one array, in which a chunk is as recorded, or fill, or an error."""

    def __init__(
        self, folder: Path, recorded: Mapping[str, Collection[tuple[int, str]] | None], hashed: bool
    ) -> None:
        super().__init__(folder, read_only=True)
        self._recorded, self._hashed = recorded, hashed

    async def get(self, key: str, *about: Any, **more: Any) -> Buffer | None:
        """The bytes of `key`; of a chunk that is not recorded None, which zarr takes for fill."""
        chunk = key.startswith(f"c{SEPARATOR}")
        if chunk and key not in self._recorded:
            return None
        data = await super().get(key, *about, **more)
        if data is None:
            raise StoreError(f"{self.root / key}: the chunk is missing; run `sweep-store verify`")
        if chunk and (files := self._recorded[key]) is not None:
            found: tuple = (len(data),)
            if self._hashed:
                found = (*found, hashlib.sha256(data.as_numpy_array().data).hexdigest())
            if found not in {file[: len(found)] for file in files}:
                raise StoreError(
                    f"{self.root / key}: the chunk is not as recorded; run `sweep-store verify`"
                )
        return data


def read_recorded(
    folder: Path,
    region: tuple[np.ndarray, ...],
    recorded: Mapping[str, Collection[tuple[int, str]] | None],
    *,
    hashed: bool = False,
) -> np.ndarray:
    """Decode many chunks at once: what the array in `folder` holds at the positions `region`.

    Args:
        folder: of the array.
        region: positions along each axis.
        recorded: sizes and sha256 that a chunk may have, by its name; None where nobody knows.
            A chunk that is left out reads as fill.
        hashed: whether to compare sha256 too, not only sizes.

    Raises:
        StoreError: a recorded chunk is missing, not as recorded, or fails its checksum. Which
            one is said only of the first two.
    """
    try:
        store = _Recorded(folder, recorded, hashed)
        array = zarr.open_array(store, mode="r", zarr_format=3)
        return np.asarray(array.oindex[tuple(map(as_slice, region))])
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"{folder}: a chunk is damaged; run `sweep-store verify`") from error


def as_slice(positions: np.ndarray) -> slice | np.ndarray:
    """The same positions as a slice where they follow each other, which is read much faster."""
    if positions.size and (np.diff(positions) == 1).all():
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions
