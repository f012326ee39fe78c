"""The identity changes with what can change a fitted number, and with nothing else."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.assemble import shared
from sweep.config.checks import flatten
from sweep.config.groups.solver import SEARCH
from sweep.config.restore import restore
from sweep.config.scientific import NOT_SCIENTIFIC, scientific
from sweep.errors import ConfigError
from sweep.grid import Experiment, Groups, identity, unique
from sweep.instrument import OPTIONAL
from sweep.model import KNOWN
from sweep.testing.small import small
from tests.problems import PARAMETERS
from tests.small import write_templates

NOT_SET = ("fixed", "prior.mean", "prior.width")
"""Settings of a parameter that say nothing where they are null."""

NOT_THERE = {
    f"instrument.{key}"
    for key in ("band", *OPTIONAL, "bandpass", "bandpass_unit", "fwhm_out")
    + tuple(f"errors.{kind}" for kind in ("gain", "shift", "angle"))
} | {f"sky.{key}" for key in ("curvature", "free_free", "second_dust")}
"""Settings of bands, beams, 1/f noise, errors and other laws: they say nothing where none is."""

SCIENTIFIC = [
    "sky.nside=8",
    "sky.seed=1",
    "sky.cmb_seed=1",
    "sky.r=0.01",
    "sky.curvature=-0.05",
    "sky.free_free=0.01",
    "sky.second_dust=0.2",
    "instrument=planck",
    "instrument.frequency=[40,50]",
    "instrument.depth_p=[1,2]",
    "instrument.band=[a,b]",
    "instrument.bandwidth=[0.1,0.2]",
    "instrument.bandpass_unit=RJ",
    "instrument.fwhm=[10,20]",
    "instrument.fwhm_out=60",
    "instrument.ell_knee=[10,20]",
    "instrument.alpha_knee=[-1,-2]",
    "instrument.errors.gain=0.01",
    "instrument.errors.gain=[0.01,0.02]",
    "instrument.errors.shift=0.01",
    "instrument.errors.angle=1",
    "sky.cmb_realisations=true",
    "mask.expression=GAL060",
    "mask.apodisation=3",
    "clusters.beta_dust=3",
    "clusters.temp_dust=3",
    "clusters.beta_pl=3",
    "clusters.seed=1",
    "clusters.method=jax_healpy",
    "noise.ratio=0.5",
    "noise.seed=1",
    "noise.antithetic=true",
    "model=curved_synchrotron",
    "parameters.beta_dust.start=1.6",
    "parameters.temp_dust.low=7",
    "parameters.beta_pl.high=-1",
    "parameters.beta_dust.fixed=1.6",
    "parameters.beta_dust.prior.width=0.1",
    "parameters.temp_dust.prior.width=0.1",
    "parameters.dust_nu0=353",
    "parameters.synchrotron_nu0=23",
    "solver=newton",
    "solver=scipy_cobyqa",
    "solver.max_steps=11",
    "solver.starts=2",
    "solver.rtol=1e-3",
    "solver.atol=1e-3",
    "fit.precision=float32",
    "fit.likelihood=furax",
]

OF_NEWTON = [
    "solver.starts=2",
    "solver.tolerance=1e-3",
    "solver.nodes=9",
    "solver.max_scans=2",
    "solver.max_steps=9",
]

OPERATIONAL = [
    "noise.realisations=99",
    "noise.noiseless=true",
    "store.path=elsewhere.zarr",
    "store.maps=float32",
    "store.parameters=false",
    "store.spectra=cl",
    "store.cache=elsewhere",
    "fit.block=4",
    "fit.block=auto",
    "fit.experiments=3",
    "fail_fast=true",
    "objective=nll",
    "plan=true",
    "instrument.source=hearsay",
]


def test_every_scientific_setting_makes_another_experiment() -> None:
    found = [identity(small(word)) for word in [*SCIENTIFIC, "noise.ratio=1"]]
    assert len(set(found)) == len(found)
    assert identity(small()) == found[-1]


def test_every_setting_of_the_default_solver_makes_another_experiment() -> None:
    found = [identity(small("solver=newton", *words)) for words in ([], *([w] for w in OF_NEWTON))]
    assert len(set(found)) == len(found)
    known = {key for key in flatten(small("solver=newton")) if key.startswith("solver.")}
    assert {word.split("=")[0] for word in OF_NEWTON} == known - {"solver.name", "solver.search"}


@pytest.mark.parametrize("word", OPERATIONAL)
def test_what_changes_no_number_makes_no_other_experiment(word: str) -> None:
    assert identity(small(word)) == identity(small())


def test_no_setting_is_left_out_of_these_tests() -> None:
    tried = {word.split("=")[0] for word in [*SCIENTIFIC, *OPERATIONAL]}
    of_others = [p for p in KNOWN if p not in PARAMETERS]
    boxes = tuple(f"parameters.{p}" for p in KNOWN) + tuple(f"clusters.{p}" for p in of_others)
    known = {
        key
        for key in flatten(small())
        if not key.endswith((".name", ".path", ".search")) and not key.startswith(boxes)
    }
    # clip matters only where a count is cut; files have a test of their own
    assert known - {"clusters.clip", "instrument.bandpass"} <= tried


def test_launcher_and_workers_are_no_part_of_a_configuration() -> None:
    assert not {key for key in flatten(small()) if key.startswith("hydra")}
    given = small("parameters=published", "solver.starts=2")
    absent = {f"parameters.{p}.{key}" for p in PARAMETERS for key in NOT_SET} | {"model.name"}
    absent |= {f"{g}.{p}" for g in ("parameters", "clusters") for p in KNOWN if p not in PARAMETERS}
    absent |= {"sky.cmb_realisations", "noise.antithetic", "instrument.band", "mask.apodisation"}
    assert (
        set(scientific(given))
        == {
            key
            for key in flatten(given)
            if not key.startswith("store.") and key not in NOT_SCIENTIFIC
        }
        - absent
        - NOT_THERE
    )


BEFORE = (
    "parameters.beta_dust.low=0.5",
    "parameters.beta_dust.high=5",
    "parameters.temp_dust.low=6",
    "parameters.beta_pl.low=-7",
    "parameters.beta_pl.high=-0.5",
    *(f"parameters.{p}.prior.width=null" for p in PARAMETERS),
)
"""The default of when stores kept neither priors nor a version of the search."""


@pytest.mark.parametrize(
    ("words", "pinned"),
    [
        (
            ["solver=optax_lbfgs"],
            "fa2c72d6b601a0d3dce0e12f51598a8ecf7c507a5145e2669b2ce8edd196b1f0",
        ),
        (
            ["solver=scipy_tnc", "sky.nside=8"],
            "e3067be6ca5aa38f390ed00bc456fd55471f6afb934a7114367f2f1c0292de21",
        ),
    ],
)
def test_experiments_from_before_priors_keep_their_identity(words: list[str], pinned: str) -> None:
    """Pinned by the version before; only newton's search has changed since."""
    assert identity(sweep.compose([*BEFORE, *words])) == pinned


