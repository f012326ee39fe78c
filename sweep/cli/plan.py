"""A plan, for the terminal."""

import math

from rich.filesize import decimal
from rich.table import Table

from sweep.session import Plan


def outline_table(plan: Plan) -> Table:
    """What a launch would do and leave, a fact a line: what is known before a fit is timed."""
    table = _table()
    shared = f", up to {plan.together} experiments in one" if plan.together > 1 else ""
    table.add_row("store", plan.store)
    table.add_row("experiments", f"{plan.experiments}")
    table.add_row("fits", f"{plan.fits} to compute, {plan.recorded} recorded")
    table.add_row("units", f"{plan.units}{shared}; a package each")
    if plan.units:
        table.add_row("engine", plan.started)
        table.add_row(
            "disk", f"{decimal(plan.bytes)} of numbers before compression, in {plan.files} files"
        )
    return table


def cost_table(plan: Plan) -> Table:
    """What it would take, and that nothing was done."""
    table, cost = _table(), plan.cost
    if plan.units:
        spread = "" if math.isnan(cost.error) else f" ± {100 * cost.error:.0f} %"
        table.add_row(
            "work",
            f"{cost.seconds / 3600:.3g} device hours ({cost.seconds:.0f} s){spread}, "
            f"from {cost.timed} experiments: {cost.source}",
        )
        if cost.shapes is not None:
            table.add_row(
                "programs",
                f"{cost.shapes} shapes compiled for them, {cost.compilation:.1f} s each the first "
                "time on a node",
            )
        table.add_row(
            "wall", f"about {duration(plan.wall)} on {plan.workers} workers, once started"
        )
    table.add_row("", "nothing was created but caches; the same command without plan=true does it")
    return table


def _table() -> Table:
    """Both tables look like one."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True, min_width=len("experiments"))
    table.add_column()
    return table


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
