"""One chunk, one file: its name, its encoding, and reading that never mistakes absence for fill."""

from pathlib import Path

import numpy as np
import zarr
from zarr.abc.buffer import Buffer
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

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
