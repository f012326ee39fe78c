"""hydra/sweeper=grid: which points a grid has, in which order, and which grids are refused."""

import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra_plugins.sweep_launchers.config import GridSweeperConf
from hydra_plugins.sweep_launchers.grid import GridSweeper

import sweep
from sweep.cli.run import main
from sweep.errors import ConfigError
from sweep.testing.small import SMALL
from tests.small import exit_status, listing

Points = list[list[str]]

Command = Callable[..., tuple[Points, int, str]]
"""Arguments of `sweep -m` to (points launched, exit status, standard error)."""


def points(*words: str, **settings: Any) -> Points:
    """The points of a grid given on the command line."""
    defaults = {k: v for k, v in asdict(GridSweeperConf()).items() if not k.startswith("_")}
    sweeper = GridSweeper(**defaults | settings)
    parsed = OverridesParser.create().parse_overrides(list(words))
    return sweeper.points({override.get_key_element(): override for override in parsed})


def joined(found: Points) -> list[str]:
    return [" ".join(point) for point in found]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The real command in an empty folder, up to the launch."""
    monkeypatch.chdir(tmp_path)
    launched: list[Points] = []

    def launch(launcher: Any, job_overrides: Points, initial_job_idx: int) -> list:
        launched.append(job_overrides)
        return []

    # the class that Hydra took from its own import of the plugin
    plugins = Plugins.instance().class_name_to_class
    launcher = plugins["hydra_plugins.sweep_launchers.launcher.SweepLauncher"]
    monkeypatch.setattr(launcher, "launch", launch)

    def run(*arguments: str) -> tuple[Points, int, str]:
        monkeypatch.setattr(sys, "argv", ["sweep", "-m", *arguments])
        launched.clear()
        capfd.readouterr()
        code = exit_status(main)
        (found,) = launched or [[]]
        return found, code, capfd.readouterr().err

    return run


# -- which points -----------------------------------------------------------------------------


def test_of_a_product_the_last_key_is_the_fastest() -> None:
    assert joined(points("b=1,2", "c=x", "a=range(3,5)")) == [
        "b=1 c=x a=3",
        "b=1 c=x a=4",
        "b=2 c=x a=3",
        "b=2 c=x a=4",
    ]


def test_one_at_a_time_is_the_first_point_and_its_neighbours() -> None:
    assert joined(points("a=1,2,3", "b=x", "c=5,6", mode="one_at_a_time")) == [
        "a=1 b=x c=5",
        "a=2 b=x c=5",
        "a=3 b=x c=5",
        "a=1 b=x c=6",
    ]


def test_zipped_keys_are_one_axis_in_the_place_of_the_first() -> None:
    assert joined(points("a=1,2", "b=x,y", "c=5,6", zip=[["c", "a"]])) == [
        "a=1 b=x c=5",
        "a=1 b=y c=5",
        "a=2 b=x c=6",
        "a=2 b=y c=6",
    ]
    assert joined(points("a=1,2", "b=x,y", zip=[["a", "b"]], mode="one_at_a_time")) == [
        "a=1 b=x",
        "a=2 b=y",
    ]


def test_a_point_that_matches_all_of_a_pattern_is_left_out() -> None:
    excluded = [{"a": 1, "b": ["x", "z"]}, {"b": "y"}]
    assert joined(points("a=1,2", "b=x,y,z", exclude=excluded)) == ["a=2 b=x", "a=2 b=z"]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=1e-3,2", 0.001),
        ("a=1,2", 1),
        ("a=true,false", True),
        ("a=null,2", None),
        ("a='x y',b", "x y"),
        ('a="1,2",b', "1,2"),
        ("a=GAL060-GAL040,GAL020", "GAL060-GAL040"),
        ("a=range(1,3)", 1),
    ],
)
def test_patterns_have_values_as_yaml_has_them(word: str, value: Any) -> None:
    everything = points(word)
    assert len(everything) == 2
    assert points(word, exclude=[{"a": value}]) == everything[1:]
    assert points(word, exclude=[{"a": [value]}]) == everything[1:]


@pytest.mark.parametrize("seed", range(40))
def test_points_are_those_of_the_definition(seed: int) -> None:
    rng = random.Random(seed)
    keys = "abcde"[: rng.randint(2, 5)]
    zipped = rng.sample(keys, rng.randint(1, len(keys)))
    lengths = {key: rng.randint(1, 4) for key in keys}
    lengths |= dict.fromkeys(zipped, rng.randint(1, 4))
    words = [f"{key}={','.join(map(str, range(n)))}" for key, n in lengths.items()]
    pattern = {key: rng.randrange(lengths[key]) for key in rng.sample(keys, 2)}
    mode = rng.choice(["product", "one_at_a_time"])

    def belongs(point: dict[str, int]) -> bool:
        moved = {zipped[0] if key in zipped else key for key, value in point.items() if value}
        together = len({point[key] for key in zipped}) == 1
        left_out = all(point[key] == value for key, value in pattern.items())
        return together and not left_out and (mode == "product" or len(moved) < 2)

    everything = [
        dict(zip(keys, values, strict=True)) for values in product(*map(range, lengths.values()))
    ]
    expected = [[f"{k}={v}" for k, v in point.items()] for point in everything if belongs(point)]
    settings: dict[str, Any] = {"mode": mode, "zip": [zipped]}
    idle = len(points(*words, **settings)) == len(expected)
    if idle or not expected:
        with pytest.raises(ConfigError, match="matches no point" if idle else "leaves no point"):
            points(*words, **settings, exclude=[pattern])
        return
    found = points(*words, **settings, exclude=[pattern])
    assert (found if mode == "product" else sorted(found)) == expected


def test_a_large_grid_costs_little() -> None:
    words = [f"{key}=range(0,10)" for key in "abcde"]
    start = time.process_time()
    found = points(*words, exclude=[{"a": 3, "b": [4, 5]}])
    assert time.process_time() - start < 2
    assert len(found) == 98_000
    assert len({id(word) for point in found for word in point}) == 50  # points share their words


def test_a_grid_that_is_too_large_is_refused_without_being_built() -> None:
    words = [f"{key}=range(0,1000)" for key in "abcd"]
    with pytest.raises(ConfigError, match="the grid has 1000000000000 points, above"):
        points(*words)
    with pytest.raises(
        ConfigError, match="the grid has 11 points or more, above .*max_points = 10"
    ):
        points("a=range(0,1000000000000)", max_points=10)
    assert len(points("a=1,2", "b=1,2,3", max_points=6)) == 6
    assert len(points(*words, mode="one_at_a_time", max_points=3997)) == 3997
    with pytest.raises(ConfigError, match="the grid has 3997 points"):
        points(*words, mode="one_at_a_time", max_points=3996)


# -- the command ------------------------------------------------------------------------------

STUDY = """\
# @package _global_
hydra:
  sweeper:
    params:
      mask.expression: GAL020,GAL040-GAL020
      clusters.beta_dust: 4,8
      sky.r: 0.0,1e-3
    zip: [[mask.expression, clusters.beta_dust]]
    exclude:
      - {mask.expression: GAL040-GAL020, sky.r: 1e-3}
    max_points: 4
