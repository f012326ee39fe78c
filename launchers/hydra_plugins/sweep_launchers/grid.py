"""The sweeper: every combination of the swept values, handed to the launcher at once."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from .config import GridSweeperConf  # noqa: F401 (registers the settings)


class GridSweeper(Sweeper):
    """Unlike Hydra's basic sweeper it writes nothing and launches nothing before all is checked."""

    def __init__(self, params: dict[str, Any] | None) -> None:
        self.params = params or {}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember the context and make the launcher."""
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Launch the product of all swept overrides."""
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        study = parser.parse_overrides([f"{k}={v}" for k, v in self.params.items()])
        typed = parser.parse_overrides(arguments)
        merged = {o.get_key_element(): o for o in [*study, *typed]}
        return self.launcher.launch(
            [list(point) for point in product(*map(_values, merged.values()))], initial_job_idx=0
        )


def _values(override: Override) -> Sequence[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise HydraException(f"{key}: only lists, range() and glob() can be swept")
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
