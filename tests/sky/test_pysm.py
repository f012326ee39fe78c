import sys
from typing import Any

import healpy as hp
import numpy as np
import pytest

from sweep.bands import top_hat
from sweep.cache import Cache
from sweep.errors import ConfigError
from sweep.sky import pysm_sky
from sweep.sky.pysm import parse_tag
from sweep.units import rj_to_cmb

FREQUENCY = np.array([30.0, 100.0, 353.0])


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No template at hand and no network, whatever the machine."""
    from astropy.utils import data

    monkeypatch.setenv("PYSM_LOCAL_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg" / "astropy" / "download" / "url").mkdir(parents=True)
    monkeypatch.setattr("pysm3.utils.data.PREDEFINED_DATA_FOLDERS", [])
    with data.conf.set_temp("allow_internet", False):
        yield


@pytest.fixture
def templates(monkeypatch, tmp_path, sky, offline):
    """The synthetic sky in the files that PySM's d1 and s1 read, in their layout."""
    folder = tmp_path / "pysm" / "pysm_2"
    folder.mkdir(parents=True)
    model = sky.model
    synchrotron = model.synchrotron * (23 / 30) ** model.beta_pl
    zero = np.zeros_like(model.beta_pl)
    for name, values in {
        "dust_t_new": zero,
        "dust_q_new": model.dust[0],
        "dust_u_new": model.dust[1],
        "dust_beta": model.beta_dust,
        "dust_temp": model.temp_dust,
        "synch_t_new": zero,
        "synch_q_new": synchrotron[0],
        "synch_u_new": synchrotron[1],
        "synch_beta": model.beta_pl,
    }.items():
        hp.write_map(folder / f"{name}.fits", values, dtype=np.float64)
    monkeypatch.setenv("PYSM_LOCAL_DATA", str(folder.parent))
    return folder


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("c1d1s1", {"cmb": "c1", "dust": "d1", "synchrotron": "s1"}),
        ("d12s7", {"dust": "d12", "synchrotron": "s7"}),
        ("cr3d1s1", {"cmb": "cr3", "dust": "d1", "synchrotron": "s1"}),
        ("s5cr12d10", {"cmb": "cr12", "dust": "d10", "synchrotron": "s5"}),
        ("cr0", {"cmb": "cr0"}),
        (
            "co2f1s1a2d1",
            {"dust": "d1", "synchrotron": "s1", "AME": "a2", "free-free": "f1", "co": "co2"},
        ),
    ],
)
def test_tags(tag, parts):
    assert parse_tag(tag) == parts


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("", "expected c<N>"),
        ("d", "expected c<N>"),
        ("a1a2", "names AME twice: a1, a2"),
        ("d1-s1", "expected c<N>"),
        ("d1d2", "names dust twice: d1, d2"),
        ("c1cr3d1", "names cmb twice: c1, cr3"),
    ],
)
def test_bad_tags(tag, message):
    with pytest.raises(ConfigError, match=message):
        parse_tag(tag)


def test_unknown_preset(cache):
    with pytest.raises(ConfigError, match="PySM has no `d99`; did you mean `d9`.*d11, d12"):
        pysm_sky("d99s1", 8, 0, cache)


def test_an_unknown_kind_is_told_all_there_are(cache):
    with pytest.raises(ConfigError, match="PySM has no `x2`; It has cr<N>, d0, d1, .*co1"):
        pysm_sky("d1x2", 8, 0, cache)


def test_what_has_no_polarisation_adds_nothing(templates, sky, tmp_path):
    zero = np.zeros(hp.nside2npix(64))
    hp.write_map(templates / "ff_t_new.fits", zero + 10.0, dtype=np.float64)
    with_free_free = pysm_sky("d1s1f1", 64, 0, Cache(tmp_path / "cache"))
    plain = pysm_sky("d1s1", 64, 0, Cache(tmp_path / "cache")).foregrounds(FREQUENCY)
    np.testing.assert_array_equal(with_free_free.foregrounds(FREQUENCY), plain)
    assert set(with_free_free.truth) == {"beta_dust", "temp_dust", "beta_pl"}


def test_ame_is_polarised_as_its_preset_says(templates, sky, tmp_path):
    ones = np.ones(hp.nside2npix(64))
    hp.write_map(templates / "ame_t_new.fits", 10 * ones, dtype=np.float64)
    hp.write_map(templates / "ame2_t_new.fits", 0 * ones, dtype=np.float64)
    hp.write_map(templates / "ame_nu_peak_0.fits", 20 * ones, dtype=np.float64)
    nu = np.geomspace(1, 500, 400)
    np.savetxt(templates / "emissivity.txt", [nu, np.exp(-(np.log(nu / 30) ** 2))])
    q, u = pysm_sky("a2", 64, 0, Cache(tmp_path / "cache")).foregrounds(np.array([22.8]))[0]
    np.testing.assert_allclose(np.hypot(q, u), 0.02 * 10 * rj_to_cmb(22.8), rtol=1e-3)


