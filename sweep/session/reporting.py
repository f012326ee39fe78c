"""What is to be said of a launch that has come to its end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sweep.grid import Outcome
from sweep.session.launching import Launch
from sweep.statistics.failures import by_kind

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Report:
    """A launch and what it has left in the store.

    Attributes:
        launch: what it did.
        summary: of its experiments, as `sweep.statistics.summary.summary`.
        failures: of its units, like ones together: a message and the units that it is of.
        left_out: units that users cancelled, as `failures`.
    """

    launch: Launch
    summary: "pd.DataFrame"
    failures: list[tuple[str, list[Outcome]]]
    left_out: list[tuple[str, list[Outcome]]]


def report(done: Launch) -> Report:
    """Read the summary of a launch whose work is done.

    Raises:
        StoreError: the store cannot be read.
    """
    from sweep.statistics.summary import summary
    from sweep.store import open_dataset

    ds = open_dataset(done.store)
    asked = np.flatnonzero(np.isin(ds["identity"].values, done.identities))
    failures, left_out = (
        by_kind(outcomes, lambda outcome: outcome.error or "")
        for outcomes in (done.failed, done.left_out)
    )
    return Report(done, summary(ds.isel(experiment=asked)), failures, left_out)
