"""A choice on one sky, measured on another."""

from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.cli.store import main
from sweep.errors import ConfigError
from sweep.statistics.combination import best_of_zones
from sweep.statistics.elsewhere import best_elsewhere, zones_elsewhere
from sweep.statistics.rankings import ratio_error, templates_of
from sweep.statistics.selection import best
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.statistics.zones import read_zones
from sweep.testing.small import grid, run

COUNTS = (1, 2, 8)
FITTED = "solver=newton noise.realisations=3"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same counts on two skies, in another order, and one more where it is measured."""
    folder = tmp_path_factory.mktemp("skies")
    here, there = folder / "here.zarr", folder / "there.zarr"
    run(grid(here, *(f"{FITTED} clusters.beta_dust={n}" for n in COUNTS)))
    others = (*COUNTS[::-1], 24)
    run(grid(there, *(f"{FITTED} sky.seed=5 noise.seed=9 clusters.beta_dust={n}" for n in others)))
    return here, there


def test_the_choice_of_one_is_what_the_other_says_of_these_clusters(
    stores: tuple[Path, Path],
) -> None:
    here, there = map(sweep.open, stores)
    found = best_elsewhere(here, there, "cmb_variance")
    assert len(found) == 1
    row = found.iloc[0]
    first, ranking = best(here, "cmb_variance", 1), best(there, "cmb_variance")
    count = first["clusters.beta_dust"].iloc[0]
    assert row["clusters.beta_dust"] == count
    assert (row["chosen"], row["cmb_variance_choosing"]) == (
        first.index[0],
        first["cmb_variance"].iloc[0],
    )
    assert found.index[0] != row["chosen"]
    values = there["cmb_variance"].values.mean(axis=1)
    counts = there["clusters.beta_dust"].values
    mine = values[list(counts).index(count)]
    assert row["cmb_variance"] == pytest.approx(mine, rel=1e-12)
    assert row["delta_to_best"] == pytest.approx(mine - values.min(), rel=1e-9, abs=1e-15)
    assert (row["place"], row["ranked"]) == (1 + np.sum(values < mine), 4)
    assert list(ranking.index)[row["place"] - 1] == found.index[0]


def test_what_the_other_does_not_have_is_an_error(stores: tuple[Path, Path]) -> None:
    here, there = map(sweep.open, stores)
    alone = there.isel(experiment=np.flatnonzero(there["clusters.beta_dust"].values == 24))
    with pytest.raises(ConfigError, match="here.zarr ranks no experiment with the clusters, solv"):
        best_elsewhere(alone, here, "cmb_variance")


def test_the_command_shows_the_place(
    stores: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = map(str, stores)
    main(["best", here, "--validate", there])
    assert " of 4" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["best", here, "--validate", there, "--split"])
    assert ended.value.code == 2
    assert "--validate goes without --split: the other" in capsys.readouterr().err


ZONES = ("GAL040", "GAL080-GAL040")


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two zones on two skies, in another order."""
    folder = tmp_path_factory.mktemp("zones")
    here, there = folder / "here.zarr", folder / "there.zarr"
    points = [
        f"solver=newton noise.realisations=4 sky.nside=8 store.spectra=alm mask.expression={mask} "
        f"clusters.beta_dust={n}"
        for mask in ZONES
        for n in (1, 4)
    ]
    run(grid(here, *points))
    run(grid(there, *(f"{point} sky.seed=5 noise.seed=9" for point in points[::-1])))
    return here, there


def test_zones_that_are_best_together_are_measured_together(zones: tuple[Path, Path]) -> None:
    here, there = map(sweep.open, zones)
    found = zones_elsewhere(here, there, metric="r_limit_95")
    chosen = best_of_zones(here, metric="r_limit_95")
    assert list(found["mask.expression"]) == list(chosen.best.zones)
    counts = here["clusters.beta_dust"].values[list(chosen.best.experiments)]
    assert list(found["clusters.beta_dust"]) == list(counts)
    assert set(found["r_limit_95_choosing"]) == {chosen.value}
    keys = list(
        zip(there["mask.expression"].values, there["clusters.beta_dust"].values, strict=True)
    )
    same = [keys.index(key) for key in zip(chosen.best.zones, counts, strict=True)]
    residuals = read_zones(there, same)
    value = tensor_ratio(residuals, templates_of(residuals), "cross").limit_95
    assert found["r_limit_95"].to_list() == pytest.approx([value] * 2, rel=1e-12)
    assert set(found["r_limit_95_error"]) == {ratio_error(residuals, "r_limit_95", "cross")}
    lowest = best_of_zones(there, metric="r_limit_95").value
    assert found["delta_to_best"].to_list() == pytest.approx([value - lowest] * 2, abs=1e-15)


def test_zones_that_the_other_store_lacks_are_an_error(
    zones: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = map(sweep.open, zones)
    one = there.isel(experiment=np.flatnonzero(there["mask.expression"].values == ZONES[0]))
    with pytest.raises(ConfigError, match="no experiment has mask 'GAL080-GAL040'"):
        zones_elsewhere(here, one)
    chosen = zones_elsewhere(here, there)["clusters.beta_dust"].iloc[0]
    others = there.isel(experiment=there["clusters.beta_dust"].values != chosen)
    with pytest.raises(ConfigError, match="ranks no experiment with the clusters, solver and mask"):
        zones_elsewhere(here, others)
    main(["best", str(zones[0]), "--validate", str(zones[1]), "--zones"])
    assert "where chosen" in capsys.readouterr().out
