"""A choice on one sky, measured on another."""

from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.cli.store import main
from sweep.errors import ConfigError
from sweep.statistics.elsewhere import best_elsewhere
from sweep.statistics.selection import best
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
    assert "--validate goes without --split and --zones" in capsys.readouterr().err
