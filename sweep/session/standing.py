"""How the experiments of a race stand after a round, and why it is over for some."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sweep.session.rules import Rules
from sweep.statistics.dataset import of_identities

if TYPE_CHECKING:
    import xarray as xr

    from sweep.statistics.race import Look


@dataclass(frozen=True)
class Standing:
    """A comparison group after a round.

    Attributes:
        group: what tells it from the others, as text.
        entered: experiments that it has.
        visited: of these, those that were computed so far.
        order: identities of those that are ranked, the best first.
        left: of these, those that may still be the best.
        look: of the statistics; where none is ranked, why.
        over: why the race of this group has ended; empty where it goes on.
        measured: once it has ended, the metric and its error of what one half of the realisations
            would choose of those that are left, as the other half see it, the mean of both ways;
            None where there are too few. Of zones that is of all together.
    """

    group: str
    entered: int
    visited: int
    order: list[str]
    left: list[str]
    look: "Look | str"
    over: str
    measured: tuple[float, float] | None = None


@dataclass(frozen=True)
class Entered:
    """A comparison group on its way.

    Attributes:
        entered: experiments that it has.
        visited: those that were computed so far.
        racing: identities of those that have not left.
    """

    entered: int
    visited: int
    racing: list[str]

    def with_more(self, identities: Iterable[str]) -> "Entered":
        """The group once it visits these as well; two points may be one experiment."""
        new = [identity for identity in identities if identity not in self.racing]
        return Entered(self.entered, self.visited + len(new), [*self.racing, *new])


def groups_of(ds: "xr.Dataset") -> dict[str, list[str]]:
    """Identities of every comparison group, by what tells it from the others."""
    from sweep.statistics.comparison_groups import comparison_groups
    from sweep.statistics.summary import settings, settings_table

    identities = ds["identity"].values
    groups = comparison_groups(settings_table(ds), settings(ds))
    return {g.label: [str(identities[i]) for i in g.members] for g in groups}


def standings(
    ds: "xr.Dataset", rules: Rules, looks: int, groups: Mapping[str, Entered]
) -> list[Standing]:
    """How every group stands.

    Args:
        ds: the experiments, as they are after the round.
        rules: of the race.
        looks: how often is looked at most.
        groups: those that take part, by name.
    """
    looked = _of_zones if rules.zones else _apart
    standing = looked(ds, rules, looks, groups)
    if rules.zones and not all(each.over for each in standing):
        # what one zone has left is what the others are measured beside
        return [replace(each, over="") for each in standing]
    return standing


def measured(ds: "xr.Dataset", rules: Rules, ended: Sequence[Standing]) -> list[Standing]:
    """Ends of groups with a figure by realisations that did not choose."""
    from sweep.statistics.combination import zones_by_halves
    from sweep.statistics.halves import best_by_halves, quote

    def figure(left: Sequence[str]) -> tuple[float, float] | None:
        of_left = of_identities(ds, left)
        if rules.zones:
            return quote(lambda: zones_by_halves(of_left, metric=rules.metric))
        return quote(lambda: best_by_halves(of_left, rules.metric))

    if rules.zones:
        together = figure([identity for each in ended for identity in each.left])
        return [replace(each, measured=together) for each in ended]
    return [replace(each, measured=figure(each.left) if each.left else None) for each in ended]


def _apart(
    ds: "xr.Dataset", rules: Rules, looks: int, groups: Mapping[str, Entered]
) -> list[Standing]:
    from sweep.statistics.race import Terms, look

    standing = []
    for name, group in groups.items():
        own = of_identities(ds, group.racing)
        terms = Terms(rules.lost, looks, group.entered - 1, rules.enough)
        found = look(own, rules.metric, terms)
        standing.append(_standing(own, name, group, found, rules))
    return standing


def _of_zones(
    ds: "xr.Dataset", rules: Rules, looks: int, groups: Mapping[str, Entered]
) -> list[Standing]:
    from sweep.statistics.race import Terms
    from sweep.statistics.zone_race import look_at_zones

    rivals = sum(group.entered - 1 for group in groups.values())
    terms = Terms(rules.lost, looks, rivals, rules.enough)
    found = look_at_zones(ds, rules.metric, terms)
    first = {name: of_identities(ds, group.racing[:1]) for name, group in groups.items()}
    zones = {name: str(one["mask.expression"].values[0]) for name, one in first.items()}
    return [_standing(ds, name, groups[name], found[zones[name]], rules) for name in groups]


def _standing(
    ds: "xr.Dataset", name: str, group: Entered, found: "Look | str", rules: Rules
) -> Standing:
    """How a group stands by a look at `ds`."""
    if isinstance(found, str):
        return Standing(name, group.entered, group.visited, [], [], found, found)
    identities = ds["identity"].values
    order, left = ([str(identities[i]) for i in which] for which in (found.order, found.left))
    over = "" if len(left) > 1 else "no other is left"
    if not over and found.alike:
        by = f"differ by less than {100 * rules.enough:g} %" if rules.enough else "are tied"
        over = f"those that are left {by}"
    if not over and rules.sigma is not None and found.ahead >= rules.sigma:
        over = f"the first is ahead of all others by {found.ahead:.1f} errors or more"
    return Standing(name, group.entered, group.visited, order, left, found, over)
