"""How a race is run: what `hydra.sweeper` says where `hydra/sweeper` is race or refine."""

from dataclasses import dataclass
from math import ceil

from sweep.errors import ConfigError
from sweep.quantities.table import METRICS, OF_SPECTRA

LEAST = 3
"""Realisations of the first round, at least: fewer say nothing of the error of a difference."""


@dataclass(frozen=True)
class Rules:
    """How a race is run; `hydra.sweeper` of the configuration.

    Attributes:
        metric: one of `METRICS`, lower is better.
        first: realisations of the first round.
        growth: realisations of a round over those of the round before.
        lost: chance, at most, that the best leaves by chance.
        enough: the race ends where all that are left differ from the leader by less than this share
            of its value.
        sigma: and where the leader is ahead of all others by so many errors of the difference;
            None leaves that to `lost`.
        fits: the race ends before a round that would take it above so many fits; None is no bound.
        device_hours: the same of the time that fits take.
        zones: the metric is that of all zones together, and experiments of a zone are compared
            beside the best of the others.
        coarse: values of every axis of numbers that are visited at first; None visits all points.
        walks: of a search, from so many of the best of these.

    Raises:
        ConfigError: one of them cannot be used.
    """

    metric: str
    first: int
    growth: float
    lost: float
    enough: float
    sigma: float | None = None
    fits: int | None = None
    device_hours: float | None = None
    zones: bool = False
    coarse: int | None = None
    walks: int = 8

    def __post_init__(self) -> None:
        bounds = {
            "metric": (self.metric in METRICS, f"one of {', '.join(METRICS)}"),
            "first": (self.first >= LEAST, f"at least {LEAST}"),
            "growth": (self.growth > 1, "above 1"),
            "lost": (0 < self.lost < 1, "between 0 and 1"),
            "enough": (0 <= self.enough < 1, "from 0 to below 1"),
            "coarse": (self.coarse is None or self.coarse >= 2, "at least 2"),
            "walks": (self.walks >= 1, "at least 1"),
            "zones": (
                not self.zones or self.metric in (*OF_SPECTRA, "r"),
                f"false, or hydra.sweeper.metric one of {', '.join(OF_SPECTRA)}: the others are "
                "sums over zones, so that the best of each are the best together",
            ),
            **{
                name: (bound is None or bound > 0, "above 0, or null")
                for name, bound in (
                    ("sigma", self.sigma),
                    ("fits", self.fits),
                    ("device_hours", self.device_hours),
                )
            },
        }
        for name, (holds, expected) in bounds.items():
            if not holds:
                raise ConfigError(
                    f"hydra.sweeper.{name} = {getattr(self, name)}: must be {expected}"
                )

    def rounds(self, most: int, *, pairs: bool = False) -> list[int]:
        """Realisations of every round, `most` of the last.

        Args:
            most: of the last; even where they come in pairs.
            pairs: whether noise is antithetic: numbers are even, and at least `LEAST` pairs.
        """
        unit, first = (2, max(self.first, 2 * LEAST)) if pairs else (1, self.first)
        found = [min(unit * ceil(first / unit), most)]
        while found[-1] < most:
            found.append(min(most, unit * ceil(found[-1] * self.growth / unit)))
        return found
