"""What the report says of a race and of a search: who left when, and the way to the best."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.engines import LocalEngine
from sweep.progress import Progress
from sweep.report.collect import collect
from sweep.report.page import write_report
from sweep.report.race import races, still_racing
from sweep.session import Request, Rules, race
from sweep.statistics.comparison_groups import comparison_groups
from sweep.statistics.halves import best_by_halves
from sweep.statistics.summary import settings, settings_table
from sweep.store import Store
from sweep.testing.small import grid, run

COUNTS = (1, 2, 4, 8, 16, 24, 32)
FIRST, MOST = 4, 12
METRIC = "residual_variance"
# so careful that some go on
RULES = Rules(METRIC, first=FIRST, growth=4.0, lost=1e-8, enough=0.0, coarse=3, walks=1)


@pytest.fixture(scope="module", name="path")
def _path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Left by a search."""
    path = tmp_path_factory.mktemp("raced") / "a.zarr"
    overrides = [[f"clusters.beta_dust={n}"] for n in COUNTS]
    fixed = f"solver=newton noise.realisations={MOST}"
    confs = grid(path, *(f"{fixed} {words[0]}" for words in overrides))
    race(Request(confs, LocalEngine(0), overrides, RULES), Progress(None), lambda _: None)
    return path


def found_in(path: Path) -> tuple[xr.Dataset, list[dict]]:
    ds = sweep.open(path)
    groups = comparison_groups(settings_table(ds), settings(ds))
    return ds, races(ds, Store(path), groups, np.ones(ds.sizes["experiment"], bool))


def test_each_round_has_those_that_left_with_their_distance_to_the_first(path: Path) -> None:
    ds, (found,) = found_in(path)
    assert found["metric"] == METRIC
    values = ds[METRIC].values
    recorded = np.isfinite(values).sum(axis=1)
    assert found["most"] == MOST
    assert found["going_on"] == np.count_nonzero(recorded == MOST) >= 1
    (first,) = [each for each in found["rounds"] if each["realisations"] == FIRST]
    early = values[:, :FIRST].mean(axis=1)
    assert first["leader"] == early.argmin()
    assert sorted(first["left"]) == np.flatnonzero(recorded == FIRST).tolist()
    assert first["left"] == sorted(first["left"], key=lambda i: early[i])
    for i, delta, error in zip(first["left"], first["delta"], first["error"], strict=True):
        gaps = values[i, :FIRST] - values[first["leader"], :FIRST]
        assert delta == pytest.approx(gaps.mean())
        assert error == pytest.approx(gaps.std(ddof=1) / np.sqrt(FIRST))


def test_the_path_goes_down_from_launch_to_launch(path: Path) -> None:
    ds, (found,) = found_in(path)
    early = ds[METRIC].values[:, :FIRST].mean(axis=1)
    launches = [step["launch"] for step in found["path"]]
    assert launches == sorted(set(launches))
    down = [early[step["experiment"]] for step in found["path"]]
    assert down == sorted(down, reverse=True)
    if found["path"]:
        assert found["path"][-1]["experiment"] == early.argmin()


def test_only_those_that_went_on_are_ranked_beside_each_other(path: Path) -> None:
    ds, found = found_in(path)
    kept = still_racing(np.ones(ds.sizes["experiment"], bool), found)
    recorded = np.isfinite(ds["cmb_variance"].values).sum(axis=1)
    assert np.array_equal(kept, recorded == MOST)
    collected = collect(ds, Progress(None))
    (best,) = [one for one in collected["best"] if one["metric"] == "cmb_variance"]
    assert best["compared"] == MOST
    rows = best_by_halves(ds.isel(experiment=np.flatnonzero(kept)), "cmb_variance")
    assert best["quoted"] == rows["quoted"].iloc[0]
    assert best["quoted_error"] == rows["quoted_error"].iloc[0]
    assert collected["races"][0]["most"] == MOST


def test_a_grid_is_no_race(tmp_path: Path) -> None:
    run(grid(tmp_path / "a.zarr", "clusters.beta_dust=1", "clusters.beta_dust=2"))
    assert found_in(tmp_path / "a.zarr")[1] == []


def test_the_page_shows_it(path: Path, tmp_path: Path) -> None:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the path")
    page = write_report(path, tmp_path / "a.html", Progress(None))
    _, (found,) = found_in(path)
    with driver.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready]")
        said, ranked = (tab.locator(name).inner_text() for name in ("#race", "#best"))
        browser.close()
    assert errors == []
    assert "to quote" in ranked
    assert f"went on to {MOST} realisations" in said
    labels = sweep.open(path)["identity"].values.astype(str)
    assert all(labels[i][:8] in said for i in found["rounds"][0]["left"][:3])
