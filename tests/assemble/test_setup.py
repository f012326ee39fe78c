"""From configuration to objects: every choice builds, and nothing is computed twice."""

from dataclasses import fields
from pathlib import Path

import jax
import numpy as np
import pytest

from sweep.assemble.clusters import CLUSTERS, build_clusters
from sweep.assemble.data import INSTRUMENTS, MASKS, SKIES, build_mask, build_sky, true_cmb
from sweep.assemble.noise import NOISES
from sweep.assemble.setup import build, padded
from sweep.config.schema import GROUPS
from sweep.errors import ConfigError
from sweep.instrument import Instrument
from sweep.solvers import SOLVERS
from sweep.testing.small import small
from sweep.types import Status
from sweep.worker import experiment_arrays, fit_experiment
from tests.small import write_templates

TABLES = {
    "sky": SKIES,
    "instrument": INSTRUMENTS,
    "mask": MASKS,
    "clusters": CLUSTERS,
    "noise": NOISES,
}


@pytest.mark.parametrize("group", TABLES)
def test_every_choice_has_a_row_in_the_table_of_its_group(group: str) -> None:
    assert set(TABLES[group]) == set(GROUPS[group].values())


BANDS = ("litebird", "litebird_bands", "planck", "so_sat", "so_lat", "pico", "pico_bands")


@pytest.mark.parametrize("name", BANDS)
def test_every_instrument_builds(name: str) -> None:
    setup = build(small(f"instrument={name}"))
    assert setup.instrument.name == name
    assert setup.instrument.source
    assert setup.signal(0).shape == (setup.instrument.frequency.size, 2, 192)
    assert np.isfinite(setup.signal(0)).all()


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_every_solver_builds_with_its_settings(name: str) -> None:
    key = "tolerance" if name == "newton" else "rtol"
    solver = build(small(f"solver={name}", f"solver.{key}=0.125", "solver.max_steps=7")).solver
    assert type(solver) is SOLVERS[name]
    assert (solver.name, getattr(solver, key), solver.max_steps) == (name, 0.125, 7)


def test_domain_classes_have_no_defaults() -> None:
    for kind in {*SOLVERS.values(), Instrument}:
        assert all(f.default is f.default_factory for f in fields(kind)), kind


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (["clusters.beta_dust=3"], (3, 1, 1)),
        (["clusters.beta_dust=3", "clusters.method=jax_healpy"], (3, 1, 1)),
        (["clusters.beta_dust=500", "clusters.clip=true"], (192, 1, 1)),
        (["clusters=multires", *(f"clusters.{p}={n}" for p, n in zip(
            ("beta_dust", "temp_dust", "beta_pl"), (4, 1, 0), strict=True))], (192, 12, 1)),
    ],
)  # fmt: skip
def test_cluster_rules_build(words: list[str], counts: tuple[int, ...]) -> None:
    assert tuple(build(small(*words)).counts.values()) == counts


