"""Points of a grid are what Hydra composes one by one."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig

from sweep.config.compose import config_dir, to_conf
from sweep.config.points import Points
from sweep.errors import ConfigError


class Counted:
    """Hydra, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        self.calls += 1
        return compose("sweep", overrides=list(overrides))


@pytest.fixture
def load():
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        yield Counted()


def points(load: Counted) -> Points:
    loader = GlobalHydra.instance().config_loader()
    return Points(load, loader.repository.group_exists)  # pyright: ignore


GRID = (
    ("solver=newton", "solver=optax_lbfgs"),
    ("clusters=kmeans", "clusters=multires"),
    ("clusters.beta_dust=4", "clusters.beta_dust=8", "clusters.beta_dust=16"),
    ("mask.expression=ALL", "mask.expression='GAL060-GAL040'"),
    ("sky.r=0", "sky.r=1e-3"),
    ("noise.noiseless=true", "noise.noiseless=false"),
    ("parameters.beta_pl.low=-5", "parameters.beta_pl.low=-4.5"),
    ("store.path=a.zarr",),
    ("fail_fast=true", "fail_fast=false"),
)


def test_points_are_what_hydra_composes(load: Counted) -> None:
    point = points(load)
    grid = list(product(*GRID))
    found = [point(overrides) for overrides in grid]
    assert len(found) == 384
    assert load.calls < 30
    for overrides, conf in list(zip(grid, found, strict=True))[::29]:
        assert conf == to_conf(load(overrides), overrides)


@pytest.mark.parametrize(
    "words",
    [
        ["noise.ratio=2", "++noise.ratio=1"],
        ["parameters.beta_dust.low=0.7", "parameters.beta_dust={start:1.5}"],
        ["parameters.beta_dust={start:1.5}", "parameters.beta_dust.low=0.7"],
    ],
)
def test_of_two_settings_of_one_key_hydra_says_which_counts(
    load: Counted, words: list[str]
) -> None:
    point = points(load)
    point([words[0].replace("2", "3").replace("0.7", "0.6"), words[1]])
    assert point(words) == to_conf(load(words), words)


def test_points_do_not_share_what_differs(load: Counted) -> None:
    point = points(load)
    first, second, again = (point([f"clusters.beta_dust={n}"]) for n in (4, 8, 4))
    assert [c.clusters.beta_dust for c in (first, second, again)] == [4, 8, 4]


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("clusters.beta_dust=4", "clusters.beta_dust=0", "clusters.beta_dust = 0: must be at"),
        ("clusters.beta_dust=4", "clusters.beta_dust=x", "clusters.beta_dust"),
        ("fit.likelihood=direct", "fit.likelihood=furax", "newton knows the derivatives"),
        ("sky.nside=8", "sky.nsied=8", "Could not override 'sky.nsied'"),
    ],
)
def test_bad_points_are_refused_as_ever(load: Counted, good: str, bad: str, said: str) -> None:
    point = points(load)
    point([good])
    with pytest.raises((ConfigError, HydraException), match=said):
        point([bad])


def test_a_value_made_of_others_follows_them(load: Counted) -> None:
    point = points(load)
    made = "clusters.temp_dust=${clusters.beta_dust}"
    found = [point([f"clusters.beta_dust={n}", made]) for n in (4, 8)]
    assert [c.clusters.temp_dust for c in found] == [4, 8]


def test_a_combination_that_does_not_go_together_is_refused(load: Counted) -> None:
    point = points(load)
    point(["solver=newton", "fit.likelihood=direct"])
    point(["solver=optax_lbfgs", "fit.likelihood=direct"])
    point(["solver=optax_lbfgs", "fit.likelihood=furax"])
    with pytest.raises(ConfigError, match="newton"):
        point(["solver=newton", "fit.likelihood=furax"])


MANY = {
    "noise.seed": [str(seed) for seed in range(200)],
    "noise.ratio": ["0", "1", "2.5", "1e-1", ".5", "1_000"],
    "noise.noiseless": ["true", "False", "yes", "off"],
    "fit.block": ["auto", "3", "'auto'"],
    "mask.expression": ["ALL", "'GAL060 - GAL040'", '"ALL"'],
    "sky.r": ["0", "1e-3", "0.001"],
    "parameters.beta_dust.prior.width": ["0.2", "null", "1"],
    "parameters.beta_pl.fixed": ["-3", "null"],
    "store.cache": ["a", "null", "b/../c"],
    "instrument.frequency": ["[40,60,90,150]", "[40,60.5,90,150]"],
}


@pytest.mark.parametrize("key", MANY)
def test_every_value_of_a_key_is_what_hydra_composes(load: Counted, key: str) -> None:
    """Issue 17, point 8: a value took 7 ms, as all of the configuration was checked for each."""
    point = points(load)
    texts = [f"{key}={value}" for value in MANY[key]]
    found = [point([text]) for text in texts]
    assert load.calls == 1
    for text, conf in list(zip(texts, found, strict=True))[:: max(1, len(texts) // 6)]:
        assert conf == to_conf(load([text]), [text]), text


def test_a_value_is_checked_by_itself(load: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "sweep.config.points.to_conf", lambda *given: asked.append(0) or to_conf(*given)
    )
    point = points(load)
    for seed in range(100):
        assert point([f"noise.seed={seed}", "noise.ratio=2"]).noise.seed == seed
    assert (len(asked), load.calls) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        *("noise.seed=1.5", "noise.seed=-1", "noise.seed=null", "noise.seed=???", "noise.seed=[1]"),
        *("noise.ratio=nan", "noise.ratio=x", "noise.sede=1", "fit.block=0", "fit.block=2.5"),
        *("clusters.method=x", "parameters.beta_dust.prior=1", "sky.name=pysm"),
    ],
)
def test_a_wrong_value_is_refused_as_by_itself(load: Counted, wrong: str) -> None:
    point = points(load)
    good = ("noise.seed=0", "noise.ratio=1", "fit.block=1", "clusters.method=lloyd")
    first = {text.partition("=")[0]: text for text in (*good, "sky.name=synthetic")}
    point([*first.values()])
    key = wrong.partition("=")[0]
    given = [*(first | {key: wrong}).values()]
    with pytest.raises((ConfigError, HydraException)) as told:
        points(load)(given)
    with pytest.raises((ConfigError, HydraException)) as found:
        point(given)
    assert str(found.value) == str(told.value)
    assert point([*first.values()]).noise.seed == 0


def test_paths_of_maps_are_absolute_and_checked_with_the_rest(
    load: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["sky=maps", "sky.path='{band}_{realisation}.fits'"]
    point = points(load)
    for words in (["sky.truth=a.fits"], ["sky.truth=b.fits"], ["sky.truth=null"]):
        assert point([*given, *words]) == to_conf(load([*given, *words]), [*given, *words])
    assert point([*given, "sky.truth=c.fits"]).sky.truth == str(tmp_path / "c.fits")
    assert not point([*given, "noise.noiseless=false"]).noise.noiseless
    with pytest.raises(ConfigError, match="noise.noiseless = True: maps from files"):
        point([*given, "noise.noiseless=true"])