def test_a_new_search_makes_a_new_experiment_and_an_old_one_is_still_known() -> None:
    conf = sweep.compose([*BEFORE, "solver=newton"])
    entry = Groups().entry(conf)
    assert entry.pop("solver.search") == SEARCH == 2
    old = restore(entry, like=sweep.compose(["parameters.beta_pl.prior.width=0.1"]))
    assert old.solver.search == 1
    assert old.parameters.beta_pl.prior.width is None
    pinned = "481b7c91d0c1f3433ff923179a5e62896db8ee03845c800d8a1d33930e1f86f2"
    assert identity(old) == pinned != identity(conf)
    with pytest.raises(ConfigError, match=r"solver.search = 1: must be one of 2"):
        sweep.compose(["solver.search=1"])


def test_what_says_nothing_is_kept_nowhere() -> None:
    entry = Groups().entry(small("parameters=published"))
    assert not {key for key in entry if key.endswith((*NOT_SET, "starts"))} | NOT_THERE & set(entry)
    given = Groups().entry(small("parameters.beta_pl.prior.width=0.1", "solver.starts=3"))
    assert given["parameters.beta_pl.prior.width"] == 0.1
    assert given["solver.starts"] == 3
    assert "parameters.beta_pl.prior.mean" not in given


def test_a_key_names_its_value_and_not_its_place() -> None:
    one = identity(small("clusters.temp_dust=3", "clusters.beta_pl=4"))
    assert one != identity(small("clusters.temp_dust=4", "clusters.beta_pl=3"))
    assert one == identity(small("clusters.beta_pl=4", "clusters.temp_dust=3"))


