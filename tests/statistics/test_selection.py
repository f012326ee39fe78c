"""The best experiment, and how sure that is."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import ConfigError
from sweep.statistics.residuals import read_residuals
from sweep.statistics.selection import best, templates_of
from sweep.statistics.summary import OF_FITS, OF_SPECTRA
from sweep.statistics.tensor_ratio import bootstrap, tensor_ratio
from sweep.types import Status
from tests.small import grid, run
from tests.statistics.test_summary import dataset

S = Status


@pytest.mark.parametrize("metric", OF_FITS)
def test_the_best_comes_first_and_the_unusable_not_at_all(metric: str) -> None:
    ds = dataset([[S.CONVERGED] * 2, [S.NONFINITE] * 2, [S.MAX_STEPS] * 2], [0, 1])
    ds["residual_variance"] = ds["cmb_variance"] / 2
    table = best(ds, metric)
    assert list(table[metric]) == sorted(table[metric])
    assert len(table) == 2
    assert 0 not in list(table["usable"])
    assert len(best(ds, metric, top=1)) == 1


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
    table = best(ds, "cmb_variance")
    first, second = table.iloc[0], table.iloc[1]
    assert np.isnan(first["significance"])
    assert first["behind"] == 0
    assert second["behind"] == pytest.approx(gaps[:3].mean())
    assert second["behind_error"] == pytest.approx(gaps[:3].std(ddof=1) / np.sqrt(3))
    assert second["significance"] == pytest.approx(second["behind"] / second["behind_error"])
    assert float(second["behind_error"]) < 0.1 * float(first["cmb_variance_error"])


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("selection") / "a.zarr"
    given = "noise.noiseless=true noise.realisations=4 store.spectra=alm sky.nside=8 "
    run(grid(path, *(f"{given} clusters.beta_dust={n}" for n in (1, 2, 4))))
    run(grid(path, "sky.nside=8 clusters.beta_dust=3 store.parameters=false"))  # no spectra
    return sweep.open(path)


@pytest.mark.parametrize("metric", OF_SPECTRA)
def test_spectra_rank_too(ds: xr.Dataset, metric: str) -> None:
    table = best(ds, metric)
    assert len(table) == 3
    assert table.attrs["left_out"].popitem()[1] == 1
    metric = "bias" if metric == "r" else metric  # r may be negative, and is best near zero
    assert list(table[metric]) == sorted(table[metric])
    labels = [i[:8] for i in ds["identity"].values]
    first = read_residuals(ds, labels.index(str(table.index[0])))
    ratio = tensor_ratio(first, templates_of(first))
    assert table["r"].iloc[0] == ratio.r
    expected = {"bias": abs(ratio.r)}
    expected |= {"r_upper_68": ratio.upper_68, "r_upper_95": ratio.upper_95}
    assert table[metric].iloc[0] == expected[metric]
    assert table["r_plus"].iloc[0] == ratio.plus
    assert np.min(table[f"{metric}_error"]) > 0
    assert np.min(table["behind_error"][1:]) > 0


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
    assert list(dict.fromkeys(table["context"])) == labels
    means = table["cmb_variance"] - np.mean(np.arange(3) ** 2)
    assert means.tolist() == pytest.approx([4, 5, 6, 1, 2, 3])
    assert table["behind"].tolist() == pytest.approx([0, 1, 2, 0, 1, 0])
    assert len(best(ds, "cmb_variance", top=1)) == 3


def test_errors_of_spectra_come_from_a_bootstrap(ds: xr.Dataset) -> None:
    table = best(ds, "r_upper_68", top=2)
    labels = [i[:8] for i in ds["identity"].values]
    one, other = (read_residuals(ds, labels.index(str(label))) for label in table.index)
    draws = [bootstrap(each, templates_of(each))["upper_68"] for each in (one, other)]
    assert table["r_upper_68_error"].iloc[0] == pytest.approx(draws[0].std(ddof=1))
    assert table["behind_error"].iloc[1] == pytest.approx((draws[1] - draws[0]).std(ddof=1))


def test_each_experiment_that_is_looked_at_counts(ds: xr.Dataset) -> None:
    seen: list[None] = []
    best(ds, "r", done=lambda: seen.append(None))
    assert len(seen) == ds.sizes["experiment"]


def test_the_command_shows_it(ds: xr.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    from sweep.cli.store import main

    path = Path(ds.attrs["path"])
    main(["best", str(path), "--metric", "r_upper_68"])
    said = capsys.readouterr().out
    assert "r upper 68" in said
    assert str(best(ds, "r_upper_68").index[0]) in said
