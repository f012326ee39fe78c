"""A study of Optuna whose trials are jobs of a played SLURM."""

from pathlib import Path

import pytest

import sweep as skysweep
from sweep.statistics.selection import best
from sweep.store import Store
from tests.engines.slurm.commands import QUICK, killed, sweep
from tests.studies import OPTUNA, STUDY, trials

WORDS = (
    *STUDY,
    *QUICK,
    "hydra.sweeper.n_trials=4",
    "hydra.sweeper.n_jobs=2",
    "objective=cmb_variance",
    "solver=newton",
    "noise.ratio=0.5,1,1.5",
    "noise.realisations=2",
    "store.path=a.zarr",
    "hydra/launcher=slurm",
)


@OPTUNA
@pytest.mark.usefixtures("played")
def test_a_study_that_was_killed_goes_on_and_computes_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    killed(tmp_path, lambda: path.exists() and any(Store(path).records.values()), *WORDS)
    done = sweep(tmp_path, *WORDS)
    assert done.returncode == 0, done.stderr
    records = Store(path).records.values()
    assert all(len(found) == 1 for found in records)
    assert {record.engine for found in records for record in found} == {"slurm"}
    whole = best(skysweep.open(path), "cmb_variance")
    told = dict(zip(whole["noise.ratio"], whole["cmb_variance"], strict=True))
    assert trials(tmp_path) == pytest.approx(told, rel=1e-12)
