"""A session as a person sees it: progress, then a plan, or the summary and what to do next."""

from typing import Any

from rich.console import Console

from sweep.cli.objective import print_objectives
from sweep.cli.plan import cost_table, outline_table
from sweep.cli.race import print_ends, print_round
from sweep.cli.tables import Page, console, summary_table
from sweep.engines import Detached
from sweep.errors import IncompleteError
from sweep.progress import Progress
from sweep.session import (
    Launch,
    Request,
    Rules,
    first_round,
    kinds,
    launch,
    objectives,
    plan,
    race,
    summary_of,
)


def run_session(request: Request) -> tuple[Any, ...]:
    """Launch what is asked for and print its summary.

    With `plan=true` it prints what it would do; of a race that is its first round.

    Returns:
        Of every experiment its identity; where there is an objective, its value or its values.

    Raises:
        IncompleteError: a unit failed; the others are recorded.
    """
    out, err = console(), console(stderr=True)
    progress = Progress(err)
    if any(conf.plan for conf in request.confs):
        if request.race is not None:
            request = first_round(request)
            err.print("of a race the first round is planned, in which all take part")
        planned = plan(request, progress, lambda outline: out.print(outline_table(outline)))
        out.print(cost_table(planned))
        return planned.identities
    if request.race is not None:
        return _run_race(request, request.race, progress, out, err)
    done = launch(request, progress)
    if done.detached is not None:
        _print_detached(done, done.detached, out)
    elif request.confs[0].objective is not None:
        return _measured(request, done, out, err)
    else:
        _print_report(done, out, err)
    return done.identities


def _measured(request: Request, done: Launch, out: Console, err: Console) -> tuple[Any, ...]:
    _check_complete(done, err)
    found = objectives(request, done)
    print_objectives(request, done.identities, found, out)
    values = [tuple(each.value for each in of_job) for of_job in found]
    return tuple(each[0] if len(each) == 1 else each for each in values)


def _run_race(
    request: Request, rules: Rules, progress: Progress, out: Console, err: Console
) -> tuple[str, ...]:
    found = race(request, progress, lambda each: print_round(each, rules, out))
    if found.launch.missing:
        _print_report(found.launch, out, err)
    else:
        print_ends(found, rules, out)
    return found.identities


def _print_detached(done: Launch, jobs: Detached, out: Console) -> None:
    by = f" as jobs {', '.join(jobs.jobs)}" if jobs.jobs else ""
    others = f"; {done.missing - jobs.units} are with jobs {', '.join(jobs.before)} already"
    out.print(
        f"submitted {jobs.units} of {done.total} units{by}{others if jobs.before else ''}",
        f"follow them: sweep-store status {done.store}",
        sep="\n",
        markup=False,
        soft_wrap=True,
    )


def _print_report(done: Launch, out: Console, err: Console) -> None:
    if not done.outcomes:
        done_already = f"nothing to do: all {done.total} units are recorded in {done.store}"
        out.print(done_already, markup=False, soft_wrap=True)
    out.print(summary_table(summary_of(done), Page(done.store, out.width)))
    _check_complete(done, err)


def _check_complete(done: Launch, err: Console) -> None:
    """Raise where units are missing, once it is said which."""
    failures, left_out = kinds(done.failed), kinds(done.left_out)
    for reason, units in left_out:
        err.print(f"left out: {len(units)} units: {reason}", markup=False, soft_wrap=True)
    if not failures and left_out:
        raise IncompleteError(
            f"{len(done.left_out)} units left out, of {done.missing} missing; "
            "the same command computes them"
        )
    if not failures:
        return
    if len(failures) > 1:
        for message, units in failures:
            err.print(f"failed: {len(units)} units: {message}", markup=False, soft_wrap=True)
    why = failures[0][0] if len(failures) == 1 else f"{len(failures)} kinds of errors"
    raise IncompleteError(
        f"{len(done.failed)} units failed, of {done.missing} missing: {why}; "
        f"tracebacks: sweep-store status {done.store} --errors; the same command tries again"
    )
