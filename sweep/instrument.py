"""The instrument: its bands and how deep each of them sees."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import yaml

from sweep.errors import ConfigError
from sweep.units import FloatArray, frequency_problem

_KEYS = ("name", "frequency", "depth_p", "source")
OPTIONAL = ("bandwidth", "fwhm", "ell_knee", "alpha_knee")
"""Lists of numbers that not every instrument has."""
_KNOWN = (*_KEYS, *OPTIONAL, "fwhm_out", "band")


@dataclass(frozen=True, eq=False)
class Instrument:
    """Bands of an instrument.

    Attributes:
        name: Short name.
        frequency: Band centres in GHz, shape (F,).
        depth_p: Noise depth of Q and of U in uK_CMB arcmin, shape (F,).
        source: Paper and table of the numbers.
        bandwidth: Full widths of top hats over their centres, shape (F,); None where bands are
            monochromatic or given otherwise.
        fwhm: Full widths at half maximum of the beams in arcmin, shape (F,); None for no beams.
        ell_knee: Multipoles where 1/f noise is as strong as white noise, shape (F,), 0 for none;
            None where it is not known.
        alpha_knee: Slopes of the 1/f noise there, below 0, shape (F,); None where not known.
        fwhm_out: Beam in arcmin to which maps are smoothed before the fit; None for none.
        band: Names of the bands, as paths of maps have them; the frequencies where none is given.

    Raises:
        ConfigError: Lengths differ, there is no band, a number is not finite and positive (widths
            and `ell_knee` may be 0), a frequency none of 1 to 3000 GHz, or a band has the name of
            another.
    """

    name: str
    frequency: FloatArray
    depth_p: FloatArray
    source: str
    band: tuple[str, ...]
    bandwidth: FloatArray | None
    fwhm: FloatArray | None
    ell_knee: FloatArray | None
    alpha_knee: FloatArray | None
    fwhm_out: float | None

    def __post_init__(self) -> None:
        for key in ("frequency", "depth_p"):
            object.__setattr__(self, key, _positive(f"instrument.{key}", getattr(self, key)))
        for index, value in enumerate(self.frequency):
            if problem := frequency_problem(value):
                raise ConfigError(f"instrument.frequency[{index}] = {value:g}: {problem}")
        if self.frequency.size != self.depth_p.size:
            raise ConfigError(
                f"instrument `{self.name}`: {self.depth_p.size} depths, "
                f"{self.frequency.size} frequencies; give one depth_p per frequency"
            )
        for key in OPTIONAL:
            if (given := getattr(self, key)) is not None:
                object.__setattr__(self, key, self._one_a_band(key, given))
        if self.fwhm_out is not None:
            (out,) = _positive("instrument.fwhm_out", [self.fwhm_out])
            object.__setattr__(self, "fwhm_out", float(out))
        names = tuple(map(str, self.band)) or tuple(f"{f:g}" for f in self.frequency)
        if self.band and (len(names) != self.frequency.size or len(set(names)) < len(names)):
            raise ConfigError(
                f"instrument.band = {', '.join(names)}: expected {self.frequency.size} different "
                "names, one per frequency"
            )
        object.__setattr__(self, "band", names)

    def _one_a_band(self, key: str, given: Any) -> FloatArray:
        setting = f"instrument.{key}"
        rule = "negative" if key == "alpha_knee" else "at least 0"
        return _numbers(setting, one_a_band(setting, given, self.frequency.size), rule)

    @property
    def white_spectrum(self) -> FloatArray:
        """N_l of white noise in E and in B, uK_CMB^2, shape (F,): the depth squared, in rad."""
        return np.radians(self.depth_p / 60) ** 2

    def noise_sigma(self, nside: int) -> FloatArray:
        """Standard deviation of white noise in a pixel.

        The depth over the side of a pixel, the square root of its solid angle in arcmin.

        Args:
            nside: HEALPix resolution.

        Returns:
            uK_CMB, shape (F,), the same for Q and U.
        """
        return self.depth_p / hp.nside2resol(nside, arcmin=True)


def read_instrument(path: str | Path) -> Instrument:
    """Read an instrument from a YAML file.

    The keys are name, frequency, depth_p and source, and where they are known those of `OPTIONAL`
    and fwhm_out.
    Hydra's `defaults` and a null `path` are let through, so that the files of
    `conf/instrument` and copies of them can be read too.

    Raises:
        ConfigError: The file is missing or no YAML, a key is missing or unknown, or the
            numbers do not make an `Instrument`.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ConfigError(f"instrument.path = {path} cannot be read: {reason}") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"instrument.path = {path} is no YAML: {reason}") from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"instrument.path = {path}: expected the keys {', '.join(_KEYS)}, "
            f"got {type(content).__name__}"
        )
    _check_keys(path, content)
    try:
        return Instrument(
            name=str(content["name"]),
            frequency=content["frequency"],
            depth_p=content["depth_p"],
            source=str(content["source"]),
            **{key: content.get(key) for key in (*OPTIONAL, "fwhm_out")},
            band=_names(content.get("band", [])),
        )
    except ConfigError as error:
        raise ConfigError(f"instrument.path = {path}: {error}") from error


def _check_keys(path: str | Path, content: dict[Any, Any]) -> None:
    for key in content:
        of_hydra = key == "defaults" or (key == "path" and content[key] is None)
        if key not in _KNOWN and not of_hydra:
            close = difflib.get_close_matches(str(key), _KNOWN, 1)
            hint = f"did you mean `{close[0]}`?" if close else f"use {', '.join(_KNOWN)}"
            raise ConfigError(f"instrument.path = {path}: unknown key `{key}`; {hint}")
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise ConfigError(f"instrument.path = {path}: `{missing[0]}` is required")


def one_a_band(setting: str, values: Any, bands: int) -> Any:
    """The values, once it is seen that there are as many as bands.

    Raises:
        ConfigError: there are not.
    """
    if isinstance(values, list | tuple | np.ndarray) and len(values) != bands:
        raise ConfigError(
            f"{setting}: expected {bands} values, one a band, got {len(values)}; give one per "
            "frequency"
        )
    return values


def _names(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise ConfigError(f"instrument.band: expected a list of names, got {given!r}")
    return tuple(map(str, given))


def _positive(setting: str, values: Any) -> FloatArray:
    return _numbers(setting, values, "positive")


_RULES = {"positive": np.greater, "at least 0": np.greater_equal, "negative": np.less}
"""How numbers compare with 0."""


def _numbers(setting: str, values: Any, rule: str) -> FloatArray:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{setting}: expected a list of numbers, got {values!r}") from error
    if array.ndim != 1 or array.size == 0:
        raise ConfigError(f"{setting}: expected a list of at least one number, got {values!r}")
    if (bad := np.flatnonzero(~(np.isfinite(array) & _RULES[rule](array, 0)))).size:
        raise ConfigError(f"{setting}[{bad[0]}] = {array[bad[0]]:g}: must be {rule} and finite")
    array.setflags(write=False)
    return array