def test_files_build(tmp_path: Path) -> None:
    sky = write_templates(tmp_path / "sky.npz")
    labels = np.arange(192) % 5
    np.savez(tmp_path / "c.npz", beta_dust=labels, temp_dust=labels // 2, beta_pl=labels * 0)
    np.savez(tmp_path / "m.npz", half=np.arange(192) < 96)
    instrument = "{name: x, source: mine, frequency: [40, 90, 200, 400], depth_p: [4, 3, 2, 1]}"
    (tmp_path / "i.yaml").write_text(instrument)
    import sweep

    conf = sweep.compose(
        [
            "sky=templates",
            "sky.nside=4",
            f"sky.path={sky}",
            f"mask.path={tmp_path / 'm.npz'}",
            "mask.expression=ALL-half",
            "clusters=file",
            f"clusters.path={tmp_path / 'c.npz'}",
            f"instrument.path={tmp_path / 'i.yaml'}",
        ]
    )
    setup = build(conf)
    assert setup.counts == {"beta_dust": 5, "temp_dust": 3, "beta_pl": 1}
    assert setup.signal(0).shape == (4, 2, 96)
    assert setup.mask.pixels.tolist() == list(range(96, 192))


def test_what_is_the_same_is_shared_and_what_differs_is_not() -> None:
    one, other = small("noise.ratio=1"), small("noise.ratio=2", "solver=adam", "noise.seed=3")
    assert build_sky(one) is build_sky(other)
    assert build_mask(one) is build_mask(other)
    assert build_clusters(one) is build_clusters(other)
    assert build_clusters(one) is not build_clusters(small("clusters.seed=1"))
    assert build_clusters(one) is not build_clusters(small("clusters.method=jax_healpy"))
    assert build_sky(one) is not build_sky(small("sky.seed=1"))
    assert build_mask(one).keep.sum() > build_mask(small("mask.expression=GAL060")).keep.sum()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write_templates(tmp_path / "s.npz")
    conf = small("sky=templates", f"sky.path={path}")
    before = build(conf).signal(0)
    write_templates(path, cmb_q=np.full(192, 7.0))
    assert not np.array_equal(build(conf).signal(0), before)


def test_noise_is_addressed_by_seed_and_number_and_scales_with_its_ratio() -> None:
    one, twice = build(small()), build(small("noise.ratio=2"))
    maps = np.asarray(one.maps((0, 1, -1)))
    np.testing.assert_array_equal(maps[1:2], one.maps((1,)))
    np.testing.assert_array_equal(maps[2], one.signal(0))
    np.testing.assert_allclose(
        np.asarray(twice.maps((0,)))[0] - one.signal(0),
        2 * (maps[0] - one.signal(0)),
        rtol=1e-6,
        atol=1e-9,
    )
    assert not np.array_equal(maps[0], maps[1])
    assert not np.array_equal(np.asarray(build(small("noise.seed=1")).maps((0,)))[0], maps[0])


def test_without_noise_all_realisations_are_the_signal() -> None:
    setup = build(small("noise.ratio=0"))
    np.testing.assert_array_equal(setup.maps((3,))[0], setup.signal(0))


def test_nothing_is_built_in_a_session_of_single_precision() -> None:
    with jax.enable_x64(False), pytest.raises(ConfigError, match="use `sweep.build`"):
        build(small())


def test_precision_reaches_the_maps() -> None:
    setup = build(small("fit.precision=float32"))
    assert setup.maps((0,)).dtype == np.float32
    assert build(small()).maps((0,)).dtype == np.float64


@pytest.mark.parametrize(
    "solver",
    [
        "newton",
        "optax_lbfgs",
        *(pytest.param(name, marks=pytest.mark.soak) for name in ("scipy_tnc", "adabk0")),
    ],
)
def test_maps_in_single_precision_are_fitted_as_well(solver: str) -> None:
    given = ("mask.expression=ALL", "solver.max_steps=500", f"solver={solver}")
    double = fit_experiment(small(*given), (0,))
    single = fit_experiment(small(*given, "fit.precision=float32"), (0,))
    # TNC's line search may meet rounding before its tolerance is met
    ends = {Status.CONVERGED, Status.STALLED} if solver == "scipy_tnc" else {double.status[0]}
    assert {single.status[0], double.status[0]} <= ends
    assert single.params["beta_dust"].dtype == np.float64
    np.testing.assert_allclose(single.nll, double.nll, rtol=1e-6)
    np.testing.assert_allclose(single.params["beta_dust"], double.params["beta_dust"], rtol=1e-4)


def test_bounds_are_padded_to_shapes_that_like_counts_share() -> None:
    setup = build(small("clusters.beta_dust=3"))
    assert {p: v.shape for p, v in setup.bounds.start.items()} == {
        "beta_dust": (4,),
        "temp_dust": (1,),
        "beta_pl": (1,),
    }
    assert [padded(n) for n in (1, 2, 3, 4, 5, 1500)] == [1, 2, 4, 4, 8, 2048]


def test_pysm_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("pysm3", "pysm3.sky"):  # the second may have been imported by another test
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install -e '.*\[pysm\]'"):
        build(small("sky=pysm", "sky.tag=d1s1"))


def test_every_realisation_may_have_a_cmb_of_its_own() -> None:
    conf, same = small("sky.cmb_realisations=true", "noise.ratio=0"), small("noise.ratio=0")
    maps, numbers = np.asarray(build(conf).maps((0, 1, -1))), (0, 1, -1)
    truth, fixed = true_cmb(conf, numbers), true_cmb(same, numbers)
    assert truth is not None
    assert fixed is not None
    # what differs is the CMB, alike in all bands; without noise it is that of the seed
    foregrounds = build(same).signal(0) - fixed[0]
    np.testing.assert_allclose(maps, foregrounds + truth[:, None], atol=1e-12)
    np.testing.assert_array_equal(truth[2], fixed[2])
    np.testing.assert_array_equal(fixed[0], fixed[2])
    pairs = [truth[0] - truth[1], truth[0] - truth[2]]
    assert all(np.std(pair) > 0.1 * np.std(fixed[0]) for pair in pairs)
    np.testing.assert_array_equal(build(conf).maps((1,))[0], maps[1])


def test_residuals_are_against_the_cmb_of_the_realisation() -> None:
    conf = small("sky.cmb_realisations=true", "noise.ratio=0", "solver.max_steps=200")
    found = experiment_arrays(conf, (0, 1), spectra=False)["residual_variance"]
    truth = true_cmb(conf, (0, 1))
    assert truth is not None
    between = np.var(truth[0] - truth[1], axis=-1).sum()
    # the foregrounds that are left are the same; against another CMB they would not look so
    assert np.ptp(found) < 1e-3 * between


def test_a_cmb_that_is_not_drawn_has_no_realisations() -> None:
    with pytest.raises(ConfigError, match="`c1d1s1` has no CMB that is drawn; take cr<N>"):
        build_sky(small("sky=pysm", "sky.tag=c1d1s1", "sky.cmb_realisations=true"))
