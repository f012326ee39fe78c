"""What the command `sweep` runs: Hydra composes, the launcher launches, errors become one line."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from sweep.config.compose import config_dir, to_conf
from sweep.config.explain import explain, from_composition
from sweep.engines.settings import ENGINES, chosen_engine
from sweep.errors import ConfigError, SweepError
from sweep.paths import check_home

if TYPE_CHECKING:
    from sweep.session import Request

INTERRUPTED = 130


def compose_and_run(arguments: list[str]) -> None:
    """Compose what is asked for and run it; exits with a status as in `sweep.errors`.

    Args:
        arguments: of the command; Hydra reads them from `sys.argv`.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us whole, and leave here as one line
    err = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        check_home()
        _refuse_targets(arguments)
        _run(arguments)
    except SweepError as error:
        err.print(f"sweep: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("sweep: interrupted; what is recorded is safe, the same command continues")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        sys.stderr.close()
    except Exception as error:
        if not from_composition(error):
            raise
        err.print(f"sweep: {explain(error)}", markup=False)
        sys.exit(ConfigError.exit_code)


def _run(arguments: list[str]) -> None:
    from sweep.engines.mpi import rank_count, ranks

    if "hydra/launcher=mpi" in arguments:
        with ranks() as launches:
            if launches:
                _under_hydra()
        return
    if (count := rank_count()) > 1:
        raise ConfigError(
            f"started as {count} MPI ranks or tasks: add hydra/launcher=mpi, or start one"
        )
    _under_hydra()


def _refuse_targets(arguments: list[str]) -> None:
    """Hydra would call what a `_target_` names, a callback's for instance."""
    for argument in arguments:
        if "_target_" in argument:
            raise ConfigError(f"{argument}: `_target_` is not accepted; choose by name")


@contextmanager
def _only_our_launchers() -> Iterator[None]:
    """Launchers of others are no choice: they run nothing, or each point alone."""
    Plugins.instance()  # makes them
    choices: Any = ConfigStore.instance().repo["hydra"]
    kept = choices["launcher"]
    choices["launcher"] = {f"{name}.yaml": kept[f"{name}.yaml"] for name in ENGINES}
    try:
        yield
    finally:
        choices["launcher"] = kept


def _under_hydra() -> None:
    caught: list[SweepError] = []

    @hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="sweep")
    def task(given: Any) -> Any:
        """A session: of what Hydra composed, or of all that the launcher did for `--multirun`."""
        from sweep.cli.session import run_session
        from sweep.session import Request

        if isinstance(given, Request):
            return run_session(given)
        try:
            run_session(_single(given))
        except SweepError as error:  # Hydra would print lines of its own about it
            caught.append(error)
        return None

    # the help of Hydra is composed with its own
    with nullcontext() if "--hydra-help" in sys.argv else _only_our_launchers():
        task()
    if caught:
        raise caught[0]


def _single(composed: DictConfig) -> "Request":
    from sweep.session import Request

    run: Any = HydraConfig.get()
    if swept := OmegaConf.select(run, "sweeper.params"):
        keys = ", ".join(swept)
        raise ConfigError(f"this experiment sweeps {keys}: run it with `sweep -m`")
    asked = run.overrides.task
    return Request([to_conf(composed, asked)], chosen_engine(run), [asked])
