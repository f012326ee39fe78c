from dataclasses import replace
from pathlib import Path

import healpy as hp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.errors import ConfigError
from sweep.mask import GalacticMasks, Mask, parse_mask, read_masks

NSIDE = 8
NPIX = hp.nside2npix(NSIDE)


@pytest.fixture(scope="module")
def named():
    rng = np.random.default_rng(0)
    return {name: rng.random(NPIX) < 0.5 for name in ("A", "B", "C", "GAL060")}


def keep(expression, named):
    return parse_mask(expression, NSIDE, named).keep


def test_mask_pixels_and_fraction(named):
    mask = parse_mask("A", NSIDE, named)
    np.testing.assert_array_equal(mask.pixels, np.flatnonzero(named["A"]))
    assert mask.sky_fraction == named["A"].mean()
    with pytest.raises(ValueError, match="read-only"):
        mask.keep[0] = True


def test_algebra(named):
    a, b, c = named["A"], named["B"], named["C"]
    cases = {
        "A+B": a | b,
        "A-B": a & ~b,
        "A - B + C": (a & ~b) | c,
        "A+B-C": (a | b) & ~c,
        "A-(B+C)": a & ~b & ~c,
        "(A-B)+(C-(A-B))": (a & ~b) | c,
        "ALL-A": ~a,
        "ALL": np.ones(NPIX, bool),
        "ALL-GALACTIC": named["GAL060"],
    }
    for expression, expected in cases.items():
        np.testing.assert_array_equal(keep(expression, named), expected, err_msg=expression)


@given(st.lists(st.tuples(st.sampled_from("+-"), st.sampled_from("ABC")), max_size=6))
def test_left_to_right(steps):
    rng = np.random.default_rng(1)
    named = {name: rng.random(NPIX) < 0.6 for name in "ABC"}
    expected, text = named["A"], "A"
    for sign, name in steps:
        expected = expected | named[name] if sign == "+" else expected & ~named[name]
        text += sign + name
    if expected.any():
        np.testing.assert_array_equal(keep(text, named), expected)
    else:
        with pytest.raises(ConfigError, match="keeps no pixel"):
            keep(text, named)


def test_hemispheres(named):
    latitude = hp.pix2ang(NSIDE, np.arange(NPIX), lonlat=True)[1]
    np.testing.assert_array_equal(keep("ALL_U", named), latitude >= 0)
    np.testing.assert_array_equal(keep("A_L", named), named["A"] & (latitude < 0))
    np.testing.assert_array_equal(keep("A_U+A_L", named), named["A"])


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("A-A", "mask `A-A` keeps no pixel"),
        ("GAL06", "did you mean `GAL060`?.*Available: ALL, A, B, C, GAL060"),
        ("A-", "expected a name, got the end"),
        ("", "expected a name"),
        ("+A", r"expected a name, got `\+`"),
        ("A B", "unexpected `B`"),
        ("(A", "bracket is not closed"),
        ("A)", r"unexpected `\)`"),
        ("A*B", r"unexpected `\*`"),
        ("X_U", "unknown name `X`"),
    ],
)
def test_bad_expressions(named, expression, message):
    with pytest.raises(ConfigError, match=message):
        keep(expression, named)


def test_digest_is_of_the_content(named):
    assert parse_mask("A+B", NSIDE, named).digest == parse_mask("B+A", NSIDE, named).digest
    assert parse_mask("A", NSIDE, named).digest != parse_mask("B", NSIDE, named).digest


def test_size_of_a_mask():
    with pytest.raises(ConfigError, match="mask 768 pixels, map 3,072"):
        parse_mask("A", 16, {"A": np.ones(NPIX, bool)})
    with pytest.raises(ConfigError, match="mask 768 pixels, map 3,072"):
        Mask(16, np.ones(NPIX, bool), "A")


def test_read_npz(tmp_path, named):
    path = tmp_path / "masks.npz"
    np.savez(path, one=named["A"], two=named["B"].astype(float))
    masks = read_masks(path, NSIDE)
    assert set(masks) == {"one", "two"}
    np.testing.assert_array_equal(masks["one"], named["A"])
    np.testing.assert_array_equal(masks["two"], named["B"])


@pytest.mark.parametrize("dtype", [bool, np.float32, np.int32])
@pytest.mark.parametrize("nest", [False, True])
def test_read_fits(tmp_path, named, dtype, nest):
    path = tmp_path / "masks.fits"
    maps = [named["A"].astype(dtype), named["B"].astype(dtype)]
    written = [hp.reorder(m, r2n=True) for m in maps] if nest else maps
    hp.write_map(path, written, nest=nest, column_names=["one", "two"], dtype=dtype)
    masks = read_masks(path, NSIDE)
    np.testing.assert_array_equal(masks["one"], named["A"])
    np.testing.assert_array_equal(masks["two"], named["B"])


def test_bad_mask_files(tmp_path, named):
    path = tmp_path / "masks.npz"
    np.savez(path, one=np.where(named["A"], 0.5, 0.0))
    with pytest.raises(ConfigError, match=rf"^mask.path = {path}: mask `one`: value 0.5"):
        parse_mask("one", NSIDE, read_masks(path, NSIDE))
    np.savez(path, one=named["A"])
    with pytest.raises(ConfigError, match="mask 768 pixels, map 49,152"):
        parse_mask("one", 64, read_masks(path, 64))
    np.savez(path, one=np.array([object()] * NPIX))
    with pytest.raises(ConfigError, match="`one`: expected .* got Python objects"):
        parse_mask("one", NSIDE, read_masks(path, NSIDE))
    np.savez(path, one=0.5)
    with pytest.raises(ConfigError, match="holds no mask"):
        read_masks(path, NSIDE)
    path.write_bytes(b"not a zip")
    with pytest.raises(ConfigError, match="no readable"):
        read_masks(path, NSIDE)
    with pytest.raises(ConfigError, match="does not exist"):
        read_masks(tmp_path / "none.npz", NSIDE)


