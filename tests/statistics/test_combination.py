"""The best experiment of every zone, together with those of the others."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.errors import ConfigError
from sweep.results import read_residuals
from sweep.statistics.combination import best_of_zones, zones_by_halves
from sweep.statistics.rankings import ratio_error, templates_of
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.statistics.zones import read_zones
from sweep.testing.small import grid, run

MASKS = ("GAL040", "GAL080-GAL040")


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("combination") / "a.zarr"
    given = "noise.noiseless=true noise.realisations=4 sky.nside=8 store.spectra=alm "
    points = [f"{given} mask.expression={m} clusters.beta_dust={n}" for m in MASKS for n in (1, 4)]
    done = run(grid(path, *points, f"{given} mask.expression=GAL080 clusters.beta_dust=1"))
    found = sweep.open(path)
    order = found["identity"].values.tolist()
    return found.isel(experiment=[order.index(identity) for identity in done.identities])


@pytest.mark.parametrize("metric", ["r_upper_68", "bias"])
def test_it_is_the_best_of_all_combinations(ds: xr.Dataset, metric: str) -> None:
    found = best_of_zones(ds, MASKS, metric, converged=0)

    def value(experiments: tuple[int, ...]) -> float:
        residuals = read_zones(ds, experiments)
        ratio = tensor_ratio(residuals, templates_of(residuals), "cross")
        return abs(ratio.r) if metric == "bias" else ratio.upper_68

    each: dict[tuple[int, ...], float] = {
        pair: value(pair) for pair in itertools.product((0, 1), (2, 3))
    }
    assert found.best.zones == MASKS
    assert found.value == pytest.approx(min(each.values()))
    assert each[found.best.experiments] == pytest.approx(found.value)
    assert found.delta_to_best >= 0
    alone = [
        min(pair, key=lambda e: value((e,)) if metric == "bias" else _upper(ds, e))
        for pair in ((0, 1), (2, 3))
    ]
    assert list(found.alone.experiments) == alone
    together = read_zones(ds, found.best.experiments)
    assert (
        found.best.residuals.sky_fraction == together.sky_fraction == pytest.approx(0.8, abs=0.02)
    )
    np.testing.assert_equal(found.best.error, ratio_error(together, metric, "cross"))
    assert found.tried == dict.fromkeys(MASKS, 2)


def _upper(ds: xr.Dataset, experiment: int) -> float:
    residuals = read_residuals(ds, experiment)
    return tensor_ratio(residuals, templates_of(residuals), "cross").upper_68


def test_each_experiment_that_is_looked_at_counts(ds: xr.Dataset) -> None:
    seen: list[None] = []
    best_of_zones(ds, MASKS, done=lambda: seen.append(None), converged=0)
    assert len(seen) == 4


def test_what_is_no_zone_is_refused(ds: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="in common with"):
        best_of_zones(ds)  # GAL080 holds the two others
    with pytest.raises(ConfigError, match="no experiment has mask 'GAL010'; choose from GAL040"):
        best_of_zones(ds, ["GAL010"])
    with pytest.raises(ConfigError, match="choose a metric from r, bias"):
        best_of_zones(ds, MASKS, "nll")


def test_the_command_shows_it(ds: xr.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    from sweep.cli.store import main

    path = ds.attrs["path"]
    main(["best", path, "--json", "--unconverged", "--zones", *MASKS])
    rows = json.loads(capsys.readouterr().out)
    found = best_of_zones(ds, MASKS, converged=0)
    assert [row["mask.expression"] for row in rows] == list(MASKS)
    assert {row["r_upper_68"] for row in rows} == {found.value}
    labels = [str(ds["identity"].values[e])[:8] for e in found.best.experiments]
    assert [row["experiment"] for row in rows] == labels
    main(["best", path, "--unconverged", "--zones", *MASKS])
    said = capsys.readouterr().out
    assert f"r = {found.best.ratio.r:.3e}" in said
    assert f"f_sky {np.round(found.best.residuals.sky_fraction, 3):.3f}" in said
    assert all(label in said for label in labels)


def test_half_of_the_realisations_choose_and_the_others_measure(ds: xr.Dataset) -> None:
    table = zones_by_halves(ds, MASKS, "r_limit_95", converged=0)
    assert table["chosen_by"].tolist() == ["0-1", "0-1", "2-3", "2-3"]
    for choosing, measuring in (("0-1", "2-3"), ("2-3", "0-1")):
        rows: Any = table[table["chosen_by"] == choosing]
        assert set(rows["measured_by"]) == {measuring}
        numbers = ds["realisation"].values
        first = best_of_zones(
            ds.isel(realisation=np.isin(numbers, _numbers(choosing))),
            MASKS,
            "r_limit_95",
            converged=0,
        )
        labels = [str(ds["identity"].values[e])[:8] for e in first.best.experiments]
        assert list(rows.index) == labels
        assert rows["r_limit_95_choosing"].iloc[0] == pytest.approx(first.value)
        others = read_zones(ds, first.best.experiments).select(_numbers(measuring))
        measured = tensor_ratio(others, templates_of(others), "cross").limit_95
        assert rows["r_limit_95"].iloc[0] == pytest.approx(measured)
    both = table["quoted"].iloc[0]
    assert both == pytest.approx(table["r_limit_95"].mean())


def _numbers(span: str) -> list[int]:
    first, last = map(int, span.split("-"))
    return list(range(first, last + 1))


def test_zones_that_did_not_converge_are_not_chosen(ds: xr.Dataset) -> None:
    with pytest.raises(ConfigError, match="zone GAL040: no exp.* 4 .fewer than 90 % of the fits"):
        best_of_zones(ds.assign(status=xr.full_like(ds["status"].load(), 2)), MASKS)
