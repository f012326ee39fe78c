"""What the report says is what statistics say, packed within its accuracy."""

import base64
import json
from pathlib import Path

import healpy as hp
import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.estimators import ESTIMATORS
from sweep.progress import Progress
from sweep.report.collect import collect
from sweep.report.details import MissingProducts, maps_of
from sweep.report.maps import Atlas, resolutions
from sweep.report.packing import logarithms
from sweep.report.zones import disjoint
from sweep.results import parameter_maps, read_residuals, residual_maps, true_parameter_maps
from sweep.statistics.combination import best_of_zones, zones_by_halves
from sweep.statistics.experiment import ExperimentView
from sweep.statistics.front import front
from sweep.statistics.halves import best_by_halves
from sweep.statistics.maps import sphere
from sweep.statistics.rankings import templates_of
from sweep.statistics.selection import best
from sweep.statistics.summary import summary
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.testing.small import grid, run
from sweep.types import Status
from tests.problems import PARAMETERS
from tests.report.conftest import COUNTS, MASKS
from tests.report.synthetic import KEPT, NSIDE

QUIET = Progress(None)


def numbers(collected: dict, name: str) -> np.ndarray:
    (column,) = [c for c in collected["columns"] if c["name"] == name]
    return np.array(column["values"], float)


def unpacked(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def powers(packed: dict) -> np.ndarray:
    """Total, systematic and statistical power, shape (3, multipole), as the page reads them."""
    codes = unpacked(packed["data"], "<i2").astype(float)
    values = np.sign(codes) * 10 ** ((np.abs(codes) - 1) / 1600 - 16)
    return np.where(codes == 0, np.nan, values).reshape(3, -1)


def drawn(packed: dict, masks: list[dict], kind: str) -> np.ndarray:
    """A map on the whole sphere, as the page draws it."""
    mask = masks[packed["mask"]]
    kept = np.unpackbits(unpacked(mask["bits"], "u1"))[: 12 * mask["nside"] ** 2].astype(bool)
    (layer,) = [one for one in packed["layers"] if one["kind"] == kind]
    codes = unpacked(layer["data"], "u1").astype(float)
    levels = layer["low"] + codes / 254 * (layer["high"] - layer["low"])
    found = np.full(kept.size, np.nan)
    found[kept] = np.where(codes == 255, np.nan, levels)
    return found


def test_numbers_are_those_of_the_summary(ds: xr.Dataset, collected: dict) -> None:
    table = summary(ds)
    assert collected["labels"] == list(table.index)
    settings = {s["name"]: [s["values"][c] for c in s["codes"]] for s in collected["settings"]}
    for name in table.columns:
        if name in settings:
            assert settings[name] == list(table[name])
        elif name != "suspect_parameters":  # words, which the page has in its warnings
            np.testing.assert_array_equal(numbers(collected, name), table[name].to_numpy(float))
    assert {s["name"] for s in collected["settings"] if s["varying"]} == {
        "clusters.beta_dust",
        "mask.expression",
    }
    units = {c["name"]: c["unit"] for c in collected["columns"]}
    assert (units["cmb_variance"], units["cmb_variance_error"]) == ("µK²", "µK²")
    assert (units["seconds"], units["nll"], units["statistical"]) == ("s", "", "µK²")


def test_spectra_and_r_are_those_of_statistics(ds: xr.Dataset, collected: dict) -> None:
    for i in range(ds.sizes["experiment"]):
        residuals = read_residuals(ds, i)
        spectra = residuals.spectra("cross")
        expected = np.stack([spectra.total, spectra.systematic, spectra.statistical])
        np.testing.assert_allclose(powers(collected["spectra"][i]), expected, rtol=1e-3)
        ratio = tensor_ratio(residuals, templates_of(residuals), "cross")
        for name in ("r", "r_minus", "r_plus", "r_upper_68", "r_upper_95", "r_limit_95"):
            value = getattr(ratio, name.removeprefix("r_"))
            assert numbers(collected, name)[i] == value
        likelihood = collected["likelihoods"][i]
        values = unpacked(likelihood["data"], "<u2") / 65535
        low, peak, high = likelihood["r"]
        assert peak == pytest.approx(ratio.r, rel=1e-6)
        assert (values.argmax(), values.max(), values.size) == (32, 1.0, 65)
        r = np.concatenate([np.linspace(low, peak, 33), np.linspace(peak, high, 33)[1:]])
        twin = np.interp(r, ratio.grid, ratio.likelihood)
        np.testing.assert_allclose(values, twin, atol=1e-4)
    templates = templates_of(read_residuals(ds, 0))
    assert {one["templates"] for one in collected["spectra"] if one} == {"4"}
    found = collected["templates"]["4"]
    np.testing.assert_allclose(found["lensing"], templates.lensing, rtol=1e-4)
    np.testing.assert_allclose(found["tensor"], templates.tensor, rtol=1e-4)
    assert found["ell"] == list(range(2, 10))


def test_maps_are_those_of_statistics_within_a_level(ds: xr.Dataset, collected: dict) -> None:
    for i in (0, 3):
        packed, masks = collected["maps"][i], collected["masks"]
        residual = residual_maps(ds, i)
        parts = {
            "systematic": residual.systematic[0],
            "statistical": np.sqrt(np.mean(residual.statistical**2, axis=0)),
        }
        expected = {k: sphere(v, residual.pixels, residual.nside) for k, v in parts.items()}
        check_maps(
            packed,
            masks,
            {**parameter_maps(ds, i, -1), **expected},
            [*PARAMETERS, "systematic", "statistical"],
        )
        truth = collected["truths"][packed["truth"]]
        check_maps(truth, masks, {**true_parameter_maps(ds, i)}, list(PARAMETERS))
    assert [m["nside"] for m in collected["maps"]] == [4] * 4


def test_without_a_noise_free_fit_the_mean_is_called_the_mean(ds: xr.Dataset) -> None:
    noisy = ds.isel(realisation=ds["realisation"].values >= 0)
    layers, note = maps_of(ExperimentView(noisy, 0), MissingProducts())
    assert "systematic" not in layers
    assert "mean residual of 4 realisations, with 1/4 of the noise in it" in note
    found = residual_maps(noisy, 0)
    np.testing.assert_array_equal(layers["mean"][found.pixels], found.mean[0])


def check_maps(packed: dict, masks: list, expected: dict, kinds: list[str]) -> None:
    assert [layer["kind"] for layer in packed["layers"]] == kinds
    for layer in packed["layers"]:
        seen, wanted = drawn(packed, masks, layer["kind"]), expected[layer["kind"]]
        inside = wanted != hp.UNSEEN
        np.testing.assert_array_equal(np.isfinite(seen), inside)
        step = (layer["high"] - layer["low"]) / 254
        clipped = np.clip(wanted[inside], layer["low"], layer["high"])
        np.testing.assert_allclose(seen[inside], clipped, atol=0.51 * step + 1e-6)
        outliers = ~np.isclose(clipped, wanted[inside], rtol=1e-5)
        assert np.mean(outliers) < 0.06  # of some hundred pixels


def test_maps_are_averaged_where_they_must_be_small() -> None:
    rng = np.random.default_rng(3)
    fine = rng.standard_normal(12 * 16**2)
    fine[:1000] = hp.UNSEEN
    atlas = Atlas()
    packed = atlas.pack({"beta_dust": fine}, 4)
    again = atlas.pack({"beta_dust": fine + 1}, 4)
    assert (again["mask"], len(atlas.masks)) == (packed["mask"], 1)
    coarse = hp.ud_grade(fine, 4)
    seen = drawn(packed, atlas.masks, "beta_dust")
    (layer,) = packed["layers"]
    inside = coarse != hp.UNSEEN
    clipped = np.clip(coarse[inside], layer["low"], layer["high"])
    np.testing.assert_allclose(seen[inside], clipped, atol=(layer["high"] - layer["low"]) / 500)
    assert np.isnan(seen[~inside]).all()
    assert inside.sum() < 192


def test_many_experiments_have_coarser_maps_but_for_the_first() -> None:
    few = resolutions([NSIDE] * 20, [KEPT] * 20, 5, range(20))
    assert few == [64] * 20
    order = [*range(1000, 2000), *range(1000)]
    many = resolutions([NSIDE] * 2000, [KEPT] * 2000, 5, order)
    assert set(many) == {8, 32}
    finest = [i for i in order if many[i] == 32]
    assert finest == order[: len(finest)]
    assert len(finest) > 10
    assert resolutions([8, 64], [700, KEPT], 5, [0, 1]) == [8, 64]


def test_logarithms_keep_three_digits_and_signs() -> None:
    values = np.array([3.21e-7, -4.56e-9, 0.0, np.nan, 12.5, 1e-20])
    codes = unpacked(logarithms(values), "<i2").astype(float)
    found = np.sign(codes) * 10 ** ((np.abs(codes) - 1) / 1600 - 16)
    np.testing.assert_allclose(found[[0, 1, 4]], values[[0, 1, 4]], rtol=8e-4)
    assert list(codes[[2, 3, 5]]) == [0, 0, 0]


def test_the_best_of_every_mask_and_how_sure_that_is(ds: xr.Dataset, collected: dict) -> None:
    assert [c["label"] for c in collected["comparison_groups"]] == list(MASKS)
    assert collected["comparison_group"] == [0, 0, 1, 1]
    metrics = [(b["metric"], b["comparison_group"]) for b in collected["best"]]
    assert metrics == [(m, c) for m in ("r_upper_68", "cmb_variance") for c in (0, 1)]
    for found in collected["best"]:
        members = np.flatnonzero(
            np.array(collected["comparison_group"]) == found["comparison_group"]
        )
        table = best(ds.isel(experiment=members), found["metric"], 2)
        labels = [collected["labels"][i] for i in (found["first"], found["second"])]
        assert labels == list(table.index)
        assert found["value"] == table[found["metric"]].iloc[0]
        for name in ("delta_to_best", "delta_to_best_error", "significance"):
            value = table[name].iloc[1]
            assert found[name] == (None if np.isnan(value) else pytest.approx(value))
        assert found["experiments"] == len(COUNTS)
        rows = best_by_halves(ds.isel(experiment=members), found["metric"])
        assert found["quoted"] == pytest.approx(rows[found["metric"]].mean(), rel=1e-12)


def test_what_did_not_converge_is_not_ranked_and_not_the_default(ds: xr.Dataset) -> None:
    """Of each mask one experiment did not converge: it is neither first nor on the front."""
    status = ds["status"].load().copy()
    status[::2] = Status.MAX_STEPS
    found = collect(ds.assign(status=status), QUIET)
    assert {b["first"] for b in found["best"]} == {1, 3}
    assert {b["second"] for b in found["best"]} == {None}
    assert np.isnan(numbers(found, "on_front")[::2]).all()
    (product,) = [one for one in found["missing"] if one["part"] == "ranking"]
    assert (product["experiments"], "90 % of the fits converged" in product["why"]) == (2, True)
    assert {z["experiment"] for z in found["zones"][0]["zones"]} == {1, 3}


def test_suspect_fits_are_told_with_the_ranking(ds: xr.Dataset) -> None:
    flags = xr.zeros_like(ds["status"].load())
    flags[0, 1:] = 4
    found = collect(ds.assign(suspect=flags), QUIET)
    assert numbers(found, "suspect").tolist() == [4, 0, 0, 0]
    (line,) = found["warnings"]
    assert line.startswith(f"{found['labels'][0]}: in 4 of 4 fits beta_pl is implausible")


def test_both_estimators_are_told_and_one_ranks(ds: xr.Dataset, collected: dict) -> None:
    assert collected["estimators"] == ["cross", "cross"]
    for estimator in ESTIMATORS:
        for i in range(ds.sizes["experiment"]):
            residuals = read_residuals(ds, i)
            ratio = tensor_ratio(residuals, templates_of(residuals), estimator)
            assert numbers(collected, f"r_limit_95_{estimator}")[i] == ratio.limit_95
    assert {b["estimator"] for b in collected["best"]} == {None, "cross"}


def test_the_front_is_that_of_each_mask(ds: xr.Dataset, collected: dict) -> None:
    table = front(ds).loc[collected["labels"]]
    for name in ("systematic", "statistical", "on_front"):
        np.testing.assert_array_equal(numbers(collected, name), table[name].to_numpy(float))


def test_zones_are_combined(ds: xr.Dataset, collected: dict) -> None:
    (found,) = collected["zones"]
    search = best_of_zones(ds, MASKS)
    assert [z["mask"] for z in found["zones"]] == list(MASKS)
    assert [z["experiment"] for z in found["zones"]] == list(search.best.experiments)
    combined = found["combined"]
    assert combined["r"] == search.best.ratio.r
    assert combined["upper_68"] == search.best.ratio.upper_68
    rows = zones_by_halves(ds, MASKS)
    assert combined["quoted"] == pytest.approx(rows["r_upper_68"].mean(), rel=1e-12)
    assert combined["quoted_error"] is None  # two realisations of a half are none to resample
    assert combined["sky_fraction"] == pytest.approx(0.8, abs=0.03)
    spectra = search.best.residuals.spectra("cross")
    np.testing.assert_allclose(powers(combined["spectra"])[1], spectra.systematic, rtol=1e-3)


def test_disjoint_masks_see_most_of_the_sky() -> None:
    a, b, c = np.arange(10), np.arange(10, 30), np.arange(30, 35)
    pixels = {"a": a, "ab": np.arange(30), "b": b, "c": c, "bc": np.arange(10, 35)}
    assert disjoint(pixels) == ["a", "b", "c"]
    assert disjoint({"a": a, "ab": np.arange(30)}) == []


def test_what_was_run_is_told(swept: Path, collected: dict) -> None:
    (launch,) = collected["launches"]
    assert launch["experiments"] == 4
    assert launch["versions"]["skysweep"] == collected["version"]
    assert collected["base"]["noise.seed"] == 0
    status = collected["status"]
    assert (sum(status["statuses"].values()), status["fits_missing"]) == (20, 0)
    assert collected["noiseless"] == 4
    assert collected["name"] == swept.name
    assert collected["missing"] == []


def test_unusable_fits_are_counted(ds: xr.Dataset) -> None:
    status = ds["status"].load().copy()
    status[0] = Status.NONFINITE
    status[1, 2] = Status.OUTSIDE_BOX
    found = collect(ds.assign(status=status), QUIET)
    assert list(numbers(found, "unusable"))[:3] == [4, 1, 0]
    assert list(numbers(found, "usable"))[:3] == [0, 3, 4]
    assert numbers(found, "nonfinite")[0] == 4
    assert numbers(found, "outside_box")[1] == 1
    assert np.isnan(numbers(found, "cmb_variance")[0])
    assert (found["spectra"][0], found["maps"][0]) == (None, None)
    reasons = {
        (product["part"], product["experiments"], product["why"]) for product in found["missing"]
    }
    assert {("spectra", 1, "no usable fit"), ("maps", 1, "no usable fit")} <= reasons


def test_of_many_experiments_the_lowest_have_details_and_the_page_says_so(
    ds: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.report.collect.DETAILED", 3)
    found = collect(ds, QUIET)
    highest = int(np.argmax(numbers(found, "cmb_variance")))
    assert [i for i, spectra in enumerate(found["spectra"]) if spectra is None] == [highest]
    (product,) = found["missing"]
    assert (product["part"], product["experiments"]) == ("others", 1)
    assert product["why"] == "only the 3 lowest cmb_variance are looked at"


@pytest.mark.parametrize("status", [Status.PENDING, Status.NONFINITE])
def test_a_store_without_a_usable_fit_is_reported(ds: xr.Dataset, status: Status) -> None:
    found = collect(ds.assign(status=xr.full_like(ds["status"].load(), status)), QUIET)
    json.dumps(found, allow_nan=False)
    assert (found["best"], found["zones"], found["templates"]) == ([], [], {})
    assert found["spectra"] == found["maps"] == [None] * 4
    assert found["metrics"] == []
    assert {product["experiments"] for product in found["missing"]} == {4}


def test_of_tied_experiments_the_first_of_the_store_comes_first(ds: xr.Dataset) -> None:
    masks = ds["mask.expression"].values
    pair = [int(i) for i in np.flatnonzero(masks == masks[0])]
    values = ds["cmb_variance"].values.copy()
    values[pair[0]] = values[pair[1]] * (1 + 1e-9)  # higher, by rounding only
    tied = ds.assign(cmb_variance=(ds["cmb_variance"].dims, values))
    best = [b for b in collect(tied, QUIET)["best"] if b["metric"] == "cmb_variance"]
    assert [[b["first"], b["second"]] for b in best if b["tied"]] == [pair]


def test_what_was_not_kept_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "bare.zarr"
    run(grid(path, "store.parameters=false", "store.parameters=false noise.ratio=2"))
    ds = sweep.open(path)
    found = collect(ds.assign(status=xr.full_like(ds["status"].load(), Status.CONVERGED)), QUIET)
    assert found["spectra"] == found["maps"] == [None, None]
    assert "r" not in {c["name"] for c in found["columns"]}
    by_part = {product["part"]: product for product in found["missing"]}
    assert set(by_part) == {"spectra", "maps", "front"}
    assert "store.spectra=alm" in by_part["spectra"]["remedy"]
    assert "neither maps nor parameters were kept" in by_part["spectra"]["why"]
    assert "noise.noiseless=true" in by_part["front"]["remedy"]
    assert [b["metric"] for b in found["best"]] == ["cmb_variance", "cmb_variance"]


def test_a_store_that_failed_tells_its_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sweep.worker as worker

    def failing(*_: object) -> None:
        raise OSError("no </script> space left")

    path = tmp_path / "failing.zarr"
    run(grid(path, "noise.ratio=1"))
    monkeypatch.setattr(worker, "fit_experiment", failing)
    monkeypatch.setattr(worker, "PAUSE", 0.0)
    run(grid(path, "noise.ratio=1", "noise.ratio=3"))
    found = collect(sweep.open(path), QUIET)
    (kind,) = found["status"]["failures"]
    assert kind["message"] == "OSError: no </script> space left"
    assert found["status"]["fits_missing"] == 2
    assert list(numbers(found, "usable")) == [2, 0]
    assert sum(c["experiments"] for c in found["launches"]) == 2
