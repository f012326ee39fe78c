"""From configurations to the units that are missing."""

from sweep.grid.experiment import Experiment, unique
from sweep.grid.identity import Groups, identity, scientific
from sweep.grid.plan import (
    MOST_UNITS,
    Geometry,
    Package,
    Task,
    missing_tasks,
    plan_segments,
    tasks,
)

__all__ = [
    "MOST_UNITS",
    "Experiment",
    "Geometry",
    "Groups",
    "Package",
    "Task",
    "identity",
    "missing_tasks",
    "plan_segments",
    "scientific",
    "tasks",
    "unique",
]
