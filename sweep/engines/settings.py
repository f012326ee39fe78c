"""The engines that there are, each with its settings: what `hydra/launcher` chooses from.

Imported at every start of Hydra, so an engine itself is imported only where it is made.
"""

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from sweep.errors import ConfigError

if TYPE_CHECKING:
    from sweep.engines.base import Engine


@dataclass
class LocalSettings:
    """Processes on this machine.

    Attributes:
        processes: workers; auto is one per accelerator, else one per core; 0 is this process.
    """

    processes: Any = "auto"

    def engine(self) -> "Engine":
        """What computes."""
        from sweep.engines.local import LocalEngine

        return LocalEngine(self.processes)


@dataclass
class MpiSettings:
    """The ranks of an MPI job: `mpiexec -n 5 sweep ...` has four that compute."""

    def engine(self) -> "Engine":
        """What computes."""
        from sweep.engines.mpi import MpiEngine

        return MpiEngine()


@dataclass
class SlurmSettings:
    """What is asked of SLURM; names as in Hydra's submitit launcher.

    Attributes:
        partition, qos, account, constraint, exclude, gres: as of sbatch.
        nodes: of a job.
        tasks_per_node: workers a node; one a GPU, or a few on a node of cores.
        gpus_per_node: of a job.
        cpus_per_task: cores of a worker.
        mem_gb: memory of a node of the job.
        timeout_min: time limit of a job; at its end it is put back with what it has left.
        max_num_timeout: how often that is done.
        signal_delay_s: so long before the limit a job is told.
        array_parallelism: jobs at a time; packages are dealt to so many.
        setup: lines of shell before the worker, `module load ...` say.
        python: command by which jobs start Python, as the shell of a job reads it; the one that
            runs this command by default.
        srun_args: more arguments of srun.
        additional_parameters: more of sbatch, {name: value}.
        aggregate: a last job, after all others, that seals the store and writes its summary.
        wait: stay and show progress; false prints the jobs and returns.
        poll_s: seconds between looks at the store.
    """

    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    gres: str | None = None
    nodes: int = 1
    tasks_per_node: int = 1
    gpus_per_node: int | None = None
    cpus_per_task: int | None = None
    mem_gb: float | None = None
    timeout_min: int = 60
    max_num_timeout: int = 20
    signal_delay_s: int = 120
    array_parallelism: int = 16
    setup: list[str] | None = None
    python: str | None = None
    srun_args: list[str] | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)
    aggregate: bool = False
    wait: bool = True
    poll_s: float = 5.0

    def engine(self) -> "Engine":
        """What computes."""
        from sweep.engines.slurm import SlurmEngine

        return SlurmEngine(self)

    def check(self) -> None:
        """Look at what SLURM would refuse, or take for something else, before anything is made.

        Raises:
            ConfigError: a setting cannot be used.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value >= least):
                raise ConfigError(f"hydra.launcher.{name} = {value}: must be at least {least}")
        if not (isfinite(self.poll_s) and self.poll_s > 0):
            raise ConfigError(f"hydra.launcher.poll_s = {self.poll_s}: must be positive")
        if not self.signal_delay_s < 60 * self.timeout_min:
            raise ConfigError(
                f"hydra.launcher.signal_delay_s = {self.signal_delay_s}: must be shorter than a "
                f"job, {60 * self.timeout_min} s by hydra.launcher.timeout_min = {self.timeout_min}"
            )
        if self.python is not None and not self.python.strip():
            raise ConfigError("hydra.launcher.python is blank: give a command, or leave it out")
        for name in self.additional_parameters:
            if instead := _NOT_MORE.get(name.replace("_", "-")):
                raise ConfigError(f"hydra.launcher.additional_parameters.{name}: {instead}")


_LEAST: dict[str, float] = {
    "nodes": 1,
    "tasks_per_node": 1,
    "gpus_per_node": 0,
    "cpus_per_task": 1,
    "mem_gb": 0.001,
    "timeout_min": 1,
    "max_num_timeout": 0,
    "signal_delay_s": 1,
    "array_parallelism": 1,
}

_NOT_MORE = {
    "hold": "leave it out, a launch holds its jobs by itself until all that they need is in place; "
    "to hold them then: scontrol hold",
    "array": "leave it out, hydra.launcher.array_parallelism says how many jobs there are",
    "nodes": "give it as hydra.launcher.nodes, units are dealt to workers by it",
    "ntasks": "give hydra.launcher.nodes and tasks_per_node, units are dealt to workers by them",
    "ntasks-per-node": "give it as hydra.launcher.tasks_per_node, units are dealt to workers by it",
    "cpus-per-task": "give it as hydra.launcher.cpus_per_task, srun has to be told as well",
}
"""Parameters of sbatch that a launch has to know of, and what to do instead."""

ENGINES = {"local": LocalSettings, "mpi": MpiSettings, "slurm": SlurmSettings}
"""Settings of every engine, by the name that `hydra/launcher` chooses it by."""


SWEEPERS = ("grid", "race", "refine")
"""Sweepers of our own; others search by an objective."""


def chosen_name(hydra: Any) -> str:
    """The name of the engine that `hydra/launcher` chose, itself or by a file that is based on it.

    Args:
        hydra: the node `hydra` of a composed configuration.

    Raises:
        ConfigError: it chose none of ours.
    """
    kind: Any = OmegaConf.get_type(hydra, "launcher")
    for name, settings in ENGINES.items():
        if isinstance(kind, type) and issubclass(kind, settings):
            return name
    raise ConfigError(
        f"hydra/launcher = {hydra.runtime.choices['hydra/launcher']}: must be one of "
        f"{', '.join(ENGINES)}, or a file that begins with `defaults: [slurm]`, say"
    )


def chosen_engine(hydra: Any) -> "Engine":
    """The engine that `hydra/launcher` chose; `hydra` as for `chosen_name`.

    Raises:
        ConfigError: it chose none of ours, or a setting cannot be used.
    """
    name = chosen_name(hydra)
    if name == "mpi" and hydra.job.env_set:
        raise ConfigError(
            f"hydra.job.env_set.{next(iter(hydra.job.env_set))} would not reach the other ranks: "
            "give it to mpiexec, or set it before"
        )
    given: Any = OmegaConf.to_container(hydra.launcher, resolve=True)
    del given["_target_"]
    return ENGINES[name](**given).engine()
