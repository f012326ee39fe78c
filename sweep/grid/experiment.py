"""One point of the grid: a full configuration and its identity."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from sweep.config.schema import SweepConf
from sweep.grid.identity import Groups
from sweep.store import NOISELESS, ExperimentEntry


@dataclass(frozen=True)
class Experiment:
    """A configuration as a point of a grid.

    Attributes:
        conf: the configuration.
        groups: what the points of the grid share.
    """

    conf: SweepConf
    groups: Groups = field(default_factory=Groups, compare=False, repr=False)

    @cached_property
    def identity(self) -> str:
        """See `sweep.grid.identity`."""
        return self.groups.identity(self.conf)

    @property
    def realisations(self) -> tuple[int, ...]:
        """The realisation numbers that are asked for, the noise-free slot first."""
        first = NOISELESS if self.conf.noise.noiseless else 0
        return tuple(range(first, self.conf.noise.realisations))

    def joined(self, other: "Experiment") -> "Experiment":
        """This experiment, asking for the realisations of `other` as well."""
        noise, more = self.conf.noise, other.conf.noise
        both = replace(
            noise,
            realisations=max(noise.realisations, more.realisations),
            noiseless=noise.noiseless or more.noiseless,
        )
        return Experiment(replace(self.conf, noise=both), self.groups)

    @property
    def entry(self) -> ExperimentEntry:
        """What the store keeps of the configuration."""
        return ExperimentEntry(self.identity, self.groups.entry(self.conf))


def unique(experiments: Sequence[Experiment]) -> dict[str, Experiment]:
    """Experiments by identity, the first of each; asks for all realisations that any asks for."""
    found: dict[str, Experiment] = {}
    for experiment in experiments:
        known = found.get(experiment.identity)
        found[experiment.identity] = known.joined(experiment) if known else experiment
    return found