@pytest.mark.parametrize("other", ["counts", "objects", "another nside"])
def test_what_is_not_asked_for_is_not_judged(tmp_path, named, other):
    """Issue 17, point 5: hit counts beside the mask made it unusable."""
    path = tmp_path / "masks.npz"
    counts = {
        "counts": np.arange(NPIX) * 37.5,
        "objects": np.array([{}, {}]),
        "another nside": np.ones(12),
    }[other]
    np.savez(path, mask=named["A"], hits=counts)
    masks = read_masks(path, NSIDE)
    np.testing.assert_array_equal(parse_mask("mask", NSIDE, masks).keep, named["A"])
    with pytest.raises(ConfigError, match=r"`hits`"):
        parse_mask("mask-hits", NSIDE, masks)
    with pytest.raises(ConfigError, match="Available: ALL, hits, mask"):
        parse_mask("nothing", NSIDE, masks)


def test_a_value_near_one_is_written_as_it_is(named):
    near = np.where(named["A"], np.float32(0.99999994), np.float32(0))
    with pytest.raises(ConfigError, match="value 0.99999994 at pixel"):
        parse_mask("A", NSIDE, {"A": near})


@pytest.fixture(scope="module")
def galactic():
    latitude = np.abs(hp.pix2ang(32, np.arange(hp.nside2npix(32)), lonlat=True)[1])
    rng = np.random.default_rng(0)
    return GalacticMasks(rng.exponential(1 / (0.05 + np.sin(np.radians(latitude)))))


def test_galactic_masks_nest_and_keep_their_share(galactic):
    previous = np.zeros(galactic.intensity.size, bool)
    for percent in range(1, 100):
        mask = galactic[f"GAL{percent:03d}"]
        assert abs(mask.mean() - percent / 100) <= 1 / mask.size
        assert np.all(mask[previous])
        previous = mask


def test_galactic_masks_avoid_the_plane(galactic):
    latitude = np.abs(hp.pix2ang(32, np.arange(galactic.intensity.size), lonlat=True)[1])
    assert not galactic["GAL060"][latitude < 5].any()
    assert galactic["GAL060"][latitude > 60].mean() > 0.95


def test_galactic_masks_rank_bad_pixels_last(galactic):
    intensity = galactic.intensity.copy()
    pole = [0, 1, 2]
    intensity[pole] = [np.nan, np.inf, np.nan]
    masks = GalacticMasks(intensity)
    assert galactic["GAL060"][pole].all()
    assert not masks["GAL099"][pole].any()
    assert (masks["GAL060"] == galactic["GAL060"]).mean() > 0.99


def test_galactic_masks_in_expressions(galactic):
    ring = parse_mask("GAL060-GAL040", 32, galactic)
    assert abs(ring.sky_fraction - 0.2) < 1e-3
    with pytest.raises(ConfigError, match="did you mean `GAL060`") as caught:
        parse_mask("GAL60", 32, galactic)
    assert "GAL099" in str(caught.value)
    assert len(str(caught.value)) < 200
    for name in ("GAL000", "GAL100", "GAL120"):
        with pytest.raises(ConfigError, match="unknown name"):
            parse_mask(name, 32, galactic)


@pytest.mark.parametrize("nest", [False, True])
def test_a_mask_of_part_of_the_sky_keeps_none_of_the_rest(tmp_path: Path, nest: bool) -> None:
    keep = np.full(hp.nside2npix(16), hp.UNSEEN)
    keep[100:200], keep[150:160] = 1.0, 0.0
    given = hp.reorder(keep, r2n=True) if nest else keep
    hp.write_map(
        tmp_path / "m.fits", given, nest=nest, partial=True, column_names=["mine"], dtype=np.float32
    )
    found = read_masks(tmp_path / "m.fits", 16)["mine"]
    assert np.flatnonzero(found).tolist() == [*range(100, 150), *range(160, 200)]


def test_an_apodised_edge_falls_to_zero_over_its_width() -> None:
    nside, width = 64, 10.0
    theta = np.degrees(hp.pix2ang(nside, np.arange(hp.nside2npix(nside)))[0])
    cap = Mask(nside, theta < 50.0, "CAP")
    soft = replace(cap, apodisation=width)
    inside = 50.0 - theta[soft.pixels]  # to the first pixel that is not kept, up to a pixel
    resolution = np.degrees(hp.nside2resol(nside))
    assert (soft.weights[inside > width + resolution] == 1.0).all()
    assert soft.weights[inside < resolution / 2].max() < 0.01
    half = np.abs(inside - np.degrees(np.arccos(1 - (1 - np.cos(np.radians(width))) / 4))) < 0.3
    np.testing.assert_allclose(soft.weights[half], 0.5, atol=2 * resolution / width)
    assert soft.sky_fraction == pytest.approx(np.sum(soft.weights**2) / soft.keep.size)
    assert soft.sky_fraction < cap.sky_fraction == cap.keep.mean()
    assert (cap.weights == 1.0).all()
    assert soft.digest == cap.digest  # clusters are of the kept pixels


def test_a_sphere_has_no_edge_to_be_apodised() -> None:
    assert (Mask(8, np.ones(768, bool), "ALL", apodisation=5.0).weights == 1.0).all()
