"""What every launcher does: compose the jobs, launch them together, answer Hydra."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from sweep.cli.session import run_session
from sweep.config.compose import to_conf
from sweep.engines import Engine


def launch_jobs(
    context: HydraContext,
    config: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    engine: Engine,
) -> list[JobReturn]:
    """One launch for all jobs; each job's return value is the identity of its experiment."""
    confs = []
    for overrides in job_overrides:
        composed = context.config_loader.load_sweep_config(config, list(overrides))
        with open_dict(composed):
            del composed["hydra"]
        confs.append(to_conf(composed))
    identities = run_session(confs, engine, overrides=job_overrides)
    return [
        JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED, _return_value=identity)
        for overrides, identity in zip(job_overrides, identities, strict=True)
    ]
