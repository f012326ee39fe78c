from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sweep.statistics.summary import summary, varying
from sweep.types import NOT_ATTEMPTED, Status

S = Status


def dataset(
    statuses: Sequence[Sequence[int]], realisations: list[int], **coords: Any
) -> xr.Dataset:
    """Experiments whose cmb_variance is 10 x experiment + realisation number."""
    status = np.array(statuses, np.int8)
    numbers = np.arange(len(statuses))[:, None] * 10.0 + np.array(realisations)[None, :]
    dims = ("experiment", "realisation")
    recorded = status != S.PENDING
    values = {
        "cmb_variance": np.where(recorded, numbers, np.nan),
        "nll": np.where(recorded, -1e9 - numbers, np.nan),
        "gradient_norm": np.where(recorded, 1e-7, np.nan),
        "seconds": np.where(recorded, 2.0, np.nan),
        "iterations": np.where(recorded, 4, -1).astype(np.int32),
        "evaluations": np.where(recorded, 9, -1).astype(np.int32),
        "scan_certified": np.full(status.shape, NOT_ATTEMPTED, np.int8),
    }
    return xr.Dataset(
        {"status": (dims, status), **{k: (dims, v) for k, v in values.items()}},
        {
            "realisation": realisations,
            "identity": ("experiment", np.array([f"{i:064x}" for i in range(len(statuses))])),
            **{key: ("experiment", np.array(v)) for key, v in coords.items()},
        },
    )


def test_every_status_is_counted_and_unusable_fits_are_left_out() -> None:
    ds = dataset(
        [[S.CONVERGED, S.MAX_STEPS, S.NONFINITE, S.OUTSIDE_BOX, S.PENDING]], [0, 1, 2, 3, 4]
    )
    ds["cmb_variance"][0, 2] = np.nan
    ds["cmb_variance"][0, 3] = 1e6
    row = summary(ds).iloc[0]
    assert row["realisations"] == 4
    assert row["usable"] == 2
    counts = {s: row[s] for s in ("converged", "max_steps", "nonfinite", "outside_box")}
    assert counts == dict.fromkeys(counts, 1)
    assert "failed" not in row
    assert "pending" not in row
    assert row["cmb_variance"] == 0.5
    assert row["cmb_variance_variance"] == 0.5
    assert row["cmb_variance_error"] == 0.5
    assert row["iterations"] == 4
    assert row["nll"] == -1e9 - 0.5


@pytest.mark.parametrize(
    ("statuses", "scanned", "share"),
    [
        ([S.CONVERGED] * 4, [1, 1, 1, 0], 0.75),
        ([S.CONVERGED] * 4, [1, 1, 1, 1], 1.0),
        # a fit that stopped before its scan is not certified; one of no use is not asked
        ([S.CONVERGED, S.MAX_STEPS, S.NONFINITE, S.PENDING], [1, -1, 1, -1], 0.5),
        ([S.CONVERGED] * 4, [-1, -1, -1, -1], None),
        ([S.NONFINITE] * 4, [-1, -1, -1, -1], None),
    ],
)
def test_certified_is_a_share_of_the_usable_fits(
    statuses: list[int], scanned: list[int], share: float | None
) -> None:
    ds = dataset([statuses], [0, 1, 2, 3])
    ds["scan_certified"][0] = scanned
    found = summary(ds).iloc[0]["certified"]
    assert np.isnan(found) if share is None else found == share


def test_the_noise_free_slot_takes_no_part() -> None:
    ds = dataset([[S.CONVERGED] * 3], [-1, 0, 1])
    ds["cmb_variance"][0, 0] = 1e6
    ds["scan_certified"][0] = [0, 1, 1]
    row = summary(ds).iloc[0]
    assert (row["realisations"], row["usable"], row["converged"]) == (2, 2, 2)
    assert row["certified"] == 1.0
    assert row["cmb_variance"] == 0.5


@pytest.mark.parametrize(("usable", "nan"), [(0, True), (1, False)])
def test_too_few_fits_give_nan(usable: int, nan: bool) -> None:
    ds = dataset([[S.CONVERGED] * usable + [S.NONFINITE] * (2 - usable)], [0, 1])
    row = summary(ds).iloc[0]
    assert np.isnan(row["cmb_variance"]) == nan
    assert np.isnan(row["nll"]) == nan
    assert np.isnan(row["cmb_variance_error"])
    assert np.isnan(row["cmb_variance_variance"])


def test_only_the_noise_free_slot_is_no_realisation() -> None:
    row = summary(dataset([[S.CONVERGED]], [-1])).iloc[0]
    assert row["realisations"] == 0
    assert np.isnan(row["cmb_variance"])


def test_settings_come_first_and_solver_before_clusters() -> None:
    ds = dataset(
        [[S.CONVERGED]] * 2,
        [0],
        **{"noise.ratio": [1.0, 2.0], "clusters.beta_dust": [1, 2], "solver": ["a", "b"]},
    )
    assert list(summary(ds).columns[:3]) == ["solver", "clusters.beta_dust", "noise.ratio"]


def test_a_real_store_is_summed_up_as_numpy_would(small_store: Path) -> None:
    import sweep

    ds = sweep.open(small_store)
    table = summary(ds)
    noisy = ds.sel(realisation=[0, 1])
    np.testing.assert_allclose(
        table["cmb_variance"], noisy["cmb_variance"].mean("realisation"), rtol=1e-14
    )
    np.testing.assert_allclose(
        table["cmb_variance_variance"], noisy["cmb_variance"].var("realisation", ddof=1), rtol=1e-9
    )
    assert list(table["realisations"]) == [2, 2]
    assert list(table.index) == [i[:8] for i in ds["identity"].values]


def test_what_is_not_known_of_an_import_does_not_tell_it_apart() -> None:
    table = pd.DataFrame(
        {
            "imported.program": ["", "", "furax-cs", "furax-cs"],
            "imported.from": ["", "", "one", "two"],
            "solver": ["newton", "newton", "adabk0", "furax_cs"],
            "solver.tolerance": [1e-6, 1e-6, np.nan, np.nan],
            "clusters.seed": [0.0, 1.0, np.nan, np.nan],
            "mask.path": ["", "masks.npz", "", ""],
            "mask.expression": ["GAL020", "GAL020", "GAL020", ""],
            "sky.tag": ["", "", "c1d1s1", ""],
        },
        index=["same", "same", "same", "same"],
    )
    told = ["imported.program", "solver", "clusters.seed", "mask.path"]
    assert varying(table, list(table.columns)) == told
    alone = table[2:].drop(columns="imported.program")
    assert varying(alone, list(alone.columns)) == ["solver"]
