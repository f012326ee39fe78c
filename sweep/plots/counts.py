"""A metric against cluster counts, a line for every combination of the other settings."""

from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.axes import Axes

from sweep.plots.channels import Channels
from sweep.plots.legends import NOT_CONVERGED, sample_of_open
from sweep.plots.metrics import MASK, by_mask, counts_of, label_of, metric_table
from sweep.plots.names import count_ticks, name_of, value_of
from sweep.plots.style import save, style
from sweep.statistics.summary import settings, varying


def plot_counts(ds: xr.Dataset, *paths: str | Path, metric: str = "cmb_variance") -> Path:
    """Draw a metric against each cluster count that was swept.

    A panel for every parameter whose count (for multires: nside) was swept, a row of them for
    every mask where there are few; a line for every combination of the other settings. Markers are
    open where fits did not converge.

    Args:
        ds: what `sweep.open` returns.
        paths: pictures to write; their endings choose the formats.
        metric: one of `METRICS`; bars are its standard error, of `r` the 68 % interval.

    Raises:
        ConfigError: no experiment has what the metric needs, or a picture cannot be written.
    """
    table = metric_table(ds, metric)
    counts = counts_of(table)
    keys = [key for key in counts if table[key].nunique() > 1] or counts[:1]
    masks, rules = by_mask(table), list(table["clusters"])
    told = [k for k in varying(table, settings(ds)) if k != MASK or len(masks) == 1]
    notes = [(sample_of_open(), f"open: {NOT_CONVERGED}")] if table["unconverged"].any() else []
    with style() as layout:
        size = (5.6 * len(keys), 3.8 * len(masks) + 0.2)
        figure, panels = layout.stack(len(masks), len(keys), size, 2.5)
        for column, key in zip(panels.T, keys, strict=True):
            channels = Channels.of(table, [t for t in told if t != key], rules)
            for axes, (mask, part) in zip(column, masks.items(), strict=True):
                _lines(axes, part[part[key].notna()], key, channels)
                axes.set_xlabel(name_of(key, rules))
                axes.set_ylabel(label_of(metric, table))
                axes.set_title(mask, loc="left")
                if axes is column[0] or channels.bar:
                    channels.explain(axes, notes)
        return save(figure, *paths)


def _lines(axes: Axes, table: Any, key: str, channels: Channels) -> None:
    keys = list(channels.keys)
    groups = table.groupby(keys, sort=False, dropna=False) if keys else [((), table)]
    for names, group in groups:
        line = dict(zip(keys, names, strict=True))
        group = group.sort_values(key)
        shift, shown = channels.shift(line), channels.line_style(line)
        axes.errorbar(
            group[key] * shift,
            group["value"],
            yerr=group[["low", "high"]].to_numpy().T,
            **shown,
        )
        early = group[group["unconverged"]]
        if len(early):
            open_ = {"markerfacecolor": "white", "linestyle": "none", "zorder": 2.5}
            axes.plot(early[key] * shift, early["value"], **shown | open_)
    if table[key].nunique() > 1:
        axes.set_xscale("symlog", linthresh=1)  # multires has nside 0: one cluster for all
    ticks = count_ticks(table[key])
    axes.set_xticks(ticks, [value_of(t) for t in ticks])
    axes.minorticks_off()