def test_numbers_that_are_equal_are_the_same() -> None:
    assert identity(small("noise.ratio=1")) == identity(small("noise.ratio=1.0"))
    errors = "instrument.errors.angle"
    assert identity(small(f"{errors}=1")) == identity(small(f"{errors}=1.0"))
    assert identity(small(f"{errors}=[1,2]")) == identity(small(f"{errors}=[1.0,2.0]"))
    assert identity(small("noise.ratio=0.28")) != identity(small("noise.ratio=0.29"))
    assert identity(small("noise.ratio=0.1")) != identity(small("noise.ratio=0.10000000000000002"))


@pytest.mark.parametrize("key", ["sky.path", "mask.path", "clusters.path"])
def test_files_enter_by_content(key: str, tmp_path: Path) -> None:
    group = {"sky.path": ["sky=templates"], "mask.path": [], "clusters.path": ["clusters=file"]}

    def of(path: Path) -> str:
        return identity(sweep.compose([*group[key], "sky.nside=4", f"{key}={path}"]))

    one = write_templates(tmp_path / "one.npz")
    same = tmp_path / "deep" / "same.npz"
    same.parent.mkdir()
    same.write_bytes(one.read_bytes())
    other = write_templates(tmp_path / "other.npz", cmb_q=np.zeros(192))
    assert of(one) == of(same) != of(other)

    before = of(one)
    one.write_bytes(other.read_bytes())
    os.utime(one, ns=(1, 1))  # not even a clock that goes back hides a change
    assert of(one) == of(other) != before
    one.write_bytes(other.read_bytes() + b"more")
    os.utime(one, ns=(1, 1))  # nor one that stands still
    assert of(one) != of(other)


def test_bandpasses_enter_by_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("30 1\n50 1\n")
    other.write_bytes(one.read_bytes())

    def of(*paths: Path) -> str:
        return identity(small(f"instrument.bandpass=[{','.join(map(str, paths))}]"))

    assert of(one, other) == of(other, one) != of(one)
    before = of(one, other)
    other.write_text("30 1\n50 0.5\n")
    assert of(one, other) != before
    assert of(one, other) != of(other, one)
    with pytest.raises(ConfigError, match=r"instrument.bandpass\[1\] = .*: there is no such file"):
        of(one, tmp_path / "none.txt")


def test_settings_of_bands_come_back_from_a_store(tmp_path: Path) -> None:
    words = ["instrument.bandwidth=[0.1,0.2]", "instrument.errors.gain=[0.01,0.02]"]
    given = small(*words, "instrument.fwhm=[10,20]", "instrument.fwhm_out=60")
    assert identity(restore(Groups().entry(given), like=small())) == identity(given)
    assert restore(Groups().entry(small()), like=given) == small()


def test_an_instrument_file_replaces_the_figures_of_the_group(tmp_path: Path) -> None:
    path = tmp_path / "i.yaml"
    path.write_text("{name: x, source: y, frequency: [40, 90], depth_p: [2, 1]}")
    one = identity(small(f"instrument.path={path}"))
    assert one == identity(small("instrument=planck", f"instrument.path={path}"))
    assert one != identity(small())
    path.write_text("{name: x, source: y, frequency: [40, 90], depth_p: [2, 3]}")
    assert one != identity(small(f"instrument.path={path}"))


