"""The best experiment, and how sure that is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import ConfigError
from sweep.estimators import ESTIMATORS
from sweep.quantities.table import OF_FITS, OF_SPECTRA
from sweep.results import read_residuals
from sweep.statistics.rankings import templates_of
from sweep.statistics.selection import best
from sweep.statistics.tensor_ratio import bootstrap, tensor_ratio
from sweep.testing.small import grid, run
from sweep.types import Status
from tests.statistics.test_summary import dataset

S = Status


@pytest.mark.parametrize("metric", OF_FITS)
def test_the_best_comes_first_and_the_unusable_not_at_all(metric: str) -> None:
    ds = dataset([[S.CONVERGED] * 2, [S.NONFINITE] * 2, [S.MAX_STEPS] * 2], [0, 1])
    ds["residual_variance"] = ds["cmb_variance"] / 2
    table = best(ds, metric, converged=0)
    assert list(table[metric]) == sorted(table[metric])
    assert len(table) == 2
    assert 0 not in list(table["usable"])
    assert len(best(ds, metric, top=1)) == 1


@pytest.mark.parametrize("metric", OF_FITS)
def test_what_did_not_converge_does_not_win(metric: str) -> None:
    """A solver that is cut short may leave a lower variance: its map is not the estimate."""
    ds = dataset([[S.MAX_STEPS] * 4, [S.CONVERGED] * 4, [S.NONFINITE] * 4], [0, 1, 2, 3])
    ds["residual_variance"] = ds["cmb_variance"] / 2
    ds["nll"] = -ds["nll"]
    table = best(ds, metric)
    assert [str(i)[:8] for i in ds["identity"].values][1:2] == list(table.index)
    assert sorted(table.attrs["left_out"].values()) == [1, 1]
    assert len(best(ds, metric, converged=0)) == 2
    with pytest.raises(ConfigError, match="fewer than 90 % of the fits converged; .best --unconv"):
        best(ds.isel(experiment=[0, 2]), metric)


def test_all_are_compared_on_the_realisations_that_all_have() -> None:
    ds = dataset([[S.CONVERGED] * 4, [S.CONVERGED] * 2 + [S.PENDING] * 2], [0, 1, 2, 3])
    ds["cmb_variance"][:] = np.array([[1.0, 1.0, 9.0, 9.0], [2.0, 2.0, np.nan, np.nan]])
    table = best(ds, "cmb_variance")
    assert table["cmb_variance"].tolist() == [1.0, 2.0]  # 5 and 2 by the realisations of each
    assert table["compared"].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("metric", "values", "tied"),
    [
        ("cmb_variance", [0.1 + 8.9e-11, 0.1], True),
        ("cmb_variance", [0.1 + 1e-6, 0.1], False),
        ("nll", [-1.8e8, -1.8e8 - 1e-5], True),
        ("nll", [-1.8e8, -1.8e8 - 1e-2], False),
    ],
)
def test_differences_of_rounding_are_ties(metric: str, values: list[float], tied: bool) -> None:
    ds = dataset([[S.CONVERGED] * 4] * 2, [0, 1, 2, 3])
    # the same difference in every realisation: it would be any number of its errors
    steps = np.arange(4) * (1e-3 if metric == "cmb_variance" else 1.0)
    ds[metric][:] = np.array(values)[:, None] + steps * (1 + 1e-12)
    table = best(ds, metric)
    assert table["tied"].tolist() == [False, tied]
    labels = [str(i)[:8] for i in ds["identity"].values]
    assert list(table.index) == (labels if tied else labels[::-1])
    second: Any = table.iloc[1]
    assert np.isnan(float(second["significance"])) == tied
    assert (float(second["delta_to_best"]) == 0) == tied


def test_what_cannot_be_ranked_is_refused() -> None:
    ds = dataset([[S.CONVERGED]], [0])
    with pytest.raises(ConfigError, match="unknown metric 'speed'; choose from cmb_variance, resi"):
        best(ds, "speed")
    with pytest.raises(ConfigError, match="no experiment has a usable fit yet"):
        best(dataset([[S.NONFINITE]], [0]), "nll")


def test_without_spectra_it_says_what_they_need(tmp_path: Path) -> None:
    run(grid(tmp_path / "a.zarr", "store.parameters=false"))
    with pytest.raises(ConfigError, match="no experiment has the spectra .* store.spectra=alm"):
        best(sweep.open(tmp_path / "a.zarr"), "r")


def test_experiments_are_compared_by_the_noise_they_share() -> None:
    ds = dataset([[S.CONVERGED] * 4, [S.CONVERGED] * 4], [0, 1, 2, 3])
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(4)
    gaps = 0.1 + 0.01 * rng.standard_normal(4)
    ds["cmb_variance"][:] = np.stack([noise + gaps, noise])
    ds["status"][1, 3] = S.NONFINITE
    table = best(ds, "cmb_variance", converged=0.7)
    first, second = table.iloc[0], table.iloc[1]
    assert np.isnan(first["significance"])
    assert first["delta_to_best"] == 0
    assert second["delta_to_best"] == pytest.approx(gaps[:3].mean())
    assert second["delta_to_best_error"] == pytest.approx(gaps[:3].std(ddof=1) / np.sqrt(3))
    assert second["significance"] == pytest.approx(
        second["delta_to_best"] / second["delta_to_best_error"]
    )
    assert float(second["delta_to_best_error"]) < 0.1 * float(first["cmb_variance_error"])


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("selection") / "a.zarr"
    given = "noise.noiseless=true noise.realisations=4 store.spectra=alm sky.nside=8 "
    run(grid(path, *(f"{given} clusters.beta_dust={n}" for n in (1, 2, 4))))
    run(grid(path, "sky.nside=8 clusters.beta_dust=3 store.parameters=false"))  # no spectra
    return sweep.open(path)


@pytest.mark.parametrize("metric", OF_SPECTRA)
def test_spectra_rank_too(ds: xr.Dataset, metric: str) -> None:
    table = best(ds, metric, converged=0)
    assert len(table) == 3
    assert table.attrs["left_out"].popitem()[1] == 1
    metric = "bias" if metric == "r" else metric  # r may be negative, and is best near zero
    assert list(table[metric]) == sorted(table[metric])
    labels = [i[:8] for i in ds["identity"].values]
    first = read_residuals(ds, labels.index(str(table.index[0])))
    ratio = tensor_ratio(first, templates_of(first), "cross")
    assert table["r"].iloc[0] == ratio.r
    expected = {"bias": abs(ratio.r)}
    expected |= {"r_upper_68": ratio.upper_68, "r_upper_95": ratio.upper_95}
    expected |= {"r_limit_95": ratio.limit_95}
    assert table[metric].iloc[0] == expected[metric]
    assert table["r_plus"].iloc[0] == ratio.plus
    free = best(ds, metric, estimator="noise_free", converged=0)
    assert np.min(free[f"{metric}_error"]) > 0
    assert np.min(free["delta_to_best_error"][1:]) > 0


def test_experiments_on_other_masks_or_with_other_noise_are_not_compared() -> None:
    ds = dataset([[S.CONVERGED] * 3] * 6, [0, 1, 2])
    ds["cmb_variance"][:] = np.array([5.0, 1, 4, 2, 3, 6])[:, None] + np.arange(3) ** 2
    ds = ds.assign_coords(
        {
            "mask.expression": ("experiment", ["A", "B", "A", "B", "A", "A"]),
            "noise.ratio": ("experiment", [1.0, 1, 1, 1, 2, 1]),
        }
    )
    table = best(ds, "cmb_variance")
    labels = ["A, noise.ratio=1", "B, noise.ratio=1", "A, noise.ratio=2"]
    assert list(dict.fromkeys(table["comparison_group"])) == labels
    means = table["cmb_variance"] - np.mean(np.arange(3) ** 2)
    assert means.tolist() == pytest.approx([4, 5, 6, 1, 2, 3])
    assert table["delta_to_best"].tolist() == pytest.approx([0, 1, 2, 0, 1, 0])
    assert len(best(ds, "cmb_variance", top=1)) == 3


def test_errors_of_spectra_come_from_a_bootstrap(ds: xr.Dataset) -> None:
    table = best(ds, "r_upper_68", top=2, estimator="noise_free", converged=0)
    labels = [i[:8] for i in ds["identity"].values]
    one, other = (read_residuals(ds, labels.index(str(label))) for label in table.index)
    draws = [bootstrap(each, templates_of(each), "noise_free")["upper_68"] for each in (one, other)]
    assert table["r_upper_68_error"].iloc[0] == pytest.approx(draws[0].std(ddof=1))
    assert table["delta_to_best_error"].iloc[1] == pytest.approx((draws[1] - draws[0]).std(ddof=1))


def test_each_experiment_that_is_looked_at_counts(ds: xr.Dataset) -> None:
    seen: list[None] = []
    best(ds, "r", converged=0, done=lambda: seen.append(None))
    assert len(seen) == ds.sizes["experiment"]


def test_the_command_shows_it(ds: xr.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    from sweep.cli.store import main

    path = Path(ds.attrs["path"])
    main(["best", str(path), "--metric", "r_upper_68", "--unconverged"])
    said = capsys.readouterr().out
    assert "r_upper_68" in said
    assert "cross, ranks" in said
    assert "noise-free" in said
    assert "one-sided 95 % limit with r >= 0" in said
    assert "left out: 1 (neither maps nor parameters were kept" in " ".join(said.split())
    assert str(best(ds, "r_upper_68", converged=0).index[0]) in said
    main(["best", str(path), "--metric", "r_limit_95", "--unconverged", "--split", "--json"])
    seen = capsys.readouterr()
    rows = json.loads(seen.out)
    assert [row["measured_by"] for row in rows] == ["2-3", "0-1"]
    assert "left out: 1" in seen.err
    with pytest.raises(SystemExit):
        main(["best", str(path), "--estimator", "both"])
    assert "--estimator both: choose from cross, noise-free" in capsys.readouterr().err


def test_both_estimators_stand_side_by_side_and_one_ranks(ds: xr.Dataset) -> None:
    for estimator in ESTIMATORS:
        table = best(ds, "r_upper_68", estimator=estimator, converged=0)
        assert set(table["estimator"]) == {estimator}
        assert table["r_upper_68"].tolist() == table[f"r_upper_68_{estimator}"].tolist()
        for each in ESTIMATORS:
            values: Any = table[f"r_upper_68_{each}"]
            for label, value in values.items():
                labels = [i[:8] for i in ds["identity"].values]
                residuals = read_residuals(ds, labels.index(str(label)))
                expected = tensor_ratio(residuals, templates_of(residuals), each).upper_68
                assert value == expected
    assert set(best(ds, "r", converged=0)["estimator"]) == {"cross"}


def test_where_the_cross_estimate_lacks_some_all_are_ranked_by_the_other(ds: xr.Dataset) -> None:
    """One of three has a single realisation: cross would lose it, mixed it must not be."""
    ds = ds.load().copy()
    one = np.flatnonzero(ds["clusters.beta_dust"].values == 2)[0]
    ds["status"][one, ds["realisation"].values > 0] = S.PENDING
    table = best(ds, "r_upper_68", converged=0)
    assert set(table["estimator"]) == {"noise_free"}
    assert len(table) == 3
    assert table.attrs["fallback"] == [""]
    strict = best(ds, "r_upper_68", estimator="cross", converged=0)
    assert len(strict) == 2
    assert any("fewer than 2 usable" in why for why in strict.attrs["left_out"])
