"""What a view knows of its experiment, and why what it has not is missing."""

import inspect
import pickle

import numpy as np
import pytest

from sweep import results
from sweep.errors import ConfigError, MissingError
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.residuals import Residuals, read_residuals
from sweep.types import Status
from tests.statistics.test_summary import dataset

S = Status


def test_a_view_knows_its_label_and_its_usable_realisations() -> None:
    ds = dataset(
        [[S.CONVERGED] * 4, [S.NONFINITE, S.MAX_STEPS, S.PENDING, S.CONVERGED]], [-1, 0, 1, 2]
    )
    first, second = ExperimentView(ds, 0), ExperimentView(ds, 1)
    assert second.identity == ds["identity"].values[1]
    assert second.label == second.identity[:8]
    assert first.realisations.tolist() == [-1, 0, 1, 2]
    assert (first.noisy.tolist(), first.has_noiseless) == ([0, 1, 2], True)
    assert (second.noisy.tolist(), second.has_noiseless) == ([0, 2], False)


def test_an_experiment_is_found_by_the_beginning_of_its_label() -> None:
    known = ["1f" * 32, "ab" * 32]
    ds = dataset([[S.CONVERGED]] * 2, [0]).assign_coords(identity=("experiment", known))
    labels = [v[:8] for v in known]
    assert [ExperimentView.labelled(ds, v).position for v in labels] == [0, 1]
    assert ExperimentView.labelled(ds, labels[1][:4].upper()).position == 1
    same = ds.assign_coords(identity=("experiment", np.array(["abc1", "abc2"], object)))
    with pytest.raises(ConfigError, match="abc: 2 labels begin so, among them abc1, abc2"):
        ExperimentView.labelled(same, "abc")
    with pytest.raises(ConfigError, match="'abd1': not in the store; close to it are abc1"):
        ExperimentView.labelled(same, "abd1")
    with pytest.raises(ConfigError, match="''"):
        ExperimentView.labelled(same, "")


def test_the_reason_of_what_is_missing_stands_beside_its_experiment() -> None:
    one = ExperimentView(dataset([[S.NONFINITE]], [0]), 0)
    with pytest.raises(MissingError, match=f"^experiment {one.label}: no usable fit$") as found:
        read_residuals(one)
    assert found.value.reason == "no usable fit"
    again = pickle.loads(pickle.dumps(found.value))
    assert (str(again), again.reason) == (str(found.value), found.value.reason)
    with pytest.raises(MissingError, match="^zone: 0 usable realisations; ") as found:
        Residuals("zone", 0.5, np.zeros(0, int), np.zeros((0, 3), complex), None).spectra("cross")
    assert found.value.reason.startswith("0 usable realisations; ")
    assert ConfigError("no r fits").reason == "no r fits"


def test_what_users_call_takes_a_dataset_and_a_position() -> None:
    for name in ("read_residuals", "parameter_maps", "write_fits"):
        first, second, *_ = inspect.signature(getattr(results, name)).parameters.values()
        assert (first.name, second.name, second.annotation) == ("ds", "experiment", int)
