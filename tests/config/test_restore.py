import pytest

import sweep
from sweep.config.restore import restore
from sweep.errors import ConfigError
from sweep.grid import Experiment, identity
from sweep.testing.small import small

KEPT_NOWHERE = ("noise.realisations", "noise.noiseless")

CHOICES = [
    [],
    ["solver=newton", "solver.nodes=9"],
    ["solver=adabk0", "solver.learning_rate=0.5"],
    ["solver=scipy_tnc", "solver.starts=3"],
    ["parameters=published", "parameters.beta_pl.prior.width=0.3", "parameters.temp_dust.fixed=19"],
    ["clusters=multires", "clusters.beta_dust=2", "clusters.temp_dust=0", "clusters.beta_pl=0"],
    ["sky.seed=7", "noise.ratio=0.5", "parameters.beta_dust.low=1", "fit.precision=float32"],
    ["instrument=planck", "mask.expression=GAL040"],
    ["noise=knee", "noise.lowest=5", "noise.realisations=7", "noise.noiseless=true"],
]


@pytest.mark.parametrize("words", CHOICES)
def test_what_a_store_keeps_makes_the_same_experiment(words: list[str]) -> None:
    conf = small(*words)
    like = small("noise.ratio=3", *(w for w in words if w.startswith(KEPT_NOWHERE)))
    again = restore(Experiment(conf).entry.config, like)
    assert identity(again) == identity(conf)
    assert again == conf


def test_what_it_does_not_keep_comes_from_another() -> None:
    like = small("noise.realisations=9", "fit.block=3", "store.path=other.zarr", "fail_fast=true")
    conf = restore(Experiment(small("sky.seed=3")).entry.config, like)
    assert conf.sky.seed == 3
    assert (conf.noise.realisations, conf.fit.block, conf.fail_fast) == (9, 3, True)
    assert conf.store.path == like.store.path
    assert like.sky.seed == 0


def test_settings_of_another_version_are_named() -> None:
    entry = dict(Experiment(sweep.compose()).entry.config)
    with pytest.raises(ConfigError, match=r"mask\.colour: this version has no such setting"):
        restore(entry | {"mask.colour": "pink"}, sweep.compose())
    with pytest.raises(ConfigError, match="solver: this version has none with the settings .*zeal"):
        restore(entry | {"solver.zeal": 3}, sweep.compose())
