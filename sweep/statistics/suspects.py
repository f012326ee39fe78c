"""Fits that look wrong though they converged, in numbers and in words.

A store may say of each fit which parameters are `suspect`: implausible over part of the kept sky,
or stuck at an end of their box over most of it, see `sweep.problem.plausible`. Where that is
beta_pl, dust and synchrotron may have swapped roles, which fits the bands as well and leaves a
wrong CMB.
"""

from typing import Any

import numpy as np
import xarray as xr

from sweep.model import KNOWN
from sweep.model.parameters import BETA_PL

_SHOWN = 5
"""Experiments that are named; more of them are counted."""


def suspects(noisy: xr.Dataset, usable: np.ndarray) -> dict[str, Any]:
    """Suspect fits, those of which that is known, and their parameters, of every experiment.

    Nothing where the store does not say it.

    Args:
        noisy: fits with noise, `suspect` with the bit `number` of each parameter, -1 where not
            known.
        usable: which of them statistics use, shape (experiment, realisation).
    """
    if "suspect" not in noisy:
        return {}
    flags = noisy["suspect"].values.astype(int)
    known = usable & (flags >= 0)
    seen = np.where(known, flags, 0)
    any_known = known.any(axis=1)
    return {
        "suspect": np.where(any_known, np.count_nonzero(seen, axis=1), np.nan),
        "suspect_of": np.where(any_known, np.count_nonzero(known, axis=1), np.nan),
        "suspect_parameters": [_named(bits) for bits in np.bitwise_or.reduce(seen, axis=1)],
    }


def warnings(table: Any) -> list[str]:
    """A line for each experiment of a summary with suspect fits, those of the first ones.

    Args:
        table: what `sweep.statistics.summary` returns, or some of its rows.
    """
    if "suspect" not in table:
        return []
    rows = table[table["suspect"] > 0]
    lines = [_line(str(label), row) for label, row in rows.iloc[:_SHOWN].iterrows()]
    if len(rows) > _SHOWN:
        lines.append(
            f"suspect fits in {len(rows) - _SHOWN} more experiments: see `suspect` in --json"
        )
    return lines


def _line(label: str, row: Any) -> str:
    names = row["suspect_parameters"]
    several = " and " in names
    swapped = "dust and synchrotron may have swapped roles; " if BETA_PL.name in names else ""
    return (
        f"{label}: in {int(row['suspect'])} of {int(row['suspect_of'])} fits {names} "
        f"{'are' if several else 'is'} implausible or stuck at {'their' if several else 'its'} box"
        f": {swapped}see docs/science.md"
    )


def _named(bits: int) -> str:
    names = [p.name for p in KNOWN.values() if bits >> p.number & 1]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
