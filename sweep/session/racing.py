"""A race: all experiments at few realisations, then more for those that may still be the best.

Each round is a launch of its own into the same store, and a look sees only the realisations of its
round: a race that was killed computes what is missing and comes to the same ends. A race with a
search visits only some of the points, in launches within a round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sweep.errors import ConfigError
from sweep.grid import Experiment, Groups
from sweep.progress import Progress
from sweep.session.launching import Launch, launch
from sweep.session.objectives import as_after
from sweep.session.preparation import Request, prepare
from sweep.session.rules import Rules
from sweep.session.search import Search
from sweep.session.spent import Spent
from sweep.session.standing import Entered, Standing, groups_of, measured, standings

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Round:
    """What a round showed.

    Attributes:
        number: from 1 on.
        realisations: that the experiments have.
        groups: those that took part.
        more: experiments that are visited next, at as many realisations: the round goes on.
    """

    number: int
    realisations: int
    groups: list[Standing]
    more: int = 0


@dataclass(frozen=True)
class Race:
    """A race that has ended.

    Attributes:
        launch: the last one.
        identities: of all that were asked for, in that order, whether they were visited or not.
        ends: how every group stood when its race ended.
        fits: that the rounds took, whether they were recorded before or not.
        hours: of a device that they took.
        whole: fits that all realisations of all experiments would take.
    """

    launch: Launch
    identities: tuple[str, ...]
    ends: list[Standing]
    fits: int
    hours: float
    whole: int


def rules_of(request: Request) -> Rules:
    """The rules of a request that is a race."""
    assert request.race is not None
    return request.race


def first_round(request: Request) -> Request:
    """What the first round asks for; of a search, what it visits first.

    Raises:
        ConfigError: experiments differ in their number of realisations.
    """
    rounds = _rounds(request)
    search = _search(request)
    which = range(len(request.confs)) if search is None else search.first()
    return _asking(request, which, rounds[0])


def race(request: Request, progress: Progress, said: Callable[[Round], None]) -> Race:
    """Run a race.

    Args:
        request: all experiments, with the realisations of the last round, and the rules.
        progress: shows what is computed.
        said: called after each round, and in a search each time before more are visited.

    Returns:
        How it ended; where units of a round were not recorded, `launch.missing` is above 0, and
        the race ended there.

    Raises:
        ConfigError: as `launch`; experiments differ in their number of realisations; or zones
            overlap or do not share sky, instrument and noise.
        StoreError: as `launch`.
    """
    return _Course(request, progress, said).run()


class _Course:
    """A race on its way."""

    def __init__(self, request: Request, progress: Progress, said: Callable[[Round], None]) -> None:
        self._request, self._progress, self._said = request, progress, said
        self._rules, self._search = rules_of(request), _search(request)
        self._rounds = _rounds(request)
        if self._search is not None:
            prepare(request, progress)  # what is wrong with any point is said before one is run
        shared = Groups()
        self._identities = tuple(Experiment(c, shared).identity for c in request.confs)
        self._point = {i: n for n, i in reversed(list(enumerate(self._identities)))}
        self._noise_free = {
            identity for identity, n in self._point.items() if request.confs[n].noise.noiseless
        }
        self._spent = Spent(self._rules)
        self._groups: dict[str, Entered] = {}
        self._ends: list[Standing] = []

    def run(self) -> Race:
        """All rounds, or those up to one of which a unit was not recorded."""
        asked = sorted(self._point.values())
        if self._search is not None:
            asked = self._search.first()
        number = 1
        launched = self._round(number, asked)
        while self._groups and not launched.missing:  # after the last round there is none
            number += 1
            going = [i for group in self._groups.values() for i in group.racing]
            launched = self._round(number, [self._point[identity] for identity in going])
        return Race(
            launched,
            self._identities,
            self._ends,
            self._spent.fits,
            self._spent.hours,
            len(self._point) * self._rounds[-1] + len(self._noise_free),
        )

    def _round(self, number: int, asked: Sequence[int]) -> Launch:
        """A round; afterwards `_groups` are those that go on, without who has left."""
        realisations = self._rounds[number - 1]
        while True:
            launched = launch(_asking(self._request, sorted(asked), realisations), self._progress)
            if launched.missing:
                return launched
            ds = self._seen(launched.store, asked, realisations)
            standing = standings(ds, self._rules, len(self._rounds), self._groups)
            more = self._more(standing)
            asked = [point for points in more.values() for point in points]
            stop = self._spent.over(ds, [self._identities[p] for p in asked], realisations)
            if stop or not asked:
                break
            self._said(Round(number, realisations, standing, len(asked)))
            for name, points in more.items():
                visited = [self._identities[point] for point in points]
                self._groups[name] = self._groups[name].with_more(dict.fromkeys(visited))
        if stop:  # before the search was at its end, whoever is left
            standing = [replace(each, over=stop) for each in standing]
        elif number == len(self._rounds):
            stop = f"all {realisations} realisations are there"
        else:
            going = [i for each in standing if not each.over for i in each.left]
            stop = self._spent.over(ds, going, self._rounds[number])
        standing = [replace(each, over=each.over or stop) for each in standing]
        self._said(Round(number, realisations, standing))
        if ended := [each for each in standing if each.over]:
            self._ends += measured(ds, self._rules, ended)
        self._groups = {
            each.group: replace(self._groups[each.group], racing=each.left)
            for each in standing
            if not each.over
        }
        return launched

    def _seen(self, store: str, asked: Sequence[int], realisations: int) -> "xr.Dataset":
        """All that race, as they are after a launch of some; at first it shows the groups."""
        from sweep.store import open_dataset

        opened = open_dataset(store)
        new = [self._identities[point] for point in asked]
        if not self._groups:
            for name, members in groups_of(as_after(opened, new, realisations)).items():
                points = [self._point[identity] for identity in members]
                of = len(members) if self._search is None else self._search.of_group(points)
                self._groups[name] = Entered(of, len(members), members)
        racing = [i for group in self._groups.values() for i in group.racing]
        ds = as_after(opened, racing, realisations)
        self._spent.add(ds, self._noise_free)
        return ds

    def _more(self, standing: Sequence[Standing]) -> dict[str, list[int]]:
        """Points that a search visits next, by group."""
        if self._search is None:
            return {}
        return {
            each.group: self._search.next(each.group, [self._point[i] for i in each.order])
            for each in standing
            if each.order
        }


def _search(request: Request) -> Search | None:
    rules = rules_of(request)
    if rules.coarse is None:
        return None
    from sweep.statistics.comparison_groups import SHARED

    return Search(request.overrides, rules.coarse, rules.walks, SHARED)


def _rounds(request: Request) -> list[int]:
    confs = request.confs
    found = sorted({conf.noise.realisations for conf in confs})
    if len(found) > 1:
        raise ConfigError(
            f"noise.realisations = {', '.join(map(str, found))}: a race grows them itself, give "
            "one number, which is that of the last round"
        )
    pairs = any(conf.noise.antithetic for conf in confs)
    return rules_of(request).rounds(found[0], pairs=pairs)


def _asking(request: Request, which: Sequence[int], realisations: int) -> Request:
    confs = [
        replace(conf, noise=replace(conf.noise, realisations=realisations))
        for conf in (request.confs[i] for i in which)
    ]
    overrides = [request.overrides[i] for i in which] if request.overrides else ()
    return replace(request, confs=confs, overrides=overrides)
