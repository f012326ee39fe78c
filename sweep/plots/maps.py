"""Maps of the sphere: clusters, spectral parameters, CMB and residuals, in Mollweide projection.

Galactic coordinates, centre of the Galaxy in the middle, longitude growing to the left, as healpy
draws them. Pixels outside the mask are grey.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
from healpy.projector import MollweideProj
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Ellipse, Patch
from matplotlib.ticker import MaxNLocator

from sweep.model import KNOWN
from sweep.plots.names import parameter_label, with_unit
from sweep.plots.style import COLOURS, DIVERGING, GREY, HATCH, SEQUENTIAL, Layout, save, style
from sweep.statistics.maps import ResidualMaps, sphere

_PIXELS = 900
"""Width of a projected map."""

_EDGE = (1.0, 99.0)
"""Per cent of the pixels between which colours vary: a few extremes must not hide the rest."""

_PATCHES = (*COLOURS[:-1], "#F0E442")
"""Of clusters: the last of Okabe & Ito's is too light for lines, as black is too dark here."""

_STOKES = ("Q", "U")

Maps = Mapping[str, np.ndarray]
"""A map for every spectral parameter, shape (npix,), UNSEEN outside the mask."""


def plot_clusters(labels: Maps, *paths: str | Path) -> Path:
    """Draw the clusters of every parameter, neighbours in different colours.

    Args:
        labels: what `sweep.statistics.maps.cluster_maps` returns.
        paths: pictures to write; their endings choose the formats.

    Raises:
        ConfigError: a picture cannot be written.
    """
    with style() as layout:
        figure = layout.blank((4.4 * len(labels), 2.6), 0.85)
        panels = figure.subplots(1, len(labels), squeeze=False)[0]
        for axes, (parameter, map_) in zip(panels, labels.items(), strict=True):
            shown = neighbour_colours(map_)
            norm = BoundaryNorm(np.arange(len(_PATCHES) + 1) - 0.5, len(_PATCHES))
            _mollweide(axes, shown, ListedColormap(_PATCHES), norm)
            count = int(_kept(map_).max()) + 1
            word = "cluster" if count == 1 else "clusters"
            axes.set_title(f"{KNOWN[parameter].symbol}: {count} {word}")
        return save(figure, *paths)


def plot_parameters(
    values: Maps,
    *paths: str | Path,
    truth: Maps | None = None,
    errors: Maps | None = None,
    note: str = "",
) -> Path:
    """Draw the fitted spectral parameters, a row each; truth and fit have the same colours.

    Args:
        values: what `sweep.statistics.maps.parameter_maps` returns.
        paths: pictures to write; their endings choose the formats.
        truth: of the input sky, in a column of its own, where it has some.
        errors: standard deviations, in a column of their own.
        note: why the fit is not to be trusted; its maps are hatched, and a legend says so.

    Raises:
        ConfigError: a picture cannot be written.
    """
    parts = {"true": truth, "recovered": values, "error of": errors}
    columns = {title: maps for title, maps in parts.items() if maps}
    with style() as layout:
        figure = layout.blank((4.4 * len(columns), 3.1 * len(values)), 1.05 * len(values))
        rows = figure.subplots(len(values), len(columns), squeeze=False)
        for row, (parameter, fitted) in zip(rows, values.items(), strict=True):
            like = _range((truth or {}).get(parameter, fitted))
            for axes, (title, maps) in zip(row, columns.items(), strict=True):
                if parameter not in maps:  # a law that the sky does not follow has no true value
                    axes.set_axis_off()
                    words = f"no {title} {KNOWN[parameter].symbol}"
                    axes.text(0.5, 0.5, words, ha="center", transform=axes.transAxes)
                    continue
                limits = _range(maps[parameter]) if title == "error of" else like
                cmap = "cividis" if title == "error of" else SEQUENTIAL
                image = _mollweide(axes, maps[parameter], cmap, Normalize(*limits))
                label = f"{title} {parameter_label(parameter)}"
                _bar(figure, image, axes, maps[parameter], label)
                if note and title != "true":
                    _hatch(axes)
        _say(figure, note, layout)
        return save(figure, *paths)


def plot_cmb(maps: np.ndarray, *paths: str | Path, note: str = "") -> Path:
    """Draw the recovered CMB, Q and U.

    Args:
        maps: what `sweep.statistics.maps.cmb_maps` returns.
        paths: pictures to write; their endings choose the formats.
        note: as in `plot_parameters`.

    Raises:
        ConfigError: a picture cannot be written.
    """
    with style() as layout:
        figure = layout.blank((9.2, 3.1), 1.3)
        norm = _symmetric(maps)
        for axes, map_, stokes in zip(figure.subplots(1, 2), maps, _STOKES, strict=True):
            image = _mollweide(axes, map_, DIVERGING, norm)
            _bar(figure, image, axes, map_, with_unit(f"recovered CMB, ${stokes}$", "uK_CMB"))
            if note:
                _hatch(axes)
        _say(figure, note, layout)
        return save(figure, *paths)


