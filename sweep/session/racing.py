"""A race: all experiments at few realisations, then more for those that may still be the best.

Each round is a launch of its own into the same store, and a look sees only the realisations of its
round: a race that was killed computes what is missing and comes to the same ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.progress import Progress
from sweep.session.launching import Launch, launch
from sweep.session.objectives import as_after
from sweep.session.preparation import Request
from sweep.session.rules import Rules
from sweep.session.spent import Spent
from sweep.statistics.dataset import of_identities

if TYPE_CHECKING:
    import xarray as xr

    from sweep.statistics.race import Look


@dataclass(frozen=True)
class Standing:
    """A comparison group after a round.

    Attributes:
        group: what tells it from the others, as text.
        entered: experiments at the start.
        left: identities of those that may still be the best, the first one first.
        look: of the statistics; where none is ranked, why.
        over: why the race of this group has ended; empty where it goes on.
        measured: once it has ended, the metric and its error of what one half of the realisations
            would choose of those that are left, as the other half see it, the mean of both ways;
            None where there are too few.
    """

    group: str
    entered: int
    left: list[str]
    look: "Look | str"
    over: str
    measured: tuple[float, float] | None = None


@dataclass(frozen=True)
class Round:
    """What a round showed.

    Attributes:
        number: from 1 on.
        realisations: that the experiments have.
        groups: those that took part.
    """

    number: int
    realisations: int
    groups: list[Standing]


@dataclass(frozen=True)
class Race:
    """A race that has ended.

    Attributes:
        launch: that of the last round.
        identities: of all that entered, in the order they were asked for.
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
    """What the first round asks for.

    Raises:
        ConfigError: experiments differ in their number of realisations.
    """
    rounds = rules_of(request).rounds(_most(request.confs))
    return _asking(request, range(len(request.confs)), rounds[0])


def race(request: Request, progress: Progress, said: Callable[[Round], None]) -> Race:
    """Run a race.

    Args:
        request: all experiments, with the realisations of the last round, and the rules.
        progress: shows what is computed.
        said: called after each round.

    Returns:
        How it ended; where units of a round were not recorded, `launch.missing` is above 0, and
        the race ended there.

    Raises:
        ConfigError: as `launch`; experiments differ in their number of realisations.
        StoreError: as `launch`.
    """
    from sweep.store import open_dataset

    rules = rules_of(request)
    rounds = rules.rounds(_most(request.confs))
    done = launch(first_round(request), progress)
    identities = done.identities
    first = {identity: i for i, identity in reversed(list(enumerate(identities)))}
    noise_free = sum(request.confs[i].noise.noiseless for i in first.values())
    spent = Spent(rules, noise_free)
    ends: list[Standing] = []
    racing, entered = None, {}
    for number, realisations in enumerate(rounds, start=1):
        if done.missing:
            break
        ds = as_after(open_dataset(done.store), identities, realisations)
        if racing is None:
            racing = _groups(ds)
            entered = {group: len(members) for group, members in racing.items()}
        spent.add(ds, [identity for members in racing.values() for identity in members])
        standing = [
            _looked(ds, rules, len(rounds), group, entered[group], members)
            for group, members in racing.items()
        ]
        going = [identity for s in standing if not s.over for identity in s.left]
        if number == len(rounds):
            stop = f"all {realisations} realisations are there"
        else:
            stop = spent.over(ds, going, rounds[number])
        standing = [replace(s, over=s.over or stop) for s in standing]
        said(Round(number, realisations, standing))
        ends += [_measured(ds, rules.metric, s) for s in standing if s.over]
        racing = {s.group: s.left for s in standing if not s.over}
        if not racing:
            break
        running = sorted(first[identity] for left in racing.values() for identity in left)
        done = launch(_asking(request, running, rounds[number]), progress)
    whole = len(first) * rounds[-1] + noise_free
    return Race(done, identities, ends, spent.fits, spent.hours, whole)


def _most(confs: Sequence[SweepConf]) -> int:
    found = sorted({conf.noise.realisations for conf in confs})
    if len(found) > 1:
        raise ConfigError(
            f"noise.realisations = {', '.join(map(str, found))}: a race grows them itself, give "
            "one number, which is that of the last round"
        )
    return found[0]


def _asking(request: Request, which: Sequence[int], realisations: int) -> Request:
    confs = [
        replace(conf, noise=replace(conf.noise, realisations=realisations))
        for conf in (request.confs[i] for i in which)
    ]
    overrides = [request.overrides[i] for i in which] if request.overrides else ()
    return replace(request, confs=confs, overrides=overrides)


def _groups(ds: "xr.Dataset") -> dict[str, list[str]]:
    """Identities of every comparison group."""
    from sweep.statistics.comparison_groups import comparison_groups
    from sweep.statistics.summary import settings, settings_table

    identities = ds["identity"].values
    groups = comparison_groups(settings_table(ds), settings(ds))
    return {g.label: [str(identities[i]) for i in g.members] for g in groups}


def _measured(ds: "xr.Dataset", metric: str, standing: Standing) -> Standing:
    """The end of a group with a figure by realisations that did not choose."""
    from sweep.statistics.halves import best_by_halves

    if not standing.left:
        return standing
    try:
        both = best_by_halves(of_identities(ds, standing.left), metric).attrs["both"]
    except ConfigError:  # not two halves
        return standing
    ((_, measured),) = both.items()
    return replace(standing, measured=measured)


def _looked(
    ds: "xr.Dataset", rules: Rules, looks: int, group: str, entered: int, members: Sequence[str]
) -> Standing:
    """How a group stands."""
    from sweep.statistics.race import look

    of_group = of_identities(ds, members)
    found = look(
        of_group,
        rules.metric,
        lost=rules.lost,
        looks=looks,
        rivals=entered - 1,
        enough=rules.enough,
    )
    if isinstance(found, str):
        return Standing(group, entered, [], found, found)
    left = [str(of_group["identity"].values[i]) for i in found.left]
    over = "" if len(left) > 1 else "no other is left"
    if not over and found.alike:
        by = f"differ by less than {100 * rules.enough:g} %" if rules.enough else "are tied"
        over = f"those that are left {by}"
    if not over and rules.sigma is not None and found.ahead >= rules.sigma:
        over = f"the first is ahead of all others by {found.ahead:.1f} errors or more"
    return Standing(group, entered, left, found, over)
