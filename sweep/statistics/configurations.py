"""The configuration of an experiment of a store, as it was when the store was made."""

import json
from functools import lru_cache

import xarray as xr

from sweep.config.compose import compose
from sweep.config.restore import restore
from sweep.config.schema import SweepConf
from sweep.errors import ConfigError
from sweep.grid import identity
from sweep.store import Store


def configuration(ds: xr.Dataset, experiment: int) -> SweepConf:
    """What gives the same experiment again.

    Args:
        ds: what `sweep.open` returns.
        experiment: its position in `ds`.

    Raises:
        ConfigError: a file that it was made from is gone or has changed.
        StoreError: the store is gone.
    """
    return _configuration(ds.attrs["path"], str(ds["identity"].values[experiment]))


@lru_cache(maxsize=256)
def _configuration(path: str, wanted: str) -> SweepConf:
    like = compose([])
    for segment in Store(path).segments.values():
        if wanted in segment.identities:
            entry = segment.spec.experiments[segment.identities.index(wanted)]
            conf = restore(entry.config, like)
            if identity(conf) != wanted:
                raise ConfigError(
                    f"experiment {wanted[:8]}: a file that it was made from has changed since; "
                    f"its settings: {json.dumps(entry.config)}"
                )
            return conf
    raise ConfigError(f"{path} has no experiment {wanted}")