def plot_residuals(found: ResidualMaps, *paths: str | Path, note: str = "") -> Path:
    """Draw the systematic residual and the statistical scatter, Q and U.

    Without a noise-free fit the mean of the realisations stands for the first, and is called so.

    Args:
        found: what `sweep.statistics.maps.residual_maps` returns.
        paths: pictures to write; their endings choose the formats.
        note: as in `plot_parameters`.

    Raises:
        ConfigError: a picture cannot be written.
    """
    systematic, scatter = (
        sphere(part, found.pixels, found.nside) for part in (found.systematic, found.statistical)
    )
    signed_text = "systematic residual"
    if found.noiseless is None:
        count = found.realisations
        signed_text = f"mean of {count} residuals (1/{count} of the noise)"
    with style() as layout:
        figure = layout.blank((9.2, 6.2), 3.0)
        panels = figure.subplots(2, 2)
        for (left, right), signed, size, stokes in zip(
            panels, systematic, scatter, _STOKES, strict=True
        ):
            image = _mollweide(left, signed, DIVERGING, _symmetric(systematic))
            _bar(figure, image, left, signed, with_unit(f"{signed_text}, ${stokes}$", "uK_CMB"))
            image = _mollweide(right, size, SEQUENTIAL, Normalize(*_range(scatter)))
            scatter_text = with_unit(f"statistical scatter, ${stokes}$", "uK_CMB")
            _bar(figure, image, right, size, scatter_text)
            for axes in (left, right) if note else ():
                _hatch(axes)
        _say(figure, note, layout)
        return save(figure, *paths)


def neighbour_colours(labels: np.ndarray) -> np.ndarray:
    """A small number for every cluster such that clusters side by side differ where possible.

    Args:
        labels: shape (npix,), from 0 on, UNSEEN outside the mask.

    Returns:
        Shape (npix,), a position in `_PATCHES`, UNSEEN outside.
    """
    pixels = np.flatnonzero(labels != hp.UNSEEN)
    nside = hp.npix2nside(labels.size)
    # every second of the eight: those that share an edge
    beside = hp.get_all_neighbours(nside, pixels)[::2]
    here = np.broadcast_to(labels[pixels], beside.shape)
    there = np.where(beside >= 0, labels[beside], hp.UNSEEN)
    border = (there != hp.UNSEEN) & (here != there)
    pairs = np.unique(np.stack([here[border], there[border]]).astype(int), axis=1)
    count = int(labels[pixels].max()) + 1
    touching = np.split(pairs[1], np.searchsorted(pairs[0], np.arange(1, count)))
    chosen = np.full(count, -1)
    used = np.zeros(len(_PATCHES), int)
    for cluster in np.argsort([-len(t) for t in touching], kind="stable"):
        taken = chosen[touching[cluster]]
        free = [c for c in range(len(_PATCHES)) if c not in taken] or range(len(_PATCHES))
        chosen[cluster] = min(free, key=lambda c: used[c])
        used[chosen[cluster]] += 1
    shown = np.full(labels.shape, hp.UNSEEN)
    shown[pixels] = chosen[labels[pixels].astype(int)]
    return shown


def _mollweide(axes: Axes, map_: np.ndarray, cmap: Any, norm: Normalize) -> AxesImage:
    """A map of shape (npix,) on a grey disk."""
    projector = MollweideProj(xsize=_PIXELS)
    image = projector.projmap(map_, partial(hp.vec2pix, hp.npix2nside(map_.size)))
    hidden = ~np.isfinite(image) | (image == hp.UNSEEN)
    axes.add_patch(Ellipse((0, 0), 4, 2, facecolor=GREY, edgecolor="none", zorder=-1))
    axes.add_patch(Ellipse((0, 0), 4, 2, fill=False, edgecolor="black", linewidth=0.8, zorder=3))
    axes.set_axis_off()
    shown = axes.imshow(
        np.ma.array(image, mask=hidden),
        cmap=cmap,
        norm=norm,
        extent=projector.get_extent(),
        origin="lower",
        interpolation="nearest",
    )
    axes.set_xlim(-2.03, 2.03)
    axes.set_ylim(-1.03, 1.03)
    return shown


def _hatch(axes: Axes) -> None:
    """Lines over a map that a fit without convergence made."""
    lines = {"fill": False, "hatch": HATCH, "edgecolor": "0.35", "linewidth": 0.0}
    axes.add_patch(Ellipse((0, 0), 4, 2, zorder=2, **lines))


def _say(figure: Figure, note: str, layout: Layout) -> None:
    if note:
        sample = Patch(facecolor="white", edgecolor="0.35", hatch=HATCH, label=f"hatched: {note}")
        figure.legend(handles=[sample], loc="outside lower left", borderaxespad=0.2)
        layout.grow(figure, 0.2)


def _bar(figure: Figure, image: AxesImage, axes: Axes, map_: np.ndarray, label: str) -> None:
    """Colour bar below a map; pointed where colours do not reach all values."""
    kept, norm = _kept(map_), image.norm
    below, above = bool((kept < norm.vmin).any()), bool((kept > norm.vmax).any())
    pointed = {(True, True): "both", (True, False): "min", (False, True): "max"}
    with style() as layout:
        narrow = layout.narrow
    panels = axes.get_subplotspec().get_gridspec().ncols  # pyright: ignore[reportOptionalMemberAccess]
    bar = figure.colorbar(
        image,
        ax=axes,
        location="bottom",
        label=label,
        shrink=0.8 if narrow else 0.7,
        aspect=20 if narrow else 28,
        pad=0.03,
        extend=pointed.get((below, above), "neither"),
    )
    # labels of more would touch
    bar.locator = MaxNLocator(8 // panels if narrow else 5, steps=[1, 2, 4, 5, 10])
    bar.update_ticks()


def _kept(maps: np.ndarray) -> np.ndarray:
    return maps[np.isfinite(maps) & (maps != hp.UNSEEN)]


def _range(maps: np.ndarray) -> tuple[float, float]:
    kept = _kept(maps)
    low, high = np.percentile(kept, _EDGE) if kept.size else (0.0, 1.0)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(high) + 0.5)


def _symmetric(maps: np.ndarray) -> Normalize:
    most = float(np.percentile(np.abs(_kept(maps)), _EDGE[1])) or 1.0
    return Normalize(-most, most)
