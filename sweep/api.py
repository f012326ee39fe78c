"""What a notebook calls."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr
from rich.console import Console

from sweep.assemble import setup
from sweep.config.schema import SweepConf
from sweep.engines import LocalEngine
from sweep.errors import ConfigError, IncompleteError
from sweep.jax_session import jax_session
from sweep.progress import Progress
from sweep.session import Request, launch
from sweep.store import open_dataset


def open(path: str | Path) -> xr.Dataset:  # noqa: A001
    """What the store at `path` holds, read lazily, units on every variable.

    Raises:
        StoreError: `path` is no store that this version reads.
    """
    return open_dataset(path)


@jax_session()
def build(conf: SweepConf) -> setup.Setup:
    """Make the objects of one experiment; settings of jax are left as they are.

    `Setup.maps` gives double precision in any session. What else is computed with the likelihood
    needs a session in double precision, e.g. `with jax.enable_x64(True):`.

    Raises:
        ConfigError: an input cannot be used: what was expected, what was got, how to mend it.
    """
    return setup.build(conf)


def run(
    confs: SweepConf | Sequence[SweepConf], *, processes: int = 0, progress: bool = False
) -> xr.Dataset:
    """Run experiments into their store, as the `sweep` command would.

    The precision and the other settings of jax are left as they are.

    Args:
        confs: what `sweep.compose` gives, one or several.
        processes: worker processes; 0 computes in this one.
        progress: show it on standard error.

    Returns:
        The experiments as in `sweep.open`, in the order asked for.

    Raises:
        ConfigError: a configuration cannot be used.
        StoreError: the store cannot be read or written.
        IncompleteError: a unit failed; what others computed is in the store.
    """
    asked = [confs] if isinstance(confs, SweepConf) else list(confs)
    if any(conf.plan for conf in asked):
        raise ConfigError("plan=true is of the command `sweep`; here it would compute nothing")
    shown = Progress(Console(stderr=True) if progress else None)
    done = launch(Request(asked, LocalEngine(processes)), shown)
    if done.failed:
        first = done.failed[0]
        raise IncompleteError(f"{len(done.failed)} of {done.total} units failed: {first.error}")
    ds = open_dataset(done.store)
    order = {identity: i for i, identity in enumerate(ds["identity"].values)}
    return ds.isel(experiment=[order[i] for i in dict.fromkeys(done.identities)])
