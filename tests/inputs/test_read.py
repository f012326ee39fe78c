"""Issue 17, point 5: what a header says is done, or refused by name."""

from pathlib import Path
from typing import Any

import healpy as hp
import numpy as np
import pytest
from astropy.io import fits

from sweep.errors import ConfigError
from sweep.inputs.columns import Columns
from sweep.inputs.read import read_columns

NSIDE = 4
Q, U = np.arange(192.0), np.arange(192.0)[::-1].copy()


def write(path: Path, q: np.ndarray, u: np.ndarray, **cards: Any) -> Path:
    """Both forms, with the same words: cards of FITS, texts of npz."""
    if path.suffix == ".npz":
        np.savez(path, q=q, u=u, **cards)
    else:
        columns = [fits.Column(name, "D", array=array) for name, array in (("q", q), ("u", u))]
        table = fits.BinTableHDU.from_columns(columns)
        table.header.update(cards)
        table.writeto(path)
    return path


@pytest.fixture(params=["maps.npz", "maps.fits", "maps.fits.gz", "maps"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def read(path: Path) -> Columns:
    return read_columns(path, "sky.path")


def polarised(path: Path) -> np.ndarray:
    return read(path).polarised("q", "u", NSIDE, "uK_CMB", None)


@pytest.mark.parametrize("word", ["RING", "ring", "Ring ", None])
def test_ring(path: Path, word: str | None) -> None:
    cards = {} if word is None else {"ORDERING": word}
    np.testing.assert_array_equal(polarised(write(path, Q, U, **cards)), [Q, U])


@pytest.mark.parametrize("word", ["NESTED", "Nested", "nest", " NEST"])
def test_nested_however_it_is_spelt(path: Path, word: str) -> None:
    nested = [hp.reorder(values, r2n=True) for values in (Q, U)]
    np.testing.assert_array_equal(polarised(write(path, *nested, ORDERING=word)), [Q, U])


def test_another_order_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^sky.path = {path}: ORDERING = NUNIQ, expected RING"):
        read(write(path, Q, U, ORDERING="NUNIQ"))


@pytest.mark.parametrize("word", ["G", "GALACTIC", "galactic", "gal", ""])
def test_galactic_coordinates(path: Path, word: str) -> None:
    np.testing.assert_array_equal(polarised(write(path, Q, U, COORDSYS=word)), [Q, U])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("C", r"C \(celestial\), .*coord='CG'"),
        ("Equatorial", r"EQUATORIAL \(celestial\)"),
        ("ICRS", r"ICRS \(celestial\)"),
        ("E", r"E \(ecliptic\), .*coord='EG'"),
        ("ecliptic", r"ECLIPTIC \(ecliptic\)"),
        ("local", "LOCAL, expected G"),
    ],
)
@pytest.mark.parametrize("key", ["COORDSYS", "SKYCOORD"])
def test_foreign_coordinates_are_refused_by_name(
    path: Path, key: str, word: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^sky.path = {path}: {key} = {said}"):
        read(write(path, Q, U, **{key: word}))


@pytest.mark.parametrize(("word", "sign"), [("COSMO", 1), ("cosmo", 1), ("IAU", -1), (" iau ", -1)])
def test_the_sign_of_u(path: Path, word: str, sign: int) -> None:
    np.testing.assert_array_equal(polarised(write(path, Q, U, POLCCONV=word)), [Q, sign * U])


def test_another_convention_is_refused_where_there_is_a_sign(path: Path) -> None:
    columns = read(write(path, Q, U, POLCCONV="WMAP"))
    np.testing.assert_array_equal(columns.map("q", NSIDE), Q)
    with pytest.raises(ConfigError, match="POLCCONV = WMAP, expected COSMO or IAU"):
        columns.polarised("q", "u", NSIDE, "uK_CMB", None)


def test_what_the_table_does_not_say_the_file_does(tmp_path: Path) -> None:
    path = write(tmp_path / "maps.fits", Q, U)
    fits.setval(path, "COORDSYS", value="E", ext=0)
    with pytest.raises(ConfigError, match="COORDSYS = E"):
        read(path)


@pytest.mark.parametrize("card", [{"INDXSCHM": "explicit"}, {"OBJECT": "Partial"}])
def test_a_part_of_the_sky_needs_its_pixels(tmp_path: Path, card: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="part of the sky without a column PIXEL"):
        read(write(tmp_path / "maps.fits", Q, U, **card))


def test_healpys_own_files(tmp_path: Path) -> None:
    path = tmp_path / "maps.fits"
    hp.write_map(path, [Q, U], nest=True, coord="G", column_names=["q", "u"], dtype=np.float64)
    ring = [hp.reorder(values, n2r=True) for values in (Q, U)]
    np.testing.assert_array_equal(polarised(path), ring)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"dust_q,dust_u\n1,2\n", "begins with b'dust_q'; write npz by numpy.savez or FITS"),
        (b"", "begins with b''"),
        (b"PK\x03\x04rest", "no readable npz or FITS file: .*; restore a copy"),
        (b"\x1f\x8brest", "no readable npz or FITS file: .*; restore a copy"),
        (b"SIMPLE  = T", "no readable npz or FITS file: .*; restore a copy|has no FITS table"),
    ],
)
@pytest.mark.parametrize("name", ["a.npz", "a.fits"])
def test_what_is_neither(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read(path)
    assert "pickle" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "maps.fits", Q, U)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ConfigError, match="no readable npz or FITS file: .*; restore a copy"):
        read(path)


def test_a_single_array_has_no_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", Q)
    with pytest.raises(ConfigError, match=r"single array; name it: numpy.savez\(path, NAME=array"):
        read(tmp_path / "a.npy")


def test_objects_are_refused_where_they_are_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", q=Q, about=np.array({"by": "me"}))
    columns = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(columns.map("q", NSIDE), Q)
    with pytest.raises(ConfigError, match="`about`: expected numbers, got Python objects"):
        columns.map("about", NSIDE)
