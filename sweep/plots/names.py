"""What settings, parameters and experiments are called in pictures."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sweep.model import KNOWN
from sweep.quantities.base import unit_symbol
from sweep.statistics.dataset import labels_of
from sweep.statistics.summary import settings, varying

COUNTS = {f"clusters.{name}": parameter for name, parameter in KNOWN.items()}
"""Settings that are cluster counts: with multires, nsides."""

_SHORT = {"mask.expression": "mask", "noise.ratio": "noise ratio", "clusters": "clusters"}


def with_unit(text: str, unit: str) -> str:
    """The label of an axis: what is along it, and the unit, "1" where there is none."""
    symbol = unit_symbol(unit)
    return f"{text}  [{symbol}]" if symbol else text


def parameter_label(parameter: str) -> str:
    """A parameter as the label of an axis."""
    return with_unit(KNOWN[parameter].symbol, KNOWN[parameter].unit)


def name_of(key: str, rules: Sequence[str] = ("kmeans",)) -> str:
    """A setting in words.

    Args:
        key: its dotted name.
        rules: the cluster rules of all experiments that are shown; they say what a count is.
    """
    if key not in COUNTS:
        return _SHORT.get(key, key)
    symbol = COUNTS[key].symbol
    if "multires" not in rules:
        return f"number of {symbol} clusters"
    if len(set(rules)) == 1:
        return f"nside of {symbol} clusters"
    return f"number (multires: nside) of {symbol} clusters"


def value_of(value: Any) -> str:
    """The value of a setting in words."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def wrapped(text: str, letters: int) -> str:
    """A text in lines of about so many letters, broken at blanks; a formula counts as two."""
    lines: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in words(part):
            if line and letters_in(f"{line} {word}") > letters:
                lines.append(line.rstrip())
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
    return "\n".join(lines)


def words(text: str) -> list[str]:
    """What a text may be broken between: blanks, but not those of formulas and units."""
    return re.findall(r"(?:\$[^$]*\$|\[[^]]*\]|[^ ])+|(?<= )(?= )", text)


def letters_in(text: str) -> int:
    """How long a text is, where a formula counts as two."""
    return len(re.sub(r"\$[^$]*\$", "xx", text))


def count_ticks(counts: Any) -> list[float]:
    """Those of some cluster counts whose labels have room on a logarithmic axis, ascending.

    Beside a single count stand others, so that the axis has a scale.
    """
    values = sorted(set(counts))
    if len(values) == 1:
        (only,) = values
        return [only // 2, only, 2 * only] if only > 1 else [0, 1, 2]
    places = np.log10(np.maximum(values, 0.3))
    room = 0.13 * (places[-1] - places[0])
    kept: list[int] = []
    for i, place in enumerate(places):
        if not kept or place - places[kept[-1]] >= room:
            kept.append(i)
    return [values[i] for i in kept]


def experiment_names(ds: xr.Dataset, experiments: Sequence[int]) -> list[str]:
    """What tells experiments from the others of a dataset; the label where there are no others."""
    table: Any = pd.DataFrame({key: ds[key].values for key in settings(ds)})
    keys = varying(table, settings(ds))
    labels = labels_of(ds.isel(experiment=list(experiments)))
    texts = [
        ", ".join(
            str(row[key]) if key == "solver" else f"{_brief(key)} {value_of(row[key])}"
            for key in keys
        )
        for _, row in table.iloc[list(experiments)].iterrows()
    ]
    return [text or label for text, label in zip(texts, labels, strict=True)]


def _brief(key: str) -> str:
    return COUNTS[key].symbol if key in COUNTS else _SHORT.get(key, key)
