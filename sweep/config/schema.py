"""A configuration: the groups that it has, and the dataclass of every YAML.

Types, defaults, bounds and documentation live in `sweep.config.groups` only.
"""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from sweep.config.checks import or_null, setting, some_of
from sweep.config.groups.clusters import BinnedConf, ClusterFileConf, KmeansConf, MultiresConf
from sweep.config.groups.instrument import InstrumentConf
from sweep.config.groups.mask import MaskConf
from sweep.config.groups.noise import (
    HitsNoiseConf,
    KneeNoiseConf,
    MapsNoiseConf,
    NoiseConf,
    RmsNoiseConf,
    WhiteNoiseConf,
)
from sweep.config.groups.parameters import ModelConf, ParametersConf
from sweep.config.groups.run import FitConf, StoreConf
from sweep.config.groups.sky import MapsSkyConf, PysmSkyConf, SyntheticSkyConf, TemplatesSkyConf
from sweep.config.groups.solver import CadreConf, LibraryConf, NewtonConf
from sweep.quantities.table import METRICS


@dataclass
class SweepConf:
    """One experiment."""

    sky: Any = MISSING
    instrument: InstrumentConf = MISSING
    mask: MaskConf = MISSING
    clusters: Any = MISSING
    noise: NoiseConf = MISSING
    model: ModelConf = MISSING
    parameters: ParametersConf = MISSING
    solver: Any = MISSING
    fit: FitConf = MISSING
    store: StoreConf = MISSING
    plan: bool = setting(False, "say what would be done and what it would cost, and do nothing")
    fail_fast: bool = setting(False, "stop at the first unit that fails instead of carrying on")
    objective: Any = setting(
        None,
        "metric, or a list of them, that jobs return to a sweeper that searches; lower is better",
        or_null(some_of(*METRICS)),
    )


GROUPS: dict[str, dict[str, type]] = {
    "sky": {
        "synthetic": SyntheticSkyConf,
        "templates": TemplatesSkyConf,
        "pysm": PysmSkyConf,
        "maps": MapsSkyConf,
    },
    "instrument": {"instrument": InstrumentConf},
    "mask": {"mask": MaskConf},
    "clusters": {
        "kmeans": KmeansConf,
        "multires": MultiresConf,
        "file": ClusterFileConf,
        "binned": BinnedConf,
    },
    "noise": {
        "white": WhiteNoiseConf,
        "hits": HitsNoiseConf,
        "rms": RmsNoiseConf,
        "knee": KneeNoiseConf,
        "maps": MapsNoiseConf,
    },
    "model": {"model": ModelConf},
    "parameters": {"parameters": ParametersConf},
    "solver": {"newton": NewtonConf, "cadre": CadreConf, "scipy": LibraryConf},
    "fit": {"fit": FitConf},
    "store": {"store": StoreConf},
}
"""The schema of every YAML group; a YAML names its own in its defaults list."""


def register() -> None:
    """Make the dataclasses known to Hydra, as `schema/<group>/<name>`."""
    store = ConfigStore.instance()
    store.store(name="sweep_schema", node=SweepConf)
    for group, schemas in GROUPS.items():
        for name, node in schemas.items():
            store.store(group=f"schema/{group}", name=name, node=node)
