"""A study by Optuna's own plugin, in a database of the folder it runs in."""

import importlib.util
import json
import sqlite3
from pathlib import Path

import pytest

OPTUNA = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="needs pip install '.[optuna]'"
)

STUDY = (
    "hydra/sweeper=optuna",
    "hydra.sweeper.sampler.seed=1",
    "hydra.sweeper.storage=sqlite:///study.db",
    "hydra.sweeper.study_name=mine",
)


def trials(folder: Path, metric: int = 0) -> dict[float, float]:
    """{noise.ratio: value} of the study's finished trials."""
    with sqlite3.connect(folder / "study.db") as database:
        rows = database.execute(
            "select p.param_value, p.distribution_json, v.value from trial_params p "
            "join trial_values v on v.trial_id = p.trial_id where v.objective = ?",
            (metric,),
        ).fetchall()
    return {float(json.loads(d)["attributes"]["choices"][int(p)]): v for p, d, v in rows}