def test_a_file_that_cannot_be_read_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mask.path = .*none.npz: there is no such file"):
        identity(small(f"mask.path={tmp_path / 'none.npz'}"))
    with pytest.raises(ConfigError, match=r"mask.path = .*cannot be read: Is a directory"):
        identity(small(f"mask.path={tmp_path}"))


@pytest.mark.parametrize(
    ("words", "pinned"),
    [
        (
            ["clusters=multires"],
            "9fd6b4637b94e4199a95a80de4e700b47849fbdcb5472e12b19d8e36eee13fc5",
        ),
        ([], "831bf4fc7b00733a1ed3637825083939b0611a5b4b887c5cc1fdeb708e345bb3"),
        (
            ["parameters=priors", "parameters.beta_dust.low=1", "parameters.beta_dust.high=2.2"],
            "d61ab3370b72756abc531b762782f8d7c2858c290fd8029497399b36c5663b58",
        ),
        (
            ["clusters=multires", "solver=newton"],
            "487ccd15654ed612c49a1141c75b092d71302d205d843bc7abc91445b1970dea",
        ),
    ],
)
def test_identities_are_the_same_in_every_version_and_on_every_machine(
    words: list[str], pinned: str
) -> None:
    # a change of these values orphans the experiments of every store: raise IDENTITY_VERSION then;
    # those of K-means change, as they should, with LLOYD_VERSION
    assert identity(small(*words)) == pinned


@pytest.mark.parametrize(
    ("words", "lloyd", "package"),
    [
        ([], True, None),
        (["clusters.method=jax_healpy"], False, "jax-healpy"),
        (["clusters=multires"], False, None),
        (["clusters=multires", "sky=pysm"], False, "pysm3"),
    ],
)
def test_clusters_and_skies_of_another_version_make_another_experiment(
    words: list[str], lloyd: bool, package: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = small(*words)
    before = identity(conf)
    with monkeypatch.context() as patch:
        patch.setattr("sweep.assemble.clusters.LLOYD_VERSION", -1)
        assert (identity(conf) != before) == lloyd
    installed = {name: shared.version(name) for name in ("jax-healpy", "pysm3")}
    for name in installed:
        with monkeypatch.context() as patch:
            patch.setattr(shared, "version", {**installed, name: "another"}.__getitem__)
            assert (identity(conf) != before) == (name == package)
    assert identity(conf) == before


def test_duplicates_are_one_experiment_that_asks_for_all_realisations() -> None:
    confs = [
        small("noise.realisations=3", "noise.noiseless=true"),
        small("noise.realisations=4"),
        small("noise.ratio=2"),
        small("noise.realisations=1"),
    ]
    found = unique([Experiment(c) for c in confs])
    assert list(found) == [identity(confs[0]), identity(confs[2])]
    assert found[identity(confs[0])].realisations == (-1, 0, 1, 2, 3)
    assert confs[0].noise.realisations == 3  # what was given is left as it was


def test_a_configuration_is_known_from_one_that_was_at_its_address() -> None:
    groups, conf = Groups(), small()
    for ratio in np.linspace(0.1, 1.0, 20):
        conf = replace(conf, noise=replace(conf.noise, ratio=float(ratio)))
        assert groups.identity(conf) == identity(conf)


def test_the_store_keeps_no_operational_setting() -> None:
    entry = Experiment(small()).entry
    assert entry.identity == identity(small())
    assert entry.config["clusters.beta_dust"] == 2
    assert entry.config["instrument.source"]
    assert not {k for k in entry.config if k.startswith("store.")} | (
        {"fit.block", "fail_fast", "noise.realisations", "noise.noiseless"} & set(entry.config)
    )
