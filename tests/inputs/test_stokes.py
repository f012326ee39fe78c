"""Q and U of files as experiments hand them out: names, units, order, a part of the sky."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from sweep.errors import ConfigError
from sweep.inputs.stokes import read_stokes
from sweep.units import rj_to_cmb

NSIDE = 16  # healpy writes no part of a sky below
NPIX = hp.nside2npix(NSIDE)
T, Q, U = np.random.default_rng(0).normal(size=(3, NPIX))
PART = np.arange(100, 900, 7)


def read(path: Path, **more: Any) -> np.ndarray:
    return read_stokes(path, "sky.path", NSIDE, 100.0, **more)


def table(path: Path, columns: Mapping[str, Any], unit: str = "uK_CMB", **cards: Any) -> Path:
    made = [fits.Column(n, "D", unit=unit, array=a) for n, a in columns.items()]
    hdu = fits.BinTableHDU.from_columns(made)
    hdu.header.update(cards)
    hdu.writeto(path)
    return path


@pytest.mark.parametrize(
    "names",
    [
        "I_STOKES Q_STOKES U_STOKES HITS",  # Planck
        "TEMPERATURE Q_POLARISATION U_POLARISATION N_OBS",  # WMAP, healpy
        "TEMPERATURE Q-POLARISATION U-POLARISATION weight",  # HEALPix of IDL and Fortran
        "T Q U TMASK",
        "i q u",
        "I_Stokes Q_Pol U_Pol",
        "A_PROBABILITY CMB_Q CMB_U Q_STOKES_INP U_STOKES_INP",
        "Q_POLARIZATION U_POLARIZATION",
    ],
)
def test_q_and_u_by_the_names_of_real_products(tmp_path: Path, names: str) -> None:
    columns = dict.fromkeys(names.split(), T)
    q = next(n for n in columns if n[0] in "Qq" or n == "CMB_Q")
    u = q.replace("Q", "U").replace("q", "u")
    path = table(tmp_path / "m.fits", columns | {q: Q, u: U})
    np.testing.assert_array_equal(read(path), [Q, U])


@pytest.mark.parametrize("count", [2, 3])
def test_columns_without_a_name(tmp_path: Path, count: int) -> None:
    path = table(tmp_path / "m.fits", dict(zip("abc", [T, Q, U][-count:], strict=False)))
    path.write_bytes(path.read_bytes().replace(b"TTYPE", b"XTYPE"))
    np.testing.assert_array_equal(read(path), [Q, U])


@pytest.mark.parametrize("maps", [[Q, U], [T, Q, U]])
@pytest.mark.parametrize("nest", [False, True])
def test_healpys_own_files(tmp_path: Path, maps: list[np.ndarray], nest: bool) -> None:
    given = [hp.reorder(m, r2n=True) for m in maps] if nest else maps
    path = tmp_path / "m.fits"
    hp.write_map(path, given, nest=nest, column_units="K_CMB", coord="G", dtype=np.float64)
    np.testing.assert_allclose(read(path), 1e6 * np.array([Q, U]), rtol=1e-15)


@pytest.mark.parametrize("nest", [False, True])
def test_a_part_of_the_sky(tmp_path: Path, nest: bool) -> None:
    seen = np.full((3, NPIX), hp.UNSEEN)
    seen[:, PART] = [T[PART], Q[PART], U[PART]]
    given = [hp.reorder(m, r2n=True) for m in seen] if nest else seen
    path = tmp_path / "m.fits"
    hp.write_map(path, given, nest=nest, partial=True, column_units="mK", dtype=np.float64)
    expected = np.full((2, NPIX), np.nan)
    expected[:, PART] = 1e3 * np.array([Q[PART], U[PART]])
    np.testing.assert_allclose(read(path), expected, rtol=1e-15)


@pytest.mark.parametrize("name", ["pixel", "PIXEL"])
def test_a_part_of_the_sky_of_npz(tmp_path: Path, name: str) -> None:
    order = PART[::-1]
    path = tmp_path / "m.npz"
    maps: dict[str, Any] = {"i": T[order], "q": Q[order], "u": U[order], name: order}
    np.savez(path, **maps, nside=NSIDE, unit="uK")
    expected = np.full((2, NPIX), np.nan)
    expected[:, PART] = [Q[PART], U[PART]]
    np.testing.assert_array_equal(read(path), expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nside": 3}, "lists pixels in `pixel`, and NSIDE is 3"),
        ({"pixel": PART + NPIX}, f"`pixel`: expected integers from 0 to {NPIX - 1}"),
        ({"pixel": PART - 1000}, "`pixel`: expected integers from 0"),
        ({"pixel": PART / 2}, "`pixel`: expected integers from 0"),
        ({"pixel": PART * 0}, "`pixel`: lists a pixel twice"),
        ({"q": Q[PART][1:]}, "`q`: .* pixels is no HEALPix size"),
    ],
)
def test_listed_pixels_that_are_none(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    given = {"q": Q[PART], "u": U[PART], "pixel": PART, "nside": NSIDE, "unit": "uK"}
    np.savez(tmp_path / "m.npz", **given | changes)
    with pytest.raises(ConfigError, match=said):
        read(tmp_path / "m.npz")


@pytest.mark.parametrize("maps", [np.stack([Q, U]), np.stack([T, Q, U])])
@pytest.mark.parametrize("nest", [False, True])
def test_one_array_of_npz(tmp_path: Path, maps: np.ndarray, nest: bool) -> None:
    given = np.stack([hp.reorder(m, r2n=True) for m in maps]) if nest else maps
    path = tmp_path / "m.npz"
    np.savez(path, maps=given, unit="uK_CMB", ordering="NESTED" if nest else "RING")
    np.testing.assert_array_equal(read(path), [Q, U])


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("K_CMB", 1e6),
        ("K", 1e6),
        ("mK", 1e3),
        ("uK_CMB", 1.0),
        ("K_RJ", 1e6 * float(rj_to_cmb(100.0))),
        ("MJy/sr", None),
    ],
)
@pytest.mark.parametrize("stated", [True, False])
def test_units_stated_or_said(tmp_path: Path, unit: str, factor: float, stated: bool) -> None:
    path = table(tmp_path / "m.fits", {"Q": Q, "U": U}, unit if stated else "unknown")
    found = read(path, unit=None if stated else unit)
    if factor is None:  # at 100 GHz 1 MJy/sr is 3255 uK_RJ: c^2 / (2 k nu^2)
        c, k = 299792458.0, 1.380649e-23
        factor = 1e6 * 1e-20 * c**2 / (2 * k * 1e22) * float(rj_to_cmb(100.0))
    np.testing.assert_allclose(found, factor * np.array([Q, U]), rtol=1e-6)


def test_without_a_unit_it_is_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path / "m.fits", {"Q": Q, "U": U}, "")
    with pytest.raises(ConfigError, match=rf"^sky.path = {path}: .* say it by sky.unit=K_CMB"):
        read(path)


def test_two_units_must_agree(tmp_path: Path) -> None:
    path = table(tmp_path / "m.fits", {"Q": Q, "U": U}, "K_CMB")
    np.testing.assert_array_equal(read(path, unit="K"), read(path))
    with pytest.raises(ConfigError, match="`Q` is in K_CMB, sky.unit = uK; leave sky.unit out"):
        read(path, unit="uK")


def test_iau_turns_u(tmp_path: Path) -> None:
    path = table(tmp_path / "m.fits", {"Q": Q, "U": U}, POLCCONV="IAU")
    np.testing.assert_array_equal(read(path), [Q, -U])


def test_the_first_table_that_has_them(tmp_path: Path) -> None:
    hits = fits.BinTableHDU.from_columns([fits.Column("HITS", "D", array=T)])
    hits.header["ORDERING"] = "NESTED"
    columns = [fits.Column(n, "D", unit="uK", array=a) for n, a in (("Q", Q), ("U", U))]
    maps = fits.BinTableHDU.from_columns(columns)
    fits.HDUList([fits.PrimaryHDU(), hits, maps]).writeto(tmp_path / "m.fits")
    np.testing.assert_array_equal(read(tmp_path / "m.fits"), [Q, U])


def test_other_names_are_asked_for_and_said(tmp_path: Path) -> None:
    path = table(tmp_path / "m.fits", {"A": Q, "B": U})
    with pytest.raises(ConfigError, match=r"no Q and U by name among A, B; .*sky.columns=\[Q,U\]"):
        read(path)
    np.testing.assert_array_equal(read(path, columns=["A", "B"]), [Q, U])
    both = table(tmp_path / "n.fits", {"Q": T, "U": T, "Q_STOKES": Q, "U_STOKES": U})
    with pytest.raises(ConfigError, match="has no one Q and one U by name among Q, U, Q_STOKES"):
        read(both)
    np.testing.assert_array_equal(read(both, columns=["Q_STOKES", "U_STOKES"]), [Q, U])


@pytest.mark.parametrize("nest", [False, True])
@pytest.mark.parametrize("suffix", [".fits", ".npz"])
def test_some_pixels_are_those_of_the_whole_map(tmp_path: Path, nest: bool, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    seen = Q.copy()
    seen[PART[3]] = hp.UNSEEN
    q, u = (hp.reorder(m, r2n=True) if nest else m for m in (seen, U))
    cards = {"ORDERING": "NESTED" if nest else "RING", "POLCCONV": "IAU"}
    if suffix == ".npz":
        np.savez(path, q=q, u=u, unit="K", **cards)  # pyright: ignore[reportArgumentType]
    else:
        table(path, {"q": q, "u": u}, "K", **cards)
    np.testing.assert_array_equal(read(path, pixels=PART), read(path)[:, PART])
    np.testing.assert_allclose(read(path)[0], np.where(seen < -1e30, np.nan, 1e6 * seen))
