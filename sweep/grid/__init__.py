"""From configurations to the units that are missing."""

from sweep.grid.experiment import Experiment, unique
from sweep.grid.identity import identity, scientific
from sweep.grid.plan import Geometry, Package, Task, missing_tasks, plan_segments, tasks

__all__ = [
    "Experiment",
    "Geometry",
    "Package",
    "Task",
    "identity",
    "missing_tasks",
    "plan_segments",
    "scientific",
    "tasks",
    "unique",
]