def test_through_a_band_is_pysms(templates, sky, tmp_path):
    import pysm3
    import pysm3.units

    u: Any = pysm3.units

    nu = np.linspace(80.75, 109.25, 201)
    theirs = pysm3.Sky(nside=64, preset_strings=["d1", "s1"]).get_emission(nu * u.GHz)[1:].value
    theirs *= pysm3.bandpass_unit_conversion(nu * u.GHz, None, u.uK_CMB).value
    band = top_hat("95 GHz", 95.0, 0.3)
    ours = pysm_sky("d1s1", 64, 0, Cache(tmp_path / "cache")).model.through(band)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * theirs.std())
    np.testing.assert_allclose(ours, sky.model.through(band), rtol=1e-6, atol=1e-6 * ours.std())


def test_lines_of_co_are_seen_through_bands(templates, tmp_path):
    folder = templates.parent / "co"
    folder.mkdir()
    ones = np.ones(hp.nside2npix(8))
    for name, maps in {
        "HFI_CompMap_CO-Type1_512_R2.00_ring": [1e-4 * ones, 2e-4 * ones, 3e-4 * ones],
        "psimap_dust90_512": ones,
        "gmap_dust90_512": ones,
    }.items():
        hp.write_map(folder / f"{name}.fits", maps, dtype=np.float64, column_units="K_CMB")
    model = pysm_sky("co2", 8, 0, Cache(tmp_path / "cache")).model
    assert not model(np.array([115.0])).any()
    through = model.through(top_hat("119 GHz", 119.0, 0.3))
    narrower = model.through(top_hat("119 GHz", 119.0, 0.1))
    assert np.hypot(*through).min() > 0
    # a line is the same power over less width
    np.testing.assert_allclose(np.hypot(*narrower) / np.hypot(*through), 3.0, rtol=0.1)
    assert not model.through(top_hat("140 GHz", 140.0, 0.2)).any()


def test_missing_templates_of_co_are_named(offline, cache):
    with pytest.raises(ConfigError, match="co/HFI_CompMap_CO-Type1_512_R2.00_ring.fits"):
        pysm_sky("co3", 64, 0, cache)


def test_d1s1_is_our_formula(templates, sky, tmp_path):
    ours = pysm_sky("d1s1", 64, 0, Cache(tmp_path / "cache"))
    assert not ours.cmb.any()
    for name, value in sky.truth.items():
        np.testing.assert_allclose(ours.truth[name], value, rtol=1e-12)
    expected = sky.foregrounds(FREQUENCY)
    np.testing.assert_allclose(
        ours.foregrounds(FREQUENCY), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).min()
    )


def test_cr_is_our_cmb(templates, cache, sky, tmp_path):
    # the fixture `sky` has r = 0.01 and cmb_seed 1
    ours = pysm_sky("cr10d1s1", 64, 1, cache)
    np.testing.assert_allclose(ours.cmb, sky.cmb, rtol=1e-12)
    np.testing.assert_array_equal(ours.maps(FREQUENCY), ours.foregrounds(FREQUENCY) + ours.cmb)


def test_cr_alone_needs_no_template(offline, cache):
    sky = pysm_sky("cr3", 16, 0, cache)
    assert sky.cmb.std() > 0.1
    assert not sky.foregrounds(FREQUENCY).any()
    assert sky.truth == {}


def test_constant_indices_are_truth(templates, tmp_path):
    truth = pysm_sky("d0s0", 16, 0, Cache(tmp_path / "cache")).truth
    for name, value in (("beta_dust", 1.54), ("temp_dust", 20.0), ("beta_pl", -3.0)):
        np.testing.assert_allclose(truth[name], np.full(hp.nside2npix(16), value))


def test_other_laws_have_no_truth(templates, tmp_path):
    # s3 is curved: its index map does not describe its emission
    sky = pysm_sky("s3", 16, 0, Cache(tmp_path / "cache"))
    assert sky.truth == {}
    assert np.all(np.isfinite(sky.foregrounds(FREQUENCY)))


