"""Noise of the maps."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from sweep.config.checks import at_least, auto_or, between, chosen, none_or_two, positive, setting


@dataclass
class NoiseConf:
    """What every choice of noise has."""

    name: str = MISSING
    ratio: float = setting(1.0, "noise level in units of the instrument's", at_least(0))
    realisations: int = setting(4, "number of noise draws", at_least(1))
    seed: int = setting(0, "with the realisation number, the address of a draw", at_least(0))
    noiseless: bool = setting(False, "also fit without noise, as realisation -1")
    antithetic: bool = setting(
        False, "realisations 2k and 2k + 1 have the same draw with either sign", absent=False
    )


@dataclass
class WhiteNoiseConf(NoiseConf):
    """White noise from the depth of the instrument."""

    name: str = chosen("white")


@dataclass
class KneeNoiseConf(NoiseConf):
    """White and 1/f noise, by depth, ell_knee and alpha_knee of the instrument."""

    name: str = chosen("knee")
    lowest: int = setting(
        2, "lowest multipole of the 1/f part: what is below is filtered before maps", at_least(2)
    )


@dataclass
class PatternNoiseConf(NoiseConf):
    """What choices of noise have that differs from pixel to pixel."""

    path: str = setting(MISSING, "file of maps; by `{band}` (or `{frequency:g}`) for a file a band")
    classes: Any = setting(
        "auto",
        "classes of pixels, with weights of the bands of their own: auto is the fewest of 1 to 64 "
        "that lose no more than noise.loss; pixels is every pixel its own",
        auto_or(at_least(1), "pixels"),
    )
    loss: float = setting(
        0.01,
        "share of the precision of a parameter, or of the CMB, that weights may lose",
        between(0, 1),
    )


@dataclass
class HitsNoiseConf(PatternNoiseConf):
    """Noise by maps of hits: the depth of the instrument holds where hits are most."""

    name: str = chosen("hits")
    floor: float | None = setting(
        None, "share of the largest hits that pixels have at least, also those without", positive
    )


@dataclass
class RmsNoiseConf(PatternNoiseConf):
    """Noise by maps of its rms, or of the covariance of Q and U, instead of the depth."""

    name: str = chosen("rms")


@dataclass
class MapsNoiseConf(PatternNoiseConf):
    """Noise from files: maps that were simulated elsewhere."""

    name: str = chosen("maps")
    path: str = setting(
        MISSING, "maps of Q and U, by `{band}` (or `{frequency:g}`) and `{realisation:04d}`"
    )
    first: int = setting(0, "what the files call realisation 0", at_least(0))
    unit: str | None = setting(None, "unit of files that state none, e.g. K_CMB")
    columns: list[str] = setting(
        [], "names of Q and U in the files, where they are unusual", none_or_two
    )
    rms: str | None = setting(
        None,
        "file of the rms, as of noise=rms; null is the variance of the first 20 maps of a band",
    )
