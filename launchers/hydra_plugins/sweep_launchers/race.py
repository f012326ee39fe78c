"""The sweeper of a race: the points of a grid, with the rules by which they leave."""

from typing import Any

from .grid import GridSweeper


class RaceSweeper(GridSweeper):
    """A grid whose launcher is told how to race; its settings are those of `RaceSweeperConf`."""

    def __init__(
        self,
        metric: str,
        first: int,
        growth: float,
        lost: float,
        enough: float,
        sigma: float | None,
        fits: int | None,
        device_hours: float | None,
        **grid: Any,
    ) -> None:
        super().__init__(**grid)
        self._given = (metric, first, growth, lost, enough, sigma, fits, device_hours)

    def setup(self, **given: Any) -> None:
        """See `GridSweeper.setup`.

        Raises:
            ConfigError: as there, a rule cannot be used, or jobs are not to be waited for.
        """
        from sweep.session import Rules

        super().setup(**given)
        launcher: Any = self.launcher  # a `SweepLauncher`: no other is a choice
        launcher.race(Rules(*self._given))
