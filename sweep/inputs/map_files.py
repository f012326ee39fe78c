"""Files of maps by band and realisation: a path with `{band}` and `{realisation}` in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from sweep.cache import content_digest
from sweep.errors import ConfigError

BY_BAND = ("band", "frequency")
BY_REALISATION = "realisation"


@dataclass(frozen=True)
class MapFiles:
    """A path that is one of a map for every band and realisation.

    Attributes:
        key: The setting that gives it, for messages.
        pattern: The path, with `{band}` or `{frequency:g}`, and `{realisation}`, each with a format
            of Python behind a colon; without `{realisation}` the same file in each.
        band: Names of the bands.
        frequency: Their centres, GHz. Both are empty where a map is of no band.
        first: What the files call realisation 0.

    Raises:
        ConfigError: Braces of the path name anything else, or two bands would be one file.
    """

    key: str
    pattern: str
    band: tuple[str, ...]
    frequency: tuple[float, ...]
    first: int

    def __post_init__(self) -> None:
        known = (*(BY_BAND if self.band else ()), BY_REALISATION)
        try:
            names = [name for _, name, *_ in Formatter().parse(self.pattern) if name is not None]
        except ValueError as error:
            raise self._refused(f"{error}") from error
        for name in names:
            if name not in known:
                raise self._refused(f"unknown `{{{name}}}`; use {', '.join(map(_braced, known))}")
        try:
            paths = self.paths(0)
        except (ValueError, OverflowError) as error:
            raise self._refused(f"{error}") from error
        for number, path in enumerate(paths):
            other = paths.index(path)
            if other < number:
                raise self._refused(
                    f"bands {self.band[other]} and {self.band[number]} are one file, {path.name}; "
                    "put {band} into the path, and name the bands by `band` of the instrument"
                )

    @property
    def by_realisation(self) -> bool:
        """Whether every realisation has files of its own."""
        names = [name for _, name, *_ in Formatter().parse(self.pattern)]
        return BY_REALISATION in names

    def paths(self, realisation: int) -> list[Path]:
        """The files of a realisation, by its number here: one a band, or one."""
        number = max(realisation, 0) + self.first  # the noise-free one has no number of its own
        if not self.band:
            return [Path(self.pattern.format(realisation=number))]
        return [
            Path(self.pattern.format(band=band, frequency=frequency, realisation=number))
            for band, frequency in zip(self.band, self.frequency, strict=True)
        ]

    def check_there(self, realisations: Iterable[int], advice: str) -> None:
        """See that the files of some realisations are there.

        Raises:
            ConfigError: One is not: its path, band and realisation, and the advice.
        """
        for realisation in realisations:
            for band, path in enumerate(self.paths(realisation)):
                if not path.is_file():
                    raise ConfigError(
                        f"{self.named(band, realisation)}: there is no such file; {advice}"
                    )

    def named(self, band: int, realisation: int) -> str:
        """A file in words, for messages: its path, band and realisation, as far as it has them."""
        words = [f"band {self.band[band]}"] if self.band else []
        if self.by_realisation:
            words.append(f"realisation {realisation}")
        about = f" ({', '.join(words)})" if words else ""
        return f"{self.key} = {self.paths(realisation)[band]}{about}"

    def digest(self, realisation: int, band: int) -> str:
        """sha256 of the file of a band of a realisation, 64 hexadecimal digits.

        Raises:
            ConfigError: It is not there, or cannot be read.
        """
        return content_digest(self.key, self.paths(realisation)[band])

    def _refused(self, problem: str) -> ConfigError:
        return ConfigError(f"{self.key} = {self.pattern}: {problem}")


def _braced(name: str) -> str:
    return f"{{{name}}}"
