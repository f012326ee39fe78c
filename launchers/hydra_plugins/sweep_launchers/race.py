"""The sweepers of a race: the points of a grid, and the rules of who is visited and who leaves."""

from typing import Any

from sweep.errors import ConfigError

from .grid import GridSweeper


class RaceSweeper(GridSweeper):
    """A grid whose launcher is told how to race; its settings are those of `RaceSweeperConf`."""

    def __init__(
        self, params: Any, mode: str, zip: Any, exclude: Any, max_points: int, **rules: Any
    ) -> None:
        super().__init__(params, mode, zip, exclude, max_points)
        self._given = rules

    def setup(self, **given: Any) -> None:
        """See `GridSweeper.setup`.

        Raises:
            ConfigError: as there, a rule cannot be used, or jobs are not to be waited for.
        """
        from sweep.session import Rules

        super().setup(**given)
        launcher: Any = self.launcher  # a `SweepLauncher`: no other is a choice
        launcher.race(Rules(**self._given))


class RefineSweeper(RaceSweeper):
    """A race that visits some points; its settings are those of `RefineSweeperConf`."""

    def setup(self, **given: Any) -> None:
        """See `RaceSweeper.setup`.

        Raises:
            ConfigError: as there, or the points are no lattice.
        """
        super().setup(**given)
        if self.mode != "product":
            raise ConfigError(
                f"hydra.sweeper.mode = {self.mode}: points around a leader are those of a product; "
                "leave it out, or take hydra/sweeper=race"
            )
