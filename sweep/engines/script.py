"""What sbatch is asked: the settings of a launch as scripts, by submitit."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweep.engines.settings import SlurmSettings

_NAME = "skysweep"
_OF_SLURM = ("partition", "qos", "account", "constraint", "exclude")
_LAST_MEM_GB = 4.0
"""At most, for the job that seals: it reads scalars only."""

_OF_WORKERS = re.compile("-*(cpu|gpu|mem|gres|tres|core|thread|socket|ntasks|exclusive|licenses)")

_SHORT = re.compile("-[cnBGN](?![A-Za-z-])")
"""The same in one letter: cores, tasks, sockets and cores, GPUs, nodes."""


def of_workers(folder: Path, s: SlurmSettings) -> Any:
    """What submits the jobs of workers from `folder`."""
    # since SLURM 22.05 srun does not take this over from sbatch
    cores = [f"--cpus-per-task={s.cpus_per_task}"] if s.cpus_per_task else []
    return _executor(
        folder,
        s,
        nodes=s.nodes,
        tasks_per_node=s.tasks_per_node,
        gpus_per_node=s.gpus_per_node,
        cpus_per_task=s.cpus_per_task,
        mem_gb=s.mem_gb,
        slurm_gres=s.gres,
        slurm_array_parallelism=s.array_parallelism,
        slurm_srun_args=[*cores, *(s.srun_args or ())] or None,
        slurm_additional_parameters=s.additional_parameters | {"hold": True},
    )


def of_last(folder: Path, s: SlurmSettings, after: Sequence[str]) -> Any:
    """What submits the job after all others: one worker that has what sealing needs, no GPU."""
    more = {k: v for k, v in s.additional_parameters.items() if not _is_of_workers(k)}
    dependency = {"dependency": f"afterany:{':'.join(after)}"} if after else {}
    return _executor(
        folder,
        s,
        nodes=1,
        tasks_per_node=1,
        mem_gb=min(s.mem_gb, _LAST_MEM_GB) if s.mem_gb else None,
        slurm_srun_args=_for_one_worker(s.srun_args or ()) or None,
        slurm_additional_parameters=more | dependency | {"hold": True},
    )


def text(executor: Any, jobs: int) -> str:
    """The script of an array of so many jobs, or of one, as it can be tested: not held."""
    submits = executor._executor
    submits.parameters["additional_parameters"].pop("hold")
    if jobs > 1:
        submits.parameters["map_count"] = jobs
    return submits._make_submission_file_text(submits._submitit_command_str, "")


def _is_of_workers(option: str) -> bool:
    return _OF_WORKERS.match(option.replace("_", "-")) is not None


def _for_one_worker(words: Sequence[str]) -> list[str]:
    """Options of srun without those that say what workers have: `-c 4`, `-c4`, `--gpus=1`, ..."""
    left, of_workers = [], False
    for word in words:
        if word.startswith("-"):
            of_workers = _is_of_workers(word) or _SHORT.match(word) is not None
        if not of_workers:
            left.append(word)
        of_workers &= word.startswith("-") and "=" not in word and not word[-1].isdigit()
    return left


def _executor(folder: Path, s: SlurmSettings, **asked: Any) -> Any:
    import submitit

    executor = submitit.AutoExecutor(
        folder,
        cluster="slurm",
        slurm_max_num_timeout=s.max_num_timeout,
        slurm_python=s.python,
    )
    given = {
        "name": _NAME,
        "timeout_min": s.timeout_min,
        "slurm_signal_delay_s": s.signal_delay_s,
        "slurm_setup": s.setup or None,
        **{f"slurm_{name}": getattr(s, name) for name in _OF_SLURM},
        **asked,
    }
    executor.update_parameters(**{k: v for k, v in given.items() if v is not None})
    return executor
