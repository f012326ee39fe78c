"""Masks: which pixels are kept, from files or from the sky itself, joined by expressions."""

import difflib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import healpy as hp
import numpy as np

from sweep.errors import ConfigError
from sweep.inputs.columns import Columns, not_numbers
from sweep.inputs.read import read_columns

Keep = np.ndarray
"""Boolean full-sky map (npix,), RING; true where a pixel is kept."""

SMOOTHING_DEGREES = 10.0
"""FWHM before ranking pixels: Planck's Galactic masks come from intensity smoothed to 5
degrees; polarised intensity is patchier, and twice that keeps a mask in one piece."""

OBSERVED = "OBSERVED"

_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z0-9_.]+)|(?P<sign>[-+()]))")


@dataclass(frozen=True, eq=False)
class Mask:
    """The kept pixels.

    Attributes:
        nside: HEALPix resolution.
        keep: Shape (npix,), bool, RING; true where kept.
        expression: What it was made from.
        apodisation: Degrees over which `weights` fall to zero inside the edge; 0 for none.

    Raises:
        ConfigError: `keep` is of another size, or keeps no pixel.
    """

    nside: int
    keep: Keep
    expression: str
    apodisation: float = 0.0

    def __post_init__(self) -> None:
        keep = np.array(self.keep, bool)
        if keep.shape != (hp.nside2npix(self.nside),):
            raise ConfigError(f"mask {keep.size:,} pixels, map {hp.nside2npix(self.nside):,}")
        if not keep.any():
            raise ConfigError(f"mask `{self.expression}` keeps no pixel")
        keep.setflags(write=False)
        object.__setattr__(self, "keep", keep)

    @cached_property
    def pixels(self) -> np.ndarray:
        """Indices of the kept pixels, int64, ascending, shape (n_pixels,)."""
        return np.flatnonzero(self.keep)

    @cached_property
    def weights(self) -> np.ndarray:
        """What spectra multiply maps of the kept pixels by, in [0, 1], shape (n_pixels,).

        C1 of Grain, Tristram and Stompor 2009 (arXiv:0903.2350), by the distance to the nearest
        pixel that is not kept.
        """
        if not self.apodisation:
            return np.ones(self.pixels.size)
        width = np.radians(self.apodisation)
        distance = hp.dist2holes(~self.keep, maxdist=width)[self.pixels]
        x = np.sqrt((1 - np.cos(np.minimum(distance, width))) / (1 - np.cos(width)))
        return x - np.sin(2 * np.pi * x) / (2 * np.pi)

    @property
    def sky_fraction(self) -> float:
        """Mean of the squared weights over the sphere; the kept share where there is no edge."""
        return float(np.sum(self.weights**2)) / self.keep.size

    @property
    def digest(self) -> str:
        """sha256 of the kept pixels and nside, whatever the expression."""
        content = self.nside.to_bytes(4, "big") + np.packbits(self.keep).tobytes()
        return hashlib.sha256(content).hexdigest()


def parse_mask(expression: str, nside: int, named: Mapping[str, Keep]) -> Mask:
    """Evaluate names joined by + (union) and - (difference), left to right, with brackets.

    `ALL` keeps the sphere. `GALACTIC`, where there is a `GAL060`, is what that leaves out. A
    name ending in `_U` or `_L` is its half with Galactic latitude >= 0 or < 0.

    Args:
        expression: For instance `GAL060-GAL040`, `ALL-GALACTIC`, `(GAL020+GAL040)-GAL010_U`.
        nside: HEALPix resolution.
        named: Known masks, each (npix,); looked up as needed.

    Returns:
        The mask.

    Raises:
        ConfigError: The expression cannot be read, a name is unknown, a mask is of another
            size, or no pixel is kept.
    """
    tokens = _tokens(expression)
    keep, rest = _sum(tokens, 0, expression, nside, named)
    if rest != len(tokens):
        raise ConfigError(f"mask `{expression}`: unexpected `{tokens[rest]}`; use names, + and -")
    return Mask(nside=nside, keep=keep, expression=expression)


@dataclass(frozen=True, eq=False)
class FileMasks(Mapping[str, Keep]):
    """The maps of a file as masks: bool, or 0 and 1; UNSEEN is 0. Each is judged when asked for.

    Attributes:
        columns: The file.
        nside: The resolution that a mask must have.
    """

    columns: Columns
    nside: int

    def __getitem__(self, name: str) -> Keep:
        try:
            return _binary(name, _seen(self.columns.ring(name)), self.nside)
        except ConfigError as error:
            raise self.columns.refused(str(error)) from error

    def __contains__(self, name: object) -> bool:
        return name in self.columns.arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns.arrays)

    def __len__(self) -> int:
        return len(self.columns.arrays)


def read_masks(path: str | Path, nside: int) -> FileMasks:
    """Read named masks from npz keys or FITS columns.

    Args:
        path: The file.
        nside: The resolution that the masks must have.

    Returns:
        Each map of the file, by name.

    Raises:
        ConfigError: The file cannot be read, or has no map. When a mask is asked for: it is of
            another size or has a value beside 0 and 1.
    """
    masks = FileMasks(read_columns(path, "mask.path"), nside)
    if not masks:
        raise masks.columns.refused("holds no mask; give it a map of 0 and 1")
    return masks


