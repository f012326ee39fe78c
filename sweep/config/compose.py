"""Composition by Hydra, from the command line or from Python, into a checked `SweepConf`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from threading import RLock
from typing import Any, cast

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from sweep.cache import usual_folder
from sweep.config.checks import check, check_together, names_files
from sweep.config.explain import explain, unknown_key
from sweep.config.models import fill_in
from sweep.config.schema import SweepConf, register
from sweep.errors import ConfigError
from sweep.paths import check_home, located, refuse_address

register()

PATH_KEYS = ("path", "cache", "bandpass", "rms")
"""Last parts of keys whose values are paths, and become absolute."""

_HYDRA = RLock()
"""Hydra's version and what `${hydra:...}` means are one a process."""


def config_dir() -> Path:
    """Folder of the YAML files: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def compose(overrides: Sequence[str] = ()) -> SweepConf:
    """One experiment, as `sweep <overrides>` would run it; in any thread, and beside Hydra.

    Args:
        overrides: in Hydra's grammar, e.g. `["clusters.beta_dust=200", "solver=adabk0"]`.

    Raises:
        ConfigError: an unknown key or choice, or a value of the wrong type or out of bounds.
    """
    check_home()
    with _hydra() as load:
        try:
            composed = load(list(overrides))
            take_out_hydra(composed)
        except Exception as error:
            raise ConfigError(explain(error)) from error
        return to_conf(composed, overrides)


def take_out_hydra(composed: DictConfig) -> None:
    """Leave the experiment alone in what was composed; `${hydra:...}` still finds what is taken."""
    HydraConfig.instance().set_config(composed)
    with open_dict(composed):
        del composed["hydra"]


@contextmanager
def _hydra() -> Iterator[Any]:
    """Hydra's composition of overrides; a program that uses Hydra itself has its own afterwards.

    Hydra's own way, `initialize_config_dir`, is refused within `@hydra.main` and by threads.
    """
    with _HYDRA:
        of_caller = HydraConfig.instance().cfg, version.VersionBase.instance().version_base
        version.setbase("1.3")
        try:
            setup_globals()
            loader = ConfigLoaderImpl(create_config_search_path(str(config_dir())))
            yield lambda overrides: loader.load_configuration(
                "sweep", overrides, RunMode.RUN, from_shell=False
            )
        finally:
            HydraConfig.instance().cfg, version.VersionBase.instance().version_base = of_caller


def to_conf(composed: DictConfig, overrides: Sequence[str]) -> SweepConf:
    """A composed configuration as checked dataclasses, complete, its paths made absolute.

    Args:
        composed: by Hydra.
        overrides: that it was composed of.

    Raises:
        ConfigError: a required value is absent, a value is out of bounds, or two do not go
            together.
    """
    try:
        _check_keys(composed)
        _check_present(composed)
        conf = cast(SweepConf, OmegaConf.to_object(composed))
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(explain(error)) from error
    fill_in(conf, overrides)
    check(conf)
    check_together(conf)
    if conf.store.cache is None:
        conf.store.cache = usual_folder()
    for item in fields(conf):
        _resolve_paths(item.name, getattr(conf, item.name))
    return conf


def _check_keys(node: DictConfig, prefix: str = "") -> None:
    """Hydra's `+key=value` adds keys to any node; no dataclass of ours has a use for them."""
    known = {item.name for item in fields(cast(Any, OmegaConf.get_type(node)))}
    for key in node:
        if key not in known:
            raise ConfigError(unknown_key(f"{prefix}{key}"))
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            _check_keys(cast(DictConfig, node[key]), f"{prefix}{key}.")


def _check_present(composed: DictConfig) -> None:
    missing = sorted(OmegaConf.missing_keys(composed))
    if missing:
        group, dot, _ = missing[0].partition(".")
        chosen = OmegaConf.select(composed, f"{group}.name") if dot else None
        choice = f" with {group}={chosen}" if chosen else ""
        raise ConfigError(f"{missing[0]} is required{choice}: give {missing[0]}=...")


def _resolve_paths(name: str, group: Any) -> None:
    """Workers may run elsewhere: paths of the user's become absolute before anything is sent."""
    for item in fields(group) if is_dataclass(group) else ():
        key, value = item.name, getattr(group, item.name)
        if key not in PATH_KEYS and not names_files(item.metadata):
            continue
        if isinstance(value, str):
            setattr(group, key, _resolved(f"{name}.{key}", value))
        elif isinstance(value, list):
            each = [_resolved(f"{name}.{key}[{i}]", path) for i, path in enumerate(value)]
            setattr(group, key, each)


def _resolved(key: str, path: str) -> str:
    if "\0" in path:
        raise ConfigError(f"{key} = {path!r}: a path cannot hold a NUL character")
    refuse_address(key, path)
    if os.path.expanduser(path).startswith("~"):
        raise ConfigError(f"{key} = {path}: there is no such home here")
    return str(located(path))
