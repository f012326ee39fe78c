"""skysweep: Monte Carlo sweeps of parametric component separation for CMB polarisation.

import sweep

conf = sweep.compose(["clusters.beta_dust=200", "solver=adabk0"])
result = sweep.run(conf)             # one experiment, or a list of them
ds = sweep.open("runs/grid.zarr")    # what a store holds, an xarray.Dataset
"""

import os
from typing import TYPE_CHECKING

# read when jax is first imported; jax-healpy and s2fft complain where it comes later
os.environ.setdefault("JAX_ENABLE_X64", "1")
# the process that launches must leave the memory of a card to its workers
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

if TYPE_CHECKING:
    __version__: str
    from sweep.api import build, open, run
    from sweep.config import compose

__all__ = ["build", "compose", "open", "run"]


def __getattr__(name: str):  # noqa: ANN202
    # nothing heavy at import: a worker must choose its device before jax is imported
    if name == "compose":
        from sweep.config import compose

        return compose
    if name in ("build", "open", "run"):
        from sweep import api

        return getattr(api, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("skysweep")
    raise AttributeError(f"module 'sweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
