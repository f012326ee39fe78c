"""Which share of the machine a worker gets, and how it takes it. Never imports jax."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """The share of one worker.

    Attributes:
        cores: the cores it may run on.
        accelerator: the accelerator it sees, as CUDA numbers or names it; None for none.
    """

    cores: tuple[int, ...]
    accelerator: str | None

    def occupy(self) -> None:
        """Limit this process to the slot; before jax is imported, or it has no effect."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.cores)
        for name in _BLAS_THREADS:
            os.environ[name] = str(len(self.cores))
        if self.accelerator is None:
            os.environ["JAX_PLATFORMS"] = "cpu"
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.accelerator
            os.environ.pop("JAX_PLATFORMS", None)


def slots(processes: int | None) -> list[Slot]:
    """Shares of this machine for `processes` workers; None takes one per accelerator, or per core.

    With more workers than cores (or accelerators), several share one.
    """
    mine = cores()
    cards = accelerators()
    count = processes if processes is not None else len(cards) or len(mine)
    shares = [tuple(mine[i::count]) or (mine[i % len(mine)],) for i in range(count)]
    return [Slot(shares[i], cards[i % len(cards)] if cards else None) for i in range(count)]


def share(number: int, count: int, bound: bool) -> Slot:
    """The slot of worker `number` of `count` on a node that a scheduler gave to them.

    Args:
        number: from 0.
        count: workers on the node.
        bound: whether the scheduler has bound each worker to cores of its own; which of the
            accelerators that it sees a worker takes goes by its number all the same.
    """
    slot = slots(count)[number]
    return Slot(tuple(cores()), slot.accelerator) if bound else slot


def accelerators() -> list[str]:
    """NVIDIA devices that this process may use, without asking jax; none where jax has no CUDA."""
    if not any(find_spec(f"jax_cuda{n}_plugin") for n in (12, 13)):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(i) for i in range(len(list(folder.iterdir())))] if folder.is_dir() else []


def cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
