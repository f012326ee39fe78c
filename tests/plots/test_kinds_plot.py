"""Every kind of picture, from a store alone; names of what it shows."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sweep.errors import ConfigError
from sweep.plots import KINDS, style
from sweep.plots.names import count_ticks, experiment_names, name_of
from tests.plots.looks import check_layout, check_texts, texts_of

ARGUMENTS = {"store": (), "experiment": (3,), "experiments": ([0, 3],)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_and_can_be_read(
    kind: str, ds: xr.Dataset, figures: list[Any], tmp_path: Path
) -> None:
    path = tmp_path / f"{kind}.png"
    assert KINDS[kind].draw(ds, *ARGUMENTS[KINDS[kind].of], path) == path
    (figure,) = figures
    for axes in figure.axes:
        assert axes.has_data() or axes.collections or axes.images
    labels = {axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes}
    assert labels - {""} or kind == "clusters"
    check_layout(figure)
    check_texts(figure, 9.0)
    units = set()
    for text in texts_of(figure):
        units |= set(re.findall(r"\[(.*?)\]", text.get_text()))
    assert units <= {"µK", "µK²", "µK⁴", "K", "s"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_fits_into_a_column(kind: str, ds: xr.Dataset, figures: list[Any]) -> None:
    with style("paper"):
        KINDS[kind].draw(ds, *ARGUMENTS[KINDS[kind].of], "a.png")
        (figure,) = figures
        assert figure.get_figwidth() == 3.4
        check_layout(figure)
        check_texts(figure, 7.0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_is_missing(kind: str, ds: xr.Dataset, tmp_path: Path) -> None:
    empty = ds.assign(status=xr.zeros_like(ds["status"]))
    if kind == "clusters":  # they follow from the configuration
        return
    with pytest.raises(ConfigError) as caught:
        KINDS[kind].draw(empty, *ARGUMENTS[KINDS[kind].of], tmp_path / "a.png")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.png").exists()


def test_experiments_are_named_by_what_tells_them_apart(ds: xr.Dataset) -> None:
    names = experiment_names(ds, [0, 5])
    assert names == [
        r"$\beta_\mathrm{d}$ 1, $\beta_\mathrm{s}$ 1, solver.max_steps 20",
        r"$\beta_\mathrm{d}$ 2, $\beta_\mathrm{s}$ 2, solver.max_steps 2",
    ]
    alone = ds.isel(experiment=[0])
    assert experiment_names(alone, [0]) == [str(ds["identity"].values[0])[:8]]


def test_what_a_count_is_depends_on_the_rule() -> None:
    assert name_of("clusters.temp_dust") == r"number of $T_\mathrm{d}$ clusters"
    both = name_of("clusters.temp_dust", ["kmeans", "multires"])
    assert both == r"number (multires: nside) of $T_\mathrm{d}$ clusters"
    assert name_of("mask.expression") == "mask"
    assert name_of("noise.seed") == "noise.seed"


@pytest.mark.parametrize(
    ("counts", "ticks"),
    [
        ([4, 16, 4, 64], [4, 16, 64]),
        ([0, 1, 2], [0, 1, 2]),
        ([7], [3, 7, 14]),
        ([1], [0, 1, 2]),
        ([100, 101, 102, 1000], [100, 1000]),
    ],
)
def test_labels_of_counts_have_room(counts: list[int], ticks: list[int]) -> None:
    assert count_ticks(np.array(counts)) == ticks
