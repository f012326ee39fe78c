"""What is to be said of a launch that has come to its end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweep.grid import Outcome
from sweep.session.launching import Launch
from sweep.statistics.dataset import of_identities
from sweep.statistics.failures import by_kind

if TYPE_CHECKING:
    import pandas as pd


def summary_of(done: Launch) -> "pd.DataFrame":
    """Of its experiments, as `sweep.statistics.summary.summary`.

    Raises:
        StoreError: the store cannot be read.
    """
    from sweep.statistics.summary import summary
    from sweep.store import open_dataset

    return summary(of_identities(open_dataset(done.store), done.identities))


def kinds(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """Units that failed or were left out, like ones together: a message and those it is of."""
    return by_kind(outcomes, lambda outcome: outcome.error or "")
