"""A race as a person sees it: a line a round and group, then what is left and what was saved."""

from rich.console import Console

from sweep.cli.tables import with_error
from sweep.session import Race, Round, Rules, Standing
from sweep.statistics.dataset import label_of

_NAMED = 4


def print_round(found: Round, rules: Rules, out: Console) -> None:
    """A line for every group of a round: who leads, by how much, and who has left."""
    for standing in found.groups:
        how = _visiting if found.more else _standing
        out.print(
            f"round {found.number}, {found.realisations} realisations"
            f"{_of(standing)}: {how(standing, rules.metric)}",
            markup=False,
            soft_wrap=True,
        )
    if found.more:
        out.print(f"{found.more} more are visited, around those that lead")


def print_ends(found: Race, rules: Rules, out: Console) -> None:
    """Who is left of every group and why it ended there, and what the race saved."""
    for end in found.ends:
        names = ", ".join(map(label_of, end.left[:_NAMED])) or "none"
        more = f", ... ({len(end.left)})" if len(end.left) > _NAMED else ""
        out.print(f"left{_of(end)}: {names}{more}; {end.over}", markup=False, soft_wrap=True)
        if end.measured is not None and not rules.zones:
            _print_quote(rules, _of(end), end.measured, out)
    together = [end.measured for end in found.ends if end.measured is not None]
    if rules.zones and together:
        _print_quote(rules, ", all zones together", together[0], out)
    saved = 100 * (1 - found.fits / found.whole)
    enough = min(
        (e.look.realisations for e in found.ends if not isinstance(e.look, str)), default=1
    )
    out.print(
        f"{found.fits} fits, {found.hours:.3g} device hours, instead of the {found.whole} fits of "
        f"the whole grid: {saved:.0f} % saved",
        f"those that are left, ranked: sweep-store best {found.launch.store} "
        f"--metric {rules.metric}{' --zones' if rules.zones else ''} --at-least {enough}",
        sep="\n",
        markup=False,
        soft_wrap=True,
    )


def _print_quote(rules: Rules, of: str, measured: tuple[float, float], out: Console) -> None:
    out.print(
        f"{rules.metric} to quote{of}, half of the realisations choose of these and the others "
        f"measure: {with_error(*measured)}",
        markup=False,
        soft_wrap=True,
    )


def _of(standing: Standing) -> str:
    return f", {standing.group}" if standing.group else ""


def _visiting(standing: Standing, metric: str) -> str:
    look = standing.look
    if isinstance(look, str):
        return look
    return (
        f"{label_of(standing.left[0])} leads {_visited(standing)} with {metric} "
        f"{with_error(look.value, look.error)}"
    )


def _visited(standing: Standing) -> str:
    some = f" that were visited of {standing.entered}"
    return f"the {standing.visited}{some if standing.visited < standing.entered else ''}"


def _standing(standing: Standing, metric: str) -> str:
    look = standing.look
    if isinstance(look, str):
        return look
    gone = f", {len(look.behind)} behind it by more than {look.threshold:.1f} errors"
    unranked = "".join(f", {count} not ranked ({why})" for why, count in look.left_out.items())
    return (
        f"{label_of(standing.left[0])} leads with {metric} {with_error(look.value, look.error)}"
        f"{gone if look.behind else ''}{unranked}; {len(look.left)} left of {_visited(standing)}"
    )
