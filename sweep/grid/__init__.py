"""From configurations to the units that are missing."""

from sweep.grid.experiment import Experiment, unique
from sweep.grid.identity import Groups, identity
from sweep.grid.plan import (
    MOST_UNITS,
    Geometry,
    Outcome,
    Package,
    Task,
    all_recorded,
    asked_units,
    axes_of_fit,
    missing_tasks,
    plan_segments,
)

__all__ = [
    "MOST_UNITS",
    "Experiment",
    "Geometry",
    "Groups",
    "Outcome",
    "Package",
    "Task",
    "all_recorded",
    "asked_units",
    "axes_of_fit",
    "identity",
    "missing_tasks",
    "plan_segments",
    "unique",
]
