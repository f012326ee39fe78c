"""How lines of a panel are told apart: colour, dashes and marker, each for one setting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.lines import Line2D

from sweep.plots.legends import MOST_ENTRIES, legend
from sweep.plots.names import name_of, value_of
from sweep.plots.style import COLOURS, DASHES, MARKERS, colours, shades, style

_GREY = "0.3"


@dataclass(frozen=True)
class Channels:
    """The settings behind colour, dashes and marker.

    Attributes:
        colour, dash, marker: the settings, None where a channel is not used.
        values: those of each setting that occur, in order.
        keys: all settings that lines differ in.
        rules: cluster rules of all experiments, see `name_of`.
    """

    colour: str | None
    dash: str | None
    marker: str | None
    values: dict[str, list[Any]]
    keys: tuple[str, ...]
    rules: tuple[str, ...]

    @classmethod
    def of(cls, table: Any, keys: Sequence[str], rules: Sequence[str]) -> "Channels":
        """Channels for settings that rows of a table differ in.

        The solver has the colour. Without one it is the setting with most values, so that it can
        become a colour bar, and none of the solver's settings if there is another. Of those that
        are left dashes and markers are for the ones with most values that they are enough for.
        """
        values = {key: _values(table[key]) for key in keys}
        left = sorted(keys, key=lambda k: (k.startswith("solver."), -len(values[k])))
        colour = "solver" if "solver" in keys else next(iter(left), None)
        left = [key for key in left if key != colour]
        dash = next((k for k in left if len(values[k]) <= len(DASHES)), None)
        left = [key for key in left if key != dash]
        marker = next((k for k in left if len(values[k]) <= len(MARKERS)), None)
        if marker is None and colour == "solver":
            marker = colour
        return cls(colour, dash, marker, values, tuple(keys), tuple(rules))

    @property
    def bar(self) -> bool:
        """Whether colours have too many values for a legend, and an order."""
        if self.colour is None:
            return False
        values = self.values[self.colour]
        return len(values) > MOST_ENTRIES and _numbers(values)

    def line_style(self, line: dict[str, Any]) -> dict[str, Any]:
        """Keywords of a line with these settings."""
        return {
            "color": self._colour(line[self.colour]) if self.colour else COLOURS[0],
            "linestyle": DASHES[self._place(self.dash, line)],
            "marker": MARKERS[self._place(self.marker, line) % len(MARKERS)],
        }

    def shift(self, line: dict[str, Any]) -> float:
        """Solvers that agree would hide each other: a factor that moves each a little."""
        if self.colour != "solver":
            return 1.0
        return 1.0 + 0.04 * (self._place("solver", line) / (len(self.values["solver"]) - 1) - 0.5)

    def explain(self, axes: Axes, notes: Sequence[tuple[Any, str]] = ()) -> None:
        """Legend of a panel with some more entries, and a colour bar where colours need one."""
        sections: list[tuple[str, list[tuple[Any, str]]]] = []
        for key in dict.fromkeys((self.colour, self.dash, self.marker)):
            if key is not None and not (key == self.colour and self.bar):
                entries = [(self._sample(key, v), value_of(v)) for v in self.values[key]]
                sections.append(("" if key == "solver" else name_of(key, self.rules), entries))
        left = [k for k in self.keys if k not in (self.colour, self.dash, self.marker)]
        if left:
            names = ", ".join(name_of(key, self.rules) for key in left)
            sections.append((f"not told apart:\n{names}", []))
        if notes:
            sections.append(("", list(notes)))
        if sections:
            legend(axes, *sections)
        if self.bar:
            self._add_bar(axes)

    def _colour(self, value: Any) -> Any:
        assert self.colour is not None
        values = self.values[self.colour]
        shown = shades(len(values)) if _numbers(values) else colours(len(values))
        return shown[_index(values, value)]

    def _place(self, key: str | None, line: dict[str, Any]) -> int:
        return 0 if key is None else _index(self.values[key], line[key])

    def _sample(self, key: str, value: Any) -> Line2D:
        """What stands for one value in the legend: what the channel of its setting changes."""
        shown: dict[str, Any] = {"color": _GREY, "linestyle": "-", "marker": ""}
        if key == self.colour:
            shown["color"] = self._colour(value)
        if key == self.dash:
            shown["linestyle"] = DASHES[self._place(key, {key: value})]
        if key == self.marker:
            shown["marker"] = MARKERS[self._place(key, {key: value}) % len(MARKERS)]
        return Line2D([], [], **shown)

    def _add_bar(self, axes: Axes) -> None:
        """Colour bar with a step for every value."""
        assert self.colour is not None
        values = self.values[self.colour]
        norm = BoundaryNorm(np.arange(len(values) + 1) - 0.5, len(values))
        steps = ScalarMappable(norm, ListedColormap(shades(len(values))))
        some = range(0, len(values), -(-len(values) // MOST_ENTRIES))
        # below: the legend is at the right
        bar = axes.figure.colorbar(steps, ax=axes, location="bottom", aspect=40)
        figure = axes.get_figure(root=True)
        assert figure is not None
        with style() as layout:
            layout.grow(figure, 0.45)
        bar.set_ticks(list(some), labels=[value_of(values[i]) for i in some])
        bar.minorticks_off()
        bar.set_label(name_of(self.colour, self.rules))


def _values(column: Any) -> list[Any]:
    """What occurs in a column: numbers in their order, other things as they come."""
    values = list(dict.fromkeys(None if pd.isna(v) else v for v in column))
    return sorted(values) if _numbers(values) else values


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(v, int | float | np.number) for v in values)


def _index(values: Sequence[Any], value: Any) -> int:
    return values.index(None if pd.isna(value) else value)
