"""A row of the table of quantities."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

FIT = ("experiment", "realisation")
NAN = float("nan")

Mean = Literal["mean", "standard_error", "variance", "variance_error"]

SUFFIXES: dict[Mean, str] = {
    "mean": "",
    "standard_error": "_error",
    "variance": "_variance",
    "variance_error": "_variance_error",
}
"""Statistics over realisations, and what they add to the name of a number."""

Format = Literal["number", "precise", "count", "warning", "share", "ratio", "interval", "errors"]
"""How a number is written: to the digits of its error, where that is known, else to four (`number`)
or so that 0.001 shows (`precise`); beside its `total` (`count`); so that it stands out where it is
not 0 (`warning`); in per cent (`share`); on the page in units of 10^-3 (`ratio`); between
`<name>_plus` and `<name>_minus` (`interval`); or as a tie where `tied` says so (`errors`)."""

Place = Literal["summary", "page", "panel", "charts"]
"""The summary of the terminal, the columns of the page's table until others are chosen, the page's
panel of one experiment, and the metrics of its charts."""


@dataclass(frozen=True)
class Quantity:
    """A row of the table.

    Attributes:
        name: in the store, in tables, JSON and CSV, and for options of commands.
        about: what it is.
        dims: of its array in the store, experiment and realisation first; a segment holds it when
            it has a size for each. Empty where only experiments have it.
        dtype: of the array.
        unit: "1" where there is none.
        flags: names of its values.
        masks: names of its bits.
        means: statistics over realisations that the summary of an experiment has.
        ranks: whether experiments are ranked by it; lower is better.
        format: how it is written.
        total: the column that counts what it is a part of.
        heading: of the terminal's column; by default the name, and the unit below.
        title: on the page; by default the name.
        label: in pictures, without the unit; by default the title.
        shown: places where it is shown.
    """

    name: str
    about: str
    dims: tuple[str, ...] = ()
    dtype: str = "float64"
    unit: str = "1"
    flags: type[IntEnum] | None = None
    masks: tuple[str, ...] = ()
    means: tuple[Mean, ...] = ()
    ranks: bool = False
    format: Format = "number"
    total: str = ""
    heading: str = ""
    title: str = ""
    label: str = ""
    shown: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        words = self.name.replace("_", " ")
        heading = words if self.unit == "1" else f"{words}\n{self.unit}"
        for field, default in (("heading", heading), ("title", self.name), ("label", self.title)):
            if not getattr(self, field):
                object.__setattr__(self, field, default or self.name)

    @property
    def counts(self) -> bool:
        """Whether it says how fits ended, rather than what they say."""
        return self.format in ("count", "warning", "share")

    @property
    def fill(self) -> float:
        """What its array holds where nothing is recorded."""
        if self.flags is not None:
            return int(min(self.flags))
        return -1 if self.dtype.startswith("int") else NAN

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of its array, on disk and in the dataset."""
        attributes: dict[str, Any] = {"units": self.unit, "long_name": self.about}
        if self.flags is not None:
            attributes["flag_values"] = [int(flag) for flag in self.flags]
            attributes["flag_meanings"] = " ".join(flag.name.lower() for flag in self.flags)
        if self.masks:
            attributes["flag_masks"] = [1 << i for i in range(len(self.masks))]
            attributes["flag_meanings"] = " ".join(self.masks)
        return attributes


def unit_symbol(unit: str) -> str:
    """A unit as pictures and the page write it; nothing for a pure number."""
    return _SYMBOLS.get(unit, unit)


_MICRO_KELVIN = "\N{MICRO SIGN}K"
_SYMBOLS = {
    "1": "",
    "uK_CMB": _MICRO_KELVIN,
    "uK^2": f"{_MICRO_KELVIN}\N{SUPERSCRIPT TWO}",
    "uK_CMB^2": f"{_MICRO_KELVIN}\N{SUPERSCRIPT TWO}",
    "uK^4": f"{_MICRO_KELVIN}\N{SUPERSCRIPT FOUR}",
    "(uK^2)^2": f"{_MICRO_KELVIN}\N{SUPERSCRIPT FOUR}",
}
