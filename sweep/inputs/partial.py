"""Files that list their pixels, of maps of a part of the sky, as maps of the whole sky."""

from dataclasses import replace

import healpy as hp
import numpy as np

from sweep.inputs.columns import Columns

_PIXEL = ("pixel", "pixels", "pix", "pixel_index", "hpx_index")


def lists_pixels(name: str) -> bool:
    """Whether the map of this name is not a map, but the numbers of the pixels."""
    return name.strip().lower() in _PIXEL


def on_whole_sky(columns: Columns) -> Columns:
    """Maps of listed pixels, put on the sphere: UNSEEN, in float64, where none is listed.

    INDXSCHM = EXPLICIT of FITS, as of `healpy.write_map(..., partial=True)`, and its column
    PIXEL; of npz an array `pixel` and the number `nside`. Pixels are in the order of the file.

    Raises:
        ConfigError: Pixels are listed and there is no NSIDE, or they are not distinct pixels of
            it, one for each value; or the file says that it lists them and does not.
    """
    name = next(filter(lists_pixels, columns.arrays), None)
    if name is None:
        if columns.stated("indxschm") == "EXPLICIT" or columns.stated("object") == "PARTIAL":
            raise columns.refused(
                "is a map of part of the sky without a column PIXEL; write it by "
                "healpy.write_map(..., partial=True)"
            )
        return columns
    nside = columns.header.get("nside")
    if not isinstance(nside, int) or not hp.isnsideok(nside, nest=True):
        raise columns.refused(f"lists pixels in `{name}`, and NSIDE is {nside}; give theirs")
    pixels, npix = columns.arrays[name], hp.nside2npix(nside)
    whole = pixels.dtype.kind in "iu" and pixels.ndim == 1
    if not whole or np.any((pixels < 0) | (pixels >= npix)):
        raise columns.refused(f"`{name}`: expected integers from 0 to {npix - 1} (nside {nside})")
    if np.unique(pixels).size != pixels.size:
        raise columns.refused(f"`{name}`: lists a pixel twice; list each once")

    def spread(array: np.ndarray) -> np.ndarray:
        if array.shape[-1:] != pixels.shape or array.dtype.kind not in "buif":
            return array  # judged if it is asked for
        full = np.full((*array.shape[:-1], npix), hp.UNSEEN)
        full[..., pixels] = array
        return full

    arrays = {n: spread(array) for n, array in columns.arrays.items() if n != name}
    return replace(columns, arrays=arrays)
