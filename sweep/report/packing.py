"""Numbers in few bytes, as the page unpacks them (`page/data.js`)."""

import base64
import gzip
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from sweep.spectra import multipoles
from sweep.statistics.residuals import Spectra
from sweep.statistics.tensor_ratio import Templates, TensorRatio

_PER_DECADE = 1600
"""Codes a decade: 0.07 % from the value at most."""

_LOWEST = -16
"""log10 of what the code 1 means."""

_CODES = 2**15 - 1
_POINTS = 33
"""Points of a likelihood on each side of its peak, the peak included."""

_TAIL = 1e-3
"""What is less likely than this share of the maximum is not drawn."""

_BINS = 128
"""Spectra with more multipoles are averaged over neighbours."""


def text(data: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(data).decode("ascii")


def zipped(content: str) -> str:
    """Text, gzipped and in base64; the same text gives the same."""
    return text(gzip.compress(content.encode(), compresslevel=6, mtime=0))


def plain(value: Any) -> Any:
    """A number, text or list for JSON: numpy's are Python's, what is not finite is None."""
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def logarithms(values: np.ndarray) -> str:
    """Signed logarithms in 16 bits, 0 where there is nothing: 1e-16 to 1e4 within 0.07 %."""
    values = np.asarray(values, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = 1 + np.rint(_PER_DECADE * (np.log10(np.abs(values)) - _LOWEST))
    kept = np.isfinite(codes) & (codes >= 1)
    size = np.where(kept, np.minimum(np.where(kept, codes, 0), _CODES), 0)
    return text((np.sign(np.nan_to_num(values)) * size).astype("<i2").tobytes())


def spectra(found: Spectra, templates: str) -> dict[str, Any]:
    """Total, systematic and statistical power at `bins`, and the name of what they compare with."""
    stacked = [found.total, found.systematic, found.statistical]
    return {
        "templates": templates,
        "data": logarithms(np.concatenate([_binned(s) for s in stacked])),
    }


def bins(templates: Templates) -> dict[str, Any]:
    """Where spectra are given, and what they are compared with, uK_CMB^2."""
    return {
        "ell": _digits(_binned(multipoles(len(templates.tensor) // 2)), 4),
        "lensing": _digits(_binned(templates.lensing), 5),
        "tensor": _digits(_binned(templates.tensor), 5),
    }


def _binned(values: np.ndarray) -> np.ndarray:
    """Means over neighbours weighted by the number of modes."""
    modes = 2 * multipoles(len(values) // 2) + 1
    width = -(-len(values) // _BINS)
    starts = np.arange(0, len(values), width)
    return np.add.reduceat(modes * values, starts) / np.add.reduceat(modes, starts)


def _digits(values: Iterable[float], digits: int) -> list[float]:
    return [float(f"{v:.{digits}g}") for v in values]


def likelihood(ratio: TensorRatio) -> dict[str, Any]:
    """A likelihood of r at points that are equally spaced on each side of its peak."""
    seen = ratio.grid[ratio.likelihood > _TAIL]
    low, high = min(seen[0], ratio.r), max(seen[-1], ratio.r)
    below = np.linspace(low, ratio.r, _POINTS)
    above = np.linspace(ratio.r, high, _POINTS)[1:]
    values = np.interp(np.concatenate([below, above]), ratio.grid, ratio.likelihood)
    codes = np.rint(65535 * np.clip(values, 0, 1)).astype("<u2")
    return {"r": _digits((low, ratio.r, high), 7), "data": text(codes.tobytes())}