@dataclass(frozen=True, eq=False)
class GalacticMasks(Mapping[str, Keep]):
    """`GAL001` to `GAL099`: the cleanest xxx per cent of the sky, nested by construction.

    Pixels are ranked once by smoothed polarised intensity; each mask keeps the first so many.

    Attributes:
        intensity: Polarised intensity of dust in any unit, (npix,), as `Sky.dust_intensity`.
            Pixels that are not finite take no part in the smoothing and rank last.
    """

    intensity: np.ndarray

    @cached_property
    def rank(self) -> np.ndarray:
        """Place of each pixel from the cleanest (0) to the dirtiest, int64, (npix,)."""
        good = np.isfinite(self.intensity)
        fwhm = np.radians(SMOOTHING_DEGREES)
        lmax = 2 * hp.npix2nside(self.intensity.size)
        weight = hp.smoothing(good.astype(float), fwhm=fwhm, lmax=lmax)
        smooth = hp.smoothing(np.where(good, self.intensity, 0.0), fwhm=fwhm, lmax=lmax)
        smooth = np.where(good, smooth / np.where(good, weight, 1.0), np.inf)
        rank = np.empty(good.size, np.int64)
        rank[np.argsort(smooth, kind="stable")] = np.arange(good.size)
        return rank

    def __getitem__(self, name: str) -> Keep:
        match = re.fullmatch(r"GAL(0\d\d)", name)
        if match is None or match[1] == "000":
            raise KeyError(name)
        return self.rank < round(int(match[1]) / 100 * self.rank.size)

    def __iter__(self) -> Iterator[str]:
        return (f"GAL{percent:03d}" for percent in range(1, 100))

    def __len__(self) -> int:
        return 99


@dataclass(frozen=True, eq=False)
class WithObserved(Mapping[str, Keep]):
    """Named masks, and beside them `OBSERVED`: the pixels that every band has seen.

    Attributes:
        others: The other masks; one that is called so itself goes before.
        seen: Gives these pixels, (npix,); called where they are asked for.
    """

    others: Mapping[str, Keep]
    seen: Callable[[], Keep]

    def __getitem__(self, name: str) -> Keep:
        return self.others[name] if name in self.others or name != OBSERVED else self.seen()

    def __contains__(self, name: object) -> bool:
        return name in self.others or name == OBSERVED

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self.others, OBSERVED)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _tokens(expression: str) -> list[str]:
    tokens, start = [], 0
    text = expression.rstrip()
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None:
            raise ConfigError(
                f"mask `{expression}`: unexpected `{text[start:].strip()[0]}`; use names, + and -"
            )
        tokens.append(match["name"] or match["sign"])
        start = match.end()
    return tokens


def _sum(
    tokens: list[str], start: int, expression: str, nside: int, named: Mapping[str, Keep]
) -> tuple[Keep, int]:
    keep, place = _term(tokens, start, expression, nside, named)
    while place < len(tokens) and tokens[place] in "+-":
        sign = tokens[place]
        other, place = _term(tokens, place + 1, expression, nside, named)
        keep = keep | other if sign == "+" else keep & ~other
    return keep, place


def _term(
    tokens: list[str], start: int, expression: str, nside: int, named: Mapping[str, Keep]
) -> tuple[Keep, int]:
    token = tokens[start] if start < len(tokens) else ""
    if token == "(":
        keep, end = _sum(tokens, start + 1, expression, nside, named)
        if end == len(tokens) or tokens[end] != ")":
            raise ConfigError(f"mask `{expression}`: a bracket is not closed")
        return keep, end + 1
    if token in ("", "+", "-", ")"):
        got = f"`{token}`" if token else "the end"
        raise ConfigError(f"mask `{expression}`: expected a name, got {got}")
    return _lookup(token, expression, nside, named), start + 1


def _lookup(name: str, expression: str, nside: int, named: Mapping[str, Keep]) -> Keep:
    npix = hp.nside2npix(nside)
    if name in named:
        return _binary(name, np.asarray(named[name]), nside)
    if name == "ALL":
        return np.ones(npix, bool)
    if name == "GALACTIC" and "GAL060" in named:
        return ~_lookup("GAL060", expression, nside, named)
    if name.endswith(("_U", "_L")):
        north = hp.pix2ang(nside, np.arange(npix), lonlat=True)[1] >= 0
        half = north if name.endswith("_U") else ~north
        return _lookup(name[:-2], expression, nside, named) & half
    known = ["ALL", *sorted(named)]
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean `{close[0]}`? " if close else ""
    listed = known if len(known) <= 12 else [*known[:3], "...", known[-1]]
    raise ConfigError(
        f"mask `{expression}`: unknown name `{name}`; {hint}Available: {', '.join(listed)}"
    )


def _seen(array: np.ndarray) -> np.ndarray:
    """With 0 for healpy.UNSEEN, which also pixels have that a file of a part of the sky lacks."""
    return np.where(array < -1e30, 0.0, array) if array.dtype.kind == "f" else array


def _binary(name: str, array: np.ndarray, nside: int) -> Keep:
    if got := not_numbers(array):
        raise ConfigError(f"mask `{name}`: expected bool or 0 and 1, got {got}")
    if array.shape != (hp.nside2npix(nside),):
        raise ConfigError(
            f"`{name}`: mask {array.size:,} pixels, map {hp.nside2npix(nside):,}; "
            "regrade the mask or set sky.nside to its own"
        )
    bad = np.flatnonzero((array != 0) & (array != 1))
    if bad.size:
        raise ConfigError(
            f"mask `{name}`: value {array[bad[0]]!s} at pixel {bad[0]}; only 0 and 1 are allowed, "
            "set a threshold"
        )
    return array.astype(bool)
