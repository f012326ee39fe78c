"""What a multirun with an objective prints: a line a job, as a search goes on."""

import sys
from typing import TYPE_CHECKING

from rich.console import Console

from sweep.cli.tables import with_error
from sweep.session import Request, metrics_of
from sweep.statistics.dataset import label_of

if TYPE_CHECKING:
    from sweep.statistics.objective import Objective


def print_objectives(
    request: Request, identities: tuple[str, ...], found: "list[list[Objective]]", out: Console
) -> None:
    """Of every job what it returns, and the overrides that the sweeper added to the command's."""
    metrics = metrics_of(request.confs[0].objective)
    for identity, own, values in zip(identities, request.overrides, found, strict=True):
        given = "".join(f" {word}" for word in own if word not in sys.argv)
        numbers = ", ".join(_number(m, value) for m, value in zip(metrics, values, strict=True))
        out.print(f"{label_of(identity)}{given}: {numbers}", markup=False, soft_wrap=True)


def _number(metric: str, found: "Objective") -> str:
    why = f" ({found.why})" if found.why else ""
    return f"{metric} {with_error(found.value, found.error)}{why}"