"""


def test_a_study_shapes_its_grid_and_the_command_line_wins(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "cuts.yaml").write_text(STUDY)
    study = ["--config-dir", "mine", "+experiment=cuts"]
    found, code, err = command(*study)
    assert (code, err) == (0, "")
    assert joined(found) == [
        "mask.expression=GAL020 clusters.beta_dust=4 sky.r=0.0 +experiment=cuts",
        "mask.expression=GAL020 clusters.beta_dust=4 sky.r=0.001 +experiment=cuts",
        "mask.expression=GAL040-GAL020 clusters.beta_dust=8 sky.r=0.0 +experiment=cuts",
    ]
    found, _, _ = command(*study, "hydra.sweeper.exclude=[]")
    assert len(found) == 4
    found, _, _ = command(
        *study, "sky.r=5", "hydra.sweeper.exclude=[{mask.expression:[GAL020],sky.r:5}]"
    )
    assert joined(found) == [
        "mask.expression=GAL040-GAL020 clusters.beta_dust=8 sky.r=5 +experiment=cuts"
    ]
    found, code, err = command(*study, "noise.seed=1,2")
    assert (found, code) == ([], 2)
    assert re.search(
        r"the grid has 8 points \(up to .*\), above hydra.sweeper.max_points = 4: ", err
    )


TWO = ("clusters.beta_dust=2,3", "noise.seed=1,2,3", "store.path=a.zarr")

WRONG = {
    "mode": (["hydra.sweeper.mode=prodct"], "mode = 'prodct'", "one of product, one_at_a_time"),
    "lengths": (
        ["hydra.sweeper.zip=[[clusters.beta_dust,noise.seed]]"],
        "give as many values of each: clusters.beta_dust has 2, noise.seed has 3",
    ),
    "zipped but not swept": (
        ["hydra.sweeper.zip=[[clusters.beta_dust,noise.sed]]"],
        "zip: `noise.sed` is not swept; swept is clusters.beta_dust, noise.seed",
    ),
    "zipped twice": (
        ["sky.seed=1,2", "hydra.sweeper.zip=[[clusters.beta_dust,sky.seed],[sky.seed]]"],
        "zip: `sky.seed` is there twice",
    ),
    "one group for all": (
        ["hydra.sweeper.zip=[clusters.beta_dust,noise.seed]"],
        "zip = [clusters.beta_dust,noise.seed]: must be a list of groups of keys",
    ),
    "no groups": (["hydra.sweeper.zip=3"], "zip = 3: must be a list of groups of keys"),
    "groups of groups": (["hydra.sweeper.zip=[[[noise.seed]]]"], "zip: `['noise.seed']` is not"),
    "left out but not swept": (
        ["hydra.sweeper.exclude=[{clusters.beta_dst:2}]"],
        "exclude: `clusters.beta_dst` is not swept; swept is clusters.beta_dust, noise.seed",
    ),
    "no such value to leave out": (
        ["hydra.sweeper.exclude=[{clusters.beta_dust:[2,33]}]"],
        "exclude: 33 is no swept value of clusters.beta_dust; correct it",
        "hydra.sweeper.exclude=[]",
    ),
    "no such point to leave out": (
        ["hydra.sweeper.mode=one_at_a_time"]
        + ["hydra.sweeper.exclude=[{clusters.beta_dust:3,noise.seed:3}]"],
        "exclude: {clusters.beta_dust:3,noise.seed:3} matches no point",
    ),
    "all left out": (["hydra.sweeper.exclude=[{noise.seed:[1,2,3]}]"], "leaves no point"),
    "one pattern for all": (
        ["hydra.sweeper.exclude={noise.seed:1}"],
        "exclude = {noise.seed:1}: must be a list of patterns, [{key:value}]",
    ),
    "too many": (
        ["sky.seed=range(0,1000)", "sky.cmb_seed=range(0,1000)"],
        "the grid has 6000000 points (up to ",
        "), above hydra.sweeper.max_points = 1000000: sweep fewer",
    ),
    "far too many": (
        [*(f"{key}=range(0,1000)" for key in ("sky.seed", "sky.cmb_seed", "sky.r")), *SMALL],
        # 2 realisations of 98 bytes; units of 64 MB
        "the grid has 3000000000 points (up to 762 GB in 2e+05 files), above",
    ),
    "more than allowed": (["hydra.sweeper.max_points=5"], "has 6 points", "max_points = 5"),
    "no point allowed": (["hydra.sweeper.max_points=-2"], "max_points = -2: must be at least 1"),
    "limit no number": (["hydra.sweeper.max_points=all"], "max_points = 'all'", "an integer"),
    "nothing to sweep": (["sky.seed=range(3,3)"], "range(3,3): there is no value to sweep"),
    "no list": (["noise.ratio=interval(0,1)"], "noise.ratio: only lists, range() and glob()"),
    "unknown setting": (["hydra.sweeper.excludes=[]"], "unknown key `hydra.sweeper.excludes`"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_grid_is_refused_in_one_line(case: str, command: Command, tmp_path: Path) -> None:
    arguments, *words = WRONG[case]
    launched, code, err = command(*TWO, *arguments)
    assert (launched, code) == ([], 2), err
    assert err.startswith("sweep: ")
    assert err.count("\n") == 1, err
    assert err.endswith("\n")
    for word in words:
        assert word in err
    assert listing(tmp_path) == set()


def test_the_store_holds_the_points_of_the_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = [
        "noise.ratio=1,2",
        "noise.seed=5,6",
        "parameters.beta_pl.start=-3,-2.9",
        "hydra.sweeper.zip=[[noise.ratio,parameters.beta_pl.start]]",
        "hydra.sweeper.exclude=[{noise.ratio:2,noise.seed:5}]",
    ]
    words = [*SMALL, "noise.realisations=1", "store.path=a.zarr", "hydra.launcher.processes=0"]
    monkeypatch.setattr(sys, "argv", ["sweep", "-m", *words, *grid])
    main()
    ds = sweep.open("a.zarr")
    keys = ("noise.ratio", "noise.seed", "parameters.beta_pl.start")
    stored = zip(*(ds[key].values.tolist() for key in keys), strict=True)
    assert sorted(stored) == [(1, 5, -3), (1, 6, -3), (2, 6, -2.9)]


# -- the studies that are shipped -------------------------------------------------------------


def test_the_published_grid_has_its_points(command: Command) -> None:
    found, code, err = command("+experiment=paper_grid")
    assert (code, err) == (0, "")
    assert len(found) == len({tuple(point) for point in found}) == 11 * 7 * 11 * 4 == 3388
    for point in (found[0], found[-1]):
        conf = sweep.compose(point)
        assert (conf.sky.nside, conf.instrument.name) == (64, "litebird")
        assert (conf.noise.realisations, conf.noise.ratio) == (100, 1.0)
    first, last = (sweep.compose(point) for point in (found[0], found[-1]))
    assert (first.mask.expression, last.mask.expression) == ("GAL020", "GAL060")
    counts = [
        (c.clusters.beta_dust, c.clusters.temp_dust, c.clusters.beta_pl) for c in (first, last)
    ]
    assert counts == [(100, 10, 10), (10000, 500, 500)]


def test_the_published_grid_can_be_pointed_to_files(tmp_path: Path) -> None:
    conf = sweep.compose(
        ["+experiment=paper_grid", "sky=templates", "sky.path=sky.npz", "mask.path=masks.npz"]
    )
    assert (conf.sky.name, conf.sky.nside) == ("templates", 64)


def test_the_study_of_single_settings_has_its_points(command: Command) -> None:
    found, code, err = command("+experiment=one_at_a_time")
    assert (code, err) == (0, "")
    assert len(found) == 11
    base, *others = [dict(word.split("=") for word in point) for point in found]
    assert all(sum(point[key] != base[key] for key in base) == 1 for point in others)
    for point in found:
        sweep.compose(point)
