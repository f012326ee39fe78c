"""Bands of finite width: what they let through, and nodes that integrate spectra over them.

A band sees the intensity of the sky through its transmission t, and is calibrated on the CMB: with
emission s in K_RJ and g = `rj_to_cmb`, its map in K_CMB is

    int t nu^2 s dnu / int t nu^2 / g dnu,

as PySM has it (`pysm3.bandpass_unit_conversion`) and eq. 8 of Planck 2013 IX (arXiv:1303.5070).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float  # not Array, which would import jax

from sweep.errors import ConfigError
from sweep.units import FloatArray, frequency_problem, rj_to_cmb

_TOP_HAT = 32
"""Gauss-Legendre nodes that stand for a top hat; whatever is smooth is exact to rounding."""

_DATA_NODES = 8
"""Nodes of maps and of fixed columns: emission through a band of 30 % is right to 1e-12."""

_STEEPEST, _ACCURACY, _MOST = 6.0, 3e-4, 8
"""Nodes of the fit are as few as integrate power laws of index -6 to 6 in K_RJ to 3e-4, at most 8:
three for 30 %. Their error falls with a high power of the index: dust is right to 1e-8."""


class Quadrature(NamedTuple):
    """Nodes and weights of every band, shape (node, band); the map is the weighted sum.

    Attributes:
        frequency: GHz.
        weight: of the emission there.
    """

    frequency: Float[Any, "node band"]
    weight: Float[Any, "node band"]


class BandNodes(NamedTuple):
    """What a likelihood needs of bands.

    Attributes:
        fixed: weights of emission in K_CMB, for columns of a known spectrum.
        fitted: weights of emission in K_RJ; few nodes, since rows evaluate them.
    """

    fixed: Quadrature
    fitted: Quadrature


@dataclass(frozen=True, eq=False)
class Band:
    """The transmission of one band.

    Attributes:
        name: what messages call it.
        frequency: GHz, ascending, shape (sample,).
        transmission: of intensity, in any unit, shape (sample,).
        step: quadrature weight of the sample, in any unit, shape (sample,).
    """

    name: str
    frequency: FloatArray
    transmission: FloatArray
    step: FloatArray

    @cached_property
    def brightness(self) -> FloatArray:
        """Weights of emission in K_RJ, with which it becomes K_CMB, shape (sample,)."""
        weight = self.transmission * self.step * self.frequency**2
        return weight / np.sum(weight / rj_to_cmb(self.frequency))

    @property
    def to_cmb(self) -> float:
        """Factor from K_RJ, averaged over the band, to K_CMB."""
        return float(self.brightness.sum())

    def shifted(self, share: float) -> "Band":
        """The band with all frequencies times 1 + share."""
        return replace(self, frequency=self.frequency * (1.0 + share))

    def cmb_nodes(self, count: int = _DATA_NODES) -> tuple[FloatArray, FloatArray]:
        """Frequencies in GHz, and weights of emission in K_CMB, which add up to 1."""
        return gauss(self.frequency, self.brightness / rj_to_cmb(self.frequency), count)

    def brightness_nodes(self, count: int) -> tuple[FloatArray, FloatArray]:
        """Frequencies in GHz, and weights of emission in K_RJ."""
        return gauss(self.frequency, self.brightness, count)

    def enough(self) -> int:
        """The least number of nodes that integrates every spectrum of a fit.

        Raises:
            ConfigError: even the most do not.
        """
        mean = np.average(self.frequency, weights=self.brightness)
        index = np.array([-_STEEPEST, _STEEPEST])
        exact = self.brightness @ (self.frequency[:, None] / mean) ** index
        for count in range(1, _MOST + 1):
            nodes, weights = self.brightness_nodes(count)
            found = weights @ (nodes[:, None] / mean) ** index
            if np.all(np.abs(found / exact - 1) < _ACCURACY):
                return count
        low, high = self.frequency[[0, -1]]
        raise ConfigError(
            f"{self.name} reaches from {low:g} to {high:g} GHz: power laws of index -6 to 6 over "
            f"it are not right to {_ACCURACY:g} with {_MOST} nodes; expected a narrower band"
        )


def top_hat(name: str, centre: float, bandwidth: float) -> Band:
    """A band of constant transmission of intensity.

    Args:
        name: what messages call it.
        centre: GHz.
        bandwidth: full width over the centre; 0 is monochromatic.

    Raises:
        ConfigError: the band reaches beyond 1 to 3000 GHz.
    """
    if bandwidth == 0:
        return Band(name, np.array([centre]), np.ones(1), np.ones(1))
    ends = centre * (1 + np.array([-0.5, 0.5]) * bandwidth)
    for end in ends:
        if problem := frequency_problem(end):
            raise ConfigError(
                f"{name} = {bandwidth:g}: the band at {centre:g} GHz reaches {end:g} GHz, which "
                f"{problem}; give the full width over the centre, as 0.3"
            )
    x, w = np.polynomial.legendre.leggauss(_TOP_HAT)
    return Band(name, centre * (1 + 0.5 * bandwidth * x), np.ones(_TOP_HAT), w)


def read_band(name: str, path: str | Path, centre: float, unit: str) -> Band:
    """Read the transmission of a band: text of two columns, GHz and transmission.

    Args:
        name: the setting that names the file, for messages.
        path: the file; lines that begin with # are left out.
        centre: GHz, which the band must hold.
        unit: `intensity`, or `RJ` where the transmission is that of brightness temperature, which
            is that of intensity times nu^2.

    Raises:
        ConfigError: the file cannot be read, has other columns, frequencies that do not increase
            or are none of 1 to 3000 GHz, a negative transmission, none at all, or no `centre`.
    """

    def refused(problem: str) -> ConfigError:
        return ConfigError(f"{name} = {path}: {problem}")

    try:
        table = np.loadtxt(path, ndmin=2)
    except OSError as error:
        raise refused(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise refused(
            "expected text of two columns of numbers, GHz and transmission; "
            f"got something else: {' '.join(str(error).split())}"
        ) from error
    if table.shape[1] != 2 or len(table) < 2:
        rows, columns = table.shape
        raise refused(
            f"expected two columns, GHz and transmission, of two lines or more; got {columns} "
            f"columns of {rows} lines"
        )
    frequency, transmission = table.T
    if not np.isfinite(table).all():
        line = np.flatnonzero(~np.isfinite(table).all(axis=1))[0]
        raise refused(f"line {line + 1} of the table is not finite: leave it out")
    if (falls := np.flatnonzero(np.diff(frequency) <= 0)).size:
        before, after = frequency[falls[0] : falls[0] + 2]
        raise refused(
            f"frequencies must increase; {after:g} GHz follows {before:g}: sort the lines"
        )
    for value in frequency[[0, -1]]:
        if problem := frequency_problem(value):
            raise refused(f"frequency {value:g}: {problem}")
    if (below := np.flatnonzero(transmission < 0)).size:
        raise refused(
            f"transmission {transmission[below[0]]:g} at {frequency[below[0]]:g} GHz: must be at "
            "least 0; set noise below zero to 0"
        )
    if not transmission.any():
        raise refused("the transmission is 0 everywhere")
    seen = frequency[transmission > 0]
    if not seen[0] <= centre <= seen[-1]:
        raise refused(
            f"is open from {seen[0]:g} to {seen[-1]:g} GHz, and instrument.frequency has "
            f"{centre:g} here: give the files in the order of the bands"
        )
    if unit == "RJ":
        transmission = transmission / frequency**2
    step = np.gradient(frequency) * _ends(frequency.size)
    return Band(name, frequency, transmission, step)


def _ends(count: int) -> FloatArray:
    """The trapezoid rule counts half of the first and the last step."""
    share = np.ones(count)
    share[[0, -1]] = 0.5
    return share


def band_nodes(bands: Sequence[Band]) -> BandNodes:
    """Nodes of the likelihood, the same number in all bands.

    Raises:
        ConfigError: a band takes too many, see `Band.enough`.
    """
    count = max(band.enough() for band in bands)
    fixed = [band.cmb_nodes() for band in bands]
    fitted = [band.brightness_nodes(count) for band in bands]
    return BandNodes(_columns(fixed), _columns(fitted))


def _columns(each: Sequence[tuple[FloatArray, FloatArray]]) -> Quadrature:
    """Bands side by side; those with fewer nodes repeat their last without weight."""
    most = max(nodes.size for nodes, _ in each)
    frequency = [np.pad(nodes, (0, most - nodes.size), mode="edge") for nodes, _ in each]
    weight = [np.pad(weights, (0, most - weights.size)) for _, weights in each]
    return Quadrature(np.stack(frequency, axis=1), np.stack(weight, axis=1))


def gauss(points: FloatArray, weights: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Gauss quadrature of a sum over points: exact for polynomials of degree below 2 `count`.

    By Golub & Welsch (1969): nodes are the eigenvalues of the Jacobi matrix, which Lanczos' method
    finds from the points.

    Args:
        points: shape (point,).
        weights: at least 0, not all 0, shape (point,).
        count: of nodes; no more than points with a weight.

    Returns:
        Nodes, ascending, and their weights, which add up to those of the points.
    """
    points, weights = points[weights > 0], weights[weights > 0]
    count = min(count, points.size)
    middle, scale = points.mean(), max(float(np.ptp(points)) / 2, 1e-300)
    x = (points - middle) / scale
    total = weights.sum()
    basis = [np.sqrt(weights / total)]
    diagonal, beside = [], []
    for _ in range(count):
        v = x * basis[-1]
        diagonal.append(float(v @ basis[-1]))
        for _ in range(2):  # once leaves what rounding has put in
            for known in basis:
                v = v - (v @ known) * known
        beside.append(float(np.linalg.norm(v)))
        basis.append(v / max(beside[-1], 1e-300))
    jacobi = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    nodes, vectors = np.linalg.eigh(jacobi)
    return middle + scale * nodes, total * vectors[0] ** 2
