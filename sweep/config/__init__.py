"""Configuration: dataclasses with defaults and bounds, composed by Hydra."""

from sweep.config.compose import compose, config_dir
from sweep.config.schema import SweepConf

__all__ = ["SweepConf", "compose", "config_dir"]
