"""Which share of the machine a worker gets, and how it takes it. Imports jax in `check` only."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sweep.errors import ConfigError
from sweep.install import install

_ON_CORES = "JAX_PLATFORMS=cpu computes on the cores"

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

    def take(self) -> None:
        """`occupy` it, then `check` it.

        Raises:
            ConfigError: as `check`.
        """
        self.occupy()
        self.check()

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
            os.environ["JAX_PLATFORMS"] = "cuda,cpu"  # else jax goes on without a card that fails

    def check(self) -> None:
        """See that jax computes on the accelerator, after `occupy`.

        Raises:
            ConfigError: it does not, and would compute on the cores.
        """
        if self.accelerator is None:
            return
        import jax

        try:
            used = jax.devices()[0].platform
        except Exception as error:
            used = " ".join(str(error).split())
        if used not in ("gpu", "cuda"):
            raise ConfigError(
                f"accelerator {self.accelerator} cannot be used by jax, which has {used}: mend "
                f"CUDA, or leave it out of CUDA_VISIBLE_DEVICES; {_ON_CORES}"
            )


def slots(processes: int | None) -> list[Slot]:
    """Shares of this machine for `processes` workers; None takes one per accelerator, or per core.

    With more workers than cores (or accelerators), several share one.

    Raises:
        ConfigError: as `accelerators`.
    """
    if processes == 0:
        return []  # this process is as it is
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
    """NVIDIA devices that workers are to use, without asking jax; none with JAX_PLATFORMS=cpu.

    Raises:
        ConfigError: a device is asked for that is not there, or there is one that jax, as it is
            installed, cannot use. The workers would be of another kind than meant.
    """
    asked = [name.strip() for name in os.environ.get("JAX_PLATFORMS", "").lower().split(",")]
    asked = [name for name in asked if name]
    if unknown := set(asked) - {"cpu", "cuda", "gpu"}:
        raise ConfigError(
            f"JAX_PLATFORMS = {','.join(asked)}: workers compute on cpu or cuda, not on "
            f"{', '.join(sorted(unknown))}"
        )
    if asked[:1] == ["cpu"]:
        return []
    here = present()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    named = here if visible is None else _names(visible)
    if named and not here:
        raise ConfigError(
            f"CUDA_VISIBLE_DEVICES = {visible}, but there is no NVIDIA device here that may be "
            "opened: unset it to compute on the cores"
        )
    if asked and not named:
        raise ConfigError(
            f"JAX_PLATFORMS = {','.join(asked)}, but no NVIDIA device is to be seen here: unset it "
            "to compute on the cores"
        )
    if named and not any(find_spec(f"jax_cuda{n}_plugin") for n in (12, 13)):
        raise ConfigError(
            f"there are NVIDIA devices here ({', '.join(named)}), but jax has no CUDA: "
            f"{install('cuda')}; {_ON_CORES}"
        )
    return named


def _names(visible: str) -> list[str]:
    return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]


def present() -> list[str]:
    """Numbers of the NVIDIA devices of this machine that this process may open, as of CUDA."""
    files = [path for path in Path("/dev").glob("nvidia[0-9]*") if path.name[6:].isdigit()]
    # before their first use devices may have no file yet; a job may open only those it was given
    listed = Path("/proc/driver/nvidia/gpus")
    count = max(len(list(listed.iterdir())) if listed.is_dir() else 0, len(files))
    return [str(i) for i in range(count - sum(not _opens(file) for file in files))]


def _opens(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
