"""A launch as a person sees it: progress, then the summary, then what to do next."""

from collections.abc import Sequence

from sweep.cli.plan import plan_table
from sweep.cli.tables import console, summary_table
from sweep.config.schema import SweepConf
from sweep.engines import Engine
from sweep.errors import IncompleteError
from sweep.launch import launch
from sweep.planning import plan
from sweep.progress import Progress
from sweep.statistics import summary
from sweep.statistics.failures import by_kind
from sweep.store import open_dataset


def run_session(
    confs: Sequence[SweepConf], engine: Engine, overrides: Sequence[Sequence[str]] = ()
) -> tuple[str, ...]:
    """Launch `confs`, print their summary; returns the identities of the experiments.

    With `plan=true` it prints what it would do.

    Raises:
        IncompleteError: a unit failed; the others are recorded.
    """
    out, err = console(), console(stderr=True)
    if any(conf.plan for conf in confs):
        planned = plan(confs, engine, Progress(err), overrides)
        out.print(plan_table(planned))
        return planned.identities
    done = launch(confs, engine, Progress(err), overrides)
    if done.detached:
        jobs = ", ".join(done.detached)
        out.print(
            f"submitted {done.missing} of {done.total} units as jobs {jobs}",
            f"follow them: sweep-store status {done.store}",
            sep="\n",
            markup=False,
            soft_wrap=True,
        )
        return done.identities
    if not done.outcomes:
        done_already = f"nothing to do: all {done.total} units are recorded in {done.store}"
        out.print(done_already, markup=False, soft_wrap=True)
    ds = open_dataset(done.store)
    asked = [i for i, key in enumerate(ds["identity"].values) if key in set(done.identities)]
    out.print(summary_table(summary(ds.isel(experiment=asked)), done.store, out.width))
    if done.failed:
        kinds = by_kind(done.failed, lambda outcome: outcome.error or "")
        if len(kinds) > 1:
            for message, units in kinds:
                err.print(f"failed: {len(units)} units: {message}", markup=False, soft_wrap=True)
        why = kinds[0][0] if len(kinds) == 1 else f"{len(kinds)} kinds of errors"
        raise IncompleteError(
            f"{len(done.failed)} units failed, of {done.missing} missing: {why}; "
            f"tracebacks: sweep-store status {done.store} --errors; the same command tries again"
        )
    return done.identities
