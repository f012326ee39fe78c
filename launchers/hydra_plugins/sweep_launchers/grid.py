"""The sweeper: the points that the swept values make, handed to the launcher at once."""

from collections.abc import Iterable, Iterator
from itertools import islice, product
from math import prod
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString, Transformer
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from sweep.engines.settings import chosen_name
from sweep.errors import ConfigError

from .config import GridSweeperConf  # noqa: F401 (registers the settings)

Values = dict[str, list[tuple[str, str]]]
"""Of every key given, in order: (the override that sets it, its value as Hydra prints it)."""

Point = dict[str, str]
"""The override of every key, in the order in which the keys were given."""

Axis = list[Point]
"""Steps of keys that advance together."""

MODES = ("product", "one_at_a_time")


class GridSweeper(Sweeper):
    """Unlike Hydra's basic sweeper it writes nothing and launches nothing before all is checked.

    Its settings are those of `GridSweeperConf`.
    """

    def __init__(
        self,
        params: dict[str, Any] | None,
        mode: str,
        zip: Any,
        exclude: Any,
        max_points: int,
    ) -> None:
        self.params = params or {}
        self.mode, self.max_points = mode, max_points
        self.config: DictConfig | None = None
        self.zip = [] if zip is None else zip
        self.exclude = [] if exclude is None else exclude

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember the context and make the launcher.

        Raises:
            ConfigError: the launcher is another's, and would run each point by itself.
        """
        chosen_name(config.hydra)
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Launch every point of the grid."""
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        study = parser.parse_overrides([f"{k}={v}" for k, v in self.params.items()])
        given = {o.get_key_element(): o for o in [*study, *parser.parse_overrides(arguments)]}
        return self.launcher.launch(self.points(given), initial_job_idx=0)

    def points(self, given: dict[str, Override]) -> list[list[str]]:
        """The overrides of every point; of a product the last key is the fastest.

        Raises:
            ConfigError: a setting of the grid cannot be used, or it has no point, or too many.
        """
        self._check_settings()
        # a value more than allowed is enough to refuse range(0,1000000000000)
        values = {key: _values(override, self.max_points + 1) for key, override in given.items()}
        axes = _axes(values, self.zip)
        patterns = [_pattern(values, pattern) for pattern in self.exclude]
        first = {key: steps[0][0] for key, steps in values.items()}
        self._check_number(axes, first)
        expand = _product if self.mode == "product" else _one_at_a_time
        kept = self._kept(expand(first, axes), patterns)
        points = [list(point.values()) for point in kept]
        if not points:
            raise ConfigError("hydra.sweeper.exclude leaves no point of the grid")
        return points

    def _check_settings(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(
                f"hydra.sweeper.mode = {self.mode!r}: must be one of {', '.join(MODES)}"
            )
        if self.max_points < 1:
            raise ConfigError(f"hydra.sweeper.max_points = {self.max_points}: must be at least 1")
        shapes = {
            "zip": (self.zip, list, "groups of keys, [[key,key]]"),
            "exclude": (self.exclude, dict, "patterns, [{key:value}]"),
        }
        for name, (value, kind, what) in shapes.items():
            if not (isinstance(value, list) and all(isinstance(item, kind) for item in value)):
                text = Transformer.str(value)
                raise ConfigError(f"hydra.sweeper.{name} = {text}: must be a list of {what}")

    def _check_number(self, axes: list[Axis], first: Point) -> None:
        lengths = [len(axis) for axis in axes]
        one_by_one = 1 + sum(length - 1 for length in lengths)
        number = prod(lengths) if self.mode == "product" else one_by_one
        if number > self.max_points:
            cut = " or more" if any(length > self.max_points for length in lengths) else ""
            raise ConfigError(
                f"the grid has {number} points{cut}{self._disk_usage(first, number)}, above "
                f"hydra.sweeper.max_points = {self.max_points}: sweep fewer values, or raise it"
            )

    def _disk_usage(self, first: Point, number: int) -> str:
        """The disk usage of so many points like the first, where it can be composed."""
        if self.config is None or self.hydra_context is None:
            return ""
        from sweep.config.compose import take_out_hydra, to_conf

        from ._disk_usage import as_text, disk_usage

        loader: Any = self.hydra_context.config_loader
        overrides = list(first.values())
        composed = loader.load_sweep_config(self.config, overrides)
        take_out_hydra(composed)
        return f" ({as_text(*disk_usage(to_conf(composed, overrides), number))})"

    def _kept(
        self, points: Iterable[Point], patterns: list[dict[str, set[str]]]
    ) -> Iterator[Point]:
        idle = set(range(len(patterns)))
        for point in points:
            matching = [
                number
                for number, pattern in enumerate(patterns)
                if all(point[key] in overrides for key, overrides in pattern.items())
            ]
            idle.difference_update(matching)
            if not matching:
                yield point
        if idle:
            pattern = Transformer.str(self.exclude[min(idle)])
            raise ConfigError(f"hydra.sweeper.exclude: {pattern} matches no point; {_DROP}")


_DROP = "correct it, or drop all with hydra.sweeper.exclude=[]"


def _values(override: Override, most: int) -> list[tuple[str, str]]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        text = override.get_value_element_as_str()
        return [(f"{key}={text}", _printed(override.value()))]
    if not override.is_discrete_sweep():
        raise ConfigError(f"{key}: only lists, range() and glob() can be swept")
    values = list(islice(override.sweep_iterator(), most))
    if not values:
        raise ConfigError(f"{override.input_line}: there is no value to sweep")
    return [(f"{key}={Transformer.str(value)}", _printed(value)) for value in values]


def _printed(value: Any) -> str:
    """As Hydra prints it, without quotes, so that a pattern need not have those of the command."""
    return Transformer.str(value.text if isinstance(value, QuotedString) else value)


def _axes(values: Values, groups: list[list[Any]]) -> list[Axis]:
    """One axis a key, or a group of keys, which stands where the first of them does."""
    group_of: dict[str, list[str]] = {}
    for group in ([str(key) for key in group] for group in groups):
        for key in group:
            _check_known("zip", key, values)
            if key in group_of:
                raise ConfigError(f"hydra.sweeper.zip: `{key}` is there twice")
            group_of[key] = group
        if len({len(values[key]) for key in group}) > 1:
            lengths = ", ".join(f"{key} has {len(values[key])}" for key in group)
            raise ConfigError(f"hydra.sweeper.zip: give as many values of each: {lengths}")
    axes: dict[str, Axis] = {}
    for key, steps in values.items():
        axis = axes.setdefault(group_of.get(key, [key])[0], [{} for _ in steps])
        for step, (override, _) in zip(axis, steps, strict=True):
            step[key] = override
    return list(axes.values())


def _pattern(values: Values, pattern: dict[str, Any]) -> dict[str, set[str]]:
    """The overrides, by key, that a point to leave out has one of."""
    overrides: dict[str, set[str]] = {}
    for key, wanted in pattern.items():
        _check_known("exclude", key, values)
        overrides[key] = set()
        for value in wanted if isinstance(wanted, list) else [wanted]:
            printed = _printed(value)
            same = {override for override, text in values[key] if text == printed}
            if not same:
                raise ConfigError(
                    f"hydra.sweeper.exclude: {printed} is no swept value of {key}; {_DROP}"
                )
            overrides[key] |= same
    return overrides


def _check_known(setting: str, key: str, values: Values) -> None:
    if key not in values:
        swept = ", ".join(name for name, steps in values.items() if len(steps) > 1)
        raise ConfigError(
            f"hydra.sweeper.{setting}: `{key}` is not swept; swept is {swept or 'nothing'}"
        )


def _product(first: Point, axes: list[Axis]) -> Iterator[Point]:
    for steps in product(*(axis for axis in axes if len(axis) > 1)):
        point = first.copy()
        for step in steps:
            point.update(step)
        yield point


def _one_at_a_time(first: Point, axes: list[Axis]) -> Iterator[Point]:
    yield first
    for axis in axes:
        for step in axis[1:]:
            yield first | step
