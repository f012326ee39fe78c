"""Maps small enough for a page: averaged to fewer pixels, 8 bits each, kept pixels only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import healpy as hp
import numpy as np

from sweep.model import FITTED, KNOWN
from sweep.quantities.base import unit_symbol
from sweep.quantities.table import VARIABLES
from sweep.report.packing import text

_UNIT = unit_symbol(VARIABLES["cmb"].unit)

KINDS: dict[str, dict[str, str]] = {
    **{
        p.name: {"title": p.name, "unit": unit_symbol(p.unit), "scale": "viridis"}
        for p in KNOWN.values()
    },
    "systematic": {"title": "systematic residual, Q", "unit": _UNIT, "scale": "diverging"},
    "mean": {"title": "mean residual, Q", "unit": _UNIT, "scale": "diverging"},
    "statistical": {"title": "statistical residual, rms", "unit": _UNIT, "scale": "cividis"},
}
"""Maps of an experiment, in the order of the page."""

LAYERS = max(map(len, FITTED.values())) + 2
"""Most maps of one experiment: `systematic` where a fit without noise tells it, else `mean`."""

FINEST = 64
"""The page draws no finer maps: its canvas has 640 x 320 points."""

COARSEST = 4

_LEVELS = 254
_NOTHING = 255

_BYTES = 5_600_000
"""For maps of all experiments at one resolution, before they are compressed."""

_MORE_BYTES = 1_000_000
"""For finer maps of the experiments that matter most."""

_FINER = 4
"""How many times their nside may be above that of the others."""

_OUTLIERS = 0.5
"""Per cent of the pixels at either end that colours do not tell apart."""


def resolutions(
    native: Sequence[int], pixels: Sequence[int], layers: int, first: Sequence[int]
) -> list[int]:
    """The nside of every experiment's maps, so that all of them stay small.

    Args:
        native: nside of the fits.
        pixels: number of kept pixels, one an experiment as `native`.
        layers: maps an experiment.
        first: positions of the experiments that may have finer maps, in order of importance.
    """

    def size(i: int, nside: int) -> float:
        # a border of coarse pixels is kept as well
        fewer = pixels[i] * (nside / native[i]) ** 2
        return layers * min(fewer + 4 * np.sqrt(fewer), 12 * nside**2)

    def fits(nside: int) -> bool:
        return sum(size(i, min(nside, native[i])) for i in range(len(native))) <= _BYTES

    common = FINEST
    while common > COARSEST and not fits(common):
        common //= 2
    chosen = [min(common, n) for n in native]
    left = _MORE_BYTES
    for i in first:
        finer = min(FINEST, _FINER * chosen[i], native[i])
        left -= size(i, finer) - size(i, chosen[i])
        if left < 0:
            break
        chosen[i] = finer
    return chosen


@dataclass
class Atlas:
    """Packs maps; masks and input skies, which many experiments share, are packed once.

    Attributes:
        masks: `{nside, bits}`, a bit a pixel, RING order.
    """

    masks: list[dict[str, Any]] = field(default_factory=list)
    _known: dict[tuple[int, bytes], int] = field(default_factory=dict)

    def pack(self, layers: dict[str, np.ndarray], nside: int) -> dict[str, Any]:
        """Maps of one experiment, `UNSEEN` outside its mask, each of shape (npix,).

        Returns:
            `{nside, mask, layers: [{kind, low, high, data}]}`: a level between low and high in 8
            bits for each pixel that any of the maps has, 255 where this one has none.
        """
        coarse = {kind: _coarse(values, nside) for kind, values in layers.items()}
        kept = np.any([np.isfinite(values) for values in coarse.values()], axis=0)
        bits = np.packbits(kept).tobytes()
        if (nside, bits) not in self._known:
            self._known[nside, bits] = len(self.masks)
            self.masks.append({"nside": nside, "bits": text(bits)})
        packed = [_layer(kind, values[kept]) for kind, values in coarse.items()]
        return {"nside": nside, "mask": self._known[nside, bits], "layers": packed}


def _coarse(values: np.ndarray, nside: int) -> np.ndarray:
    """A map at a lower resolution, NaN where it has no pixel."""
    averaged = np.asarray(hp.ud_grade(values, nside), float)
    return np.where(averaged == hp.UNSEEN, np.nan, averaged)


def _layer(kind: str, values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [_OUTLIERS, 100 - _OUTLIERS]) if finite.size else (0.0, 0.0)
    if KINDS[kind]["scale"] == "diverging":  # colours go both ways from zero
        high = max(abs(low), abs(high))
        low = -high
    low, high = float(f"{low:.7g}"), float(f"{high:.7g}")
    scaled = _LEVELS * (values - low) / (high - low) if high > low else np.zeros_like(values)
    codes = np.rint(np.clip(np.nan_to_num(scaled), 0, _LEVELS))
    codes = np.where(np.isfinite(values), codes, _NOTHING).astype(np.uint8)
    return {"kind": kind, "low": low, "high": high, "data": text(codes.tobytes())}