def test_random_decorrelation_is_reproducible(templates, tmp_path):
    sky = pysm_sky("d6", 16, 0, Cache(tmp_path / "one"))
    assert sky.truth == {}
    maps = sky.foregrounds(FREQUENCY)
    again = pysm_sky("d6", 16, 0, Cache(tmp_path / "two"))
    np.testing.assert_array_equal(again.foregrounds(FREQUENCY[1:]), maps[1:])
    plain = pysm_sky("d1", 16, 0, Cache(tmp_path / "one")).foregrounds(FREQUENCY)
    # none at its reference, 353 GHz; there PySM alone would fail
    np.testing.assert_allclose(maps[2], plain[2], rtol=1e-5)
    assert np.abs(maps[0] / plain[0] - 1).max() > 1e-4


def test_cached_until_a_template_changes(templates, tmp_path):
    cache = Cache(tmp_path / "cache")
    first = pysm_sky("d1s1", 16, 0, cache).foregrounds(FREQUENCY)
    count = len(list(cache.path.iterdir()))
    np.testing.assert_array_equal(pysm_sky("d1s1", 16, 0, cache).foregrounds(FREQUENCY), first)
    assert len(list(cache.path.iterdir())) == count
    path = templates / "dust_q_new.fits"
    doubled = 2 * hp.read_map(path, dtype=np.float64)
    hp.write_map(path, doubled, overwrite=True, dtype=np.float64)
    changed = pysm_sky("d1s1", 16, 0, cache).foregrounds(FREQUENCY)
    assert np.abs(changed[2, 0] - first[2, 0]).max() > 1
    np.testing.assert_array_equal(changed[:, 1], first[:, 1])


def test_missing_templates_are_named(offline, cache):
    with pytest.raises(ConfigError) as caught:
        pysm_sky("d1s1", 64, 0, cache)
    message = str(caught.value)
    assert "pysm_2/dust_q_new.fits" in message
    assert "pysm_2/synch_beta.fits" in message
    assert "PYSM_LOCAL_DATA" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("d12", "mkd_dust/2048/thermaldust_temp6.fits"),
        ("d10s7", "dust_gnilc/gnilc_dust_Td_nside2048_2023.06.06.fits"),
        ("d4", "pysm_2/dust2comp_temp2_ns512.fits"),
        ("d7", "pysm_2/car_1.0.dat"),
        ("c1", "pysm_2/camb_lenspotentialCls.dat"),
    ],
)
def test_missing_templates_of_other_models(offline, cache, tag, name):
    with pytest.raises(ConfigError) as caught:
        pysm_sky(tag, 64, 0, cache)
    assert name in str(caught.value)


def test_only_the_missing_one_is_named(templates, cache):
    (templates / "dust_temp.fits").unlink()
    with pytest.raises(ConfigError, match="PySM templates pysm_2/dust_temp.fits are not"):
        pysm_sky("d1s1", 64, 0, cache)


def test_pysm_cmb_leaves_the_global_state(templates, tmp_path):
    ell = np.arange(2, 400)
    # lensing potential file: l, TT, EE, BB, TE, PP, TP, EP, as CAMB writes it
    columns = [ell, *(np.ones((4, ell.size)) * [[1e3], [1.0], [1e-3], [0.0]])]
    columns += [1e-7 / ell, 0 * ell, 0 * ell]
    np.savetxt(templates / "camb_lenspotentialCls.dat", np.transpose(columns))
    np.savetxt(templates / "delens_ells.txt", np.transpose([ell, 0 * ell + 1]))
    np.random.seed(3)
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    sky = pysm_sky("c1d1s1", 16, 0, Cache(tmp_path / "cache"))
    np.testing.assert_array_equal(before, np.random.get_state(legacy=False)["state"]["key"])
    assert np.all(np.isfinite(sky.cmb))
    assert sky.cmb.std() > 0.1
    again = pysm_sky("c1d1s1", 16, 0, Cache(tmp_path / "other"))
    np.testing.assert_array_equal(sky.cmb, again.cmb)


def test_the_callers_kind_of_generator_does_not_matter(templates, tmp_path):
    sky = pysm_sky("d6", 16, 0, Cache(tmp_path / "usual")).foregrounds(FREQUENCY)
    shared: Any = np.random  # numpy's stubs lack two of its functions
    found = shared.get_bit_generator()
    shared.set_bit_generator(np.random.PCG64(1))
    try:
        before = shared.get_state(legacy=False)
        other = pysm_sky("d6", 16, 0, Cache(tmp_path / "other")).foregrounds(FREQUENCY)
        assert shared.get_state(legacy=False) == before
    finally:
        shared.set_bit_generator(found)
    np.testing.assert_array_equal(other, sky)


def test_pysm_not_installed(monkeypatch, cache):
    for name in [name for name in sys.modules if name.split(".")[0] == "pysm3"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pysm3", None)
    with pytest.raises(ConfigError, match=r"pip install -e '.*\[pysm\]'"):
        pysm_sky("d1s1", 8, 0, cache)
