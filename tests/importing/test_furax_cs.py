"""Reading result folders: the layouts that there are, and what cannot be used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.errors import ConfigError
from sweep.importing.furax_cs import read_folder
from tests.importing.folders import NAME, write
from tests.problems import PARAMETERS

Files = dict[str, dict[str, Any]]


def results(files: Files) -> dict[str, Any]:
    return files["results.npz"]


def test_a_run_is_what_was_kept(files: Files, tmp_path: Path) -> None:
    (run,) = read_folder(write(tmp_path / NAME, files))
    np.testing.assert_array_equal(run.mask.keep, files["mask.npy"][""])
    np.testing.assert_array_equal(run.truth, files["best_params.npz"]["I_CMB"])
    np.testing.assert_array_equal(run.cmb, results(files)["CMB_O"][0])
    np.testing.assert_array_equal(run.nll, results(files)["NLL"][0])
    np.testing.assert_array_equal(run.iterations, results(files)["iter_num"][0])
    np.testing.assert_array_equal(run.systematic, results(files)["W_D_FG_0"])
    for p in PARAMETERS:
        np.testing.assert_array_equal(run.params[p], results(files)[p][0])
    assert run.config["imported.from"] == NAME
    assert run.config["sky.nside"] == 8
    assert run.config["solver.name"] == "adabk0"
    assert [run.config[f"clusters.{p}"] for p in PARAMETERS] == [2, 1, 1]
    assert "imported.point" not in run.config


def test_names_that_tell_nothing_are_no_obstacle(files: Files, tmp_path: Path) -> None:
    (run,) = read_folder(write(tmp_path / "mine", files))
    assert run.config["solver.name"] == run.config["clusters.name"] == "furax_cs"
    assert run.config["clusters.beta_dust"] == 2
    assert not {"mask.expression", "noise.ratio", "sky.tag"} & run.config.keys()


def test_optional_arrays_may_be_missing(files: Files, tmp_path: Path) -> None:
    without = {f"{p}_patches": None for p in PARAMETERS} | {"W_D_FG_0": None, "iter_num": None}
    (run,) = read_folder(write(tmp_path / NAME, files, **without))
    assert run.systematic is None
    assert run.iterations.tolist() == [-1, -1]
    np.testing.assert_array_equal(run.params["beta_dust"], results(files)["beta_dust"][0])


def test_older_runs_have_no_axis_of_points(files: Files, tmp_path: Path) -> None:
    flat = {name: v if "W_D" in name else v[0] for name, v in results(files).items()}
    (old,) = read_folder(write(tmp_path / "old", files, **flat))
    (new,) = read_folder(write(tmp_path / "new", files))
    assert old.identity == new.identity
    np.testing.assert_array_equal(old.iterations, new.iterations)


def grid_of_two(files: Files) -> dict[str, Any]:
    """Two points: the clusters of the run, then one cluster for all; arrays padded to three."""
    one = results(files)
    both = {k: np.concatenate([v, v]) for k, v in one.items() if k != "W_D_FG_0"}
    for p in PARAMETERS:
        gap = 3 - both[p].shape[2]
        both[p] = np.pad(both[p], ((0, 0), (0, 0), (0, gap)), constant_values=99.0)
        both[f"{p}_patches"][1] = 0
    both["CMB_O"][1] *= 1.5
    return both | {"W_D_FG_1": 2 * one["W_D_FG_0"], "W_D_FG_0": None}


@pytest.mark.parametrize("asked", [True, False])
def test_a_grid_search_holds_a_run_for_every_point(
    files: Files, tmp_path: Path, asked: bool
) -> None:
    both = grid_of_two(files)
    if asked:
        both["B_d_patches"] = np.array([2, 1])
    files = files | {"results.npz": both}
    first, second = read_folder(write(tmp_path / "grid", files))
    assert first.identity != second.identity
    assert [first.config["imported.point"], second.config["imported.point"]] == [0, 1]
    assert [r.config["clusters.beta_dust"] for r in (first, second)] == [2, 1]
    np.testing.assert_array_equal(first.params["beta_dust"], both["beta_dust"][0, :, :2])
    np.testing.assert_array_equal(second.params["beta_dust"], both["beta_dust"][1, :, :1])
    np.testing.assert_array_equal(second.cmb, both["CMB_O"][1])
    assert first.systematic is None
    np.testing.assert_array_equal(second.systematic, both["W_D_FG_1"])


def test_the_identity_is_that_of_the_results(files: Files, tmp_path: Path) -> None:
    def identity(name: str, **changes: Any) -> str:
        return read_folder(write(tmp_path / name, files, **changes))[0].identity

    same = identity("a")
    assert identity("b", W_D_FG_0=None, NOISED_D=None) == same
    changed = {
        "NLL": results(files)["NLL"] + 1,
        "CMB_O": results(files)["CMB_O"] * 1.1,
        "beta_dust": results(files)["beta_dust"] + 1e-3,
        "I_CMB": files["best_params.npz"]["I_CMB"] * 1.1,
        "mask": np.roll(files["mask.npy"][""], 1),
    }
    others = {identity(f"other {name}", **{name: value}) for name, value in changed.items()}
    assert len(others | {same}) == len(changed) + 1


def damaged(files: Files, name: str) -> dict[str, Any]:
    """Changes of a folder that make it useless, by what is wrong."""
    arrays = results(files)
    cmb, truth, keep = arrays["CMB_O"], files["best_params.npz"]["I_CMB"], files["mask.npy"][""]
    nan = truth.copy()
    nan[0, 3] = np.nan
    return {
        "no cmb": {"CMB_O": None},
        "no nll": {"NLL": None},
        "no parameter": {"temp_dust": None},
        "no truth": {"I_CMB": None},
        "pixels": {"CMB_O": cmb[..., :-1]},
        "stokes": {"CMB_O": cmb[:, :, :1]},
        "no fit": {"CMB_O": cmb[:, :0]},
        "fits": {"NLL": arrays["NLL"][:, :1]},
        "parameter": {"beta_pl": arrays["beta_pl"][0]},
        "truth": {"I_CMB": truth.T},
        "systematic": {"W_D_FG_0": truth[:1]},
        "labels": {"beta_dust_patches": arrays["beta_dust_patches"] + 1},
        "label axis": {"beta_dust_patches": arrays["beta_dust_patches"][:, 1:]},
        "mask": {"mask": keep[:-1]},
        "mask nside": {"mask": np.ones(12 * 3**2)},
        "mask axes": {"mask": keep[None]},
        "empty mask": {"mask": np.zeros(768)},
        "nan mask": {"mask": np.where(keep, 1.0, np.nan)},
        "nan truth": {"I_CMB": nan},
        "text": {"NLL": np.full((1, 2), "low")},
    }[name]


REASONS = {
    "no cmb": r"results.npz: CMB_O is missing; the file has value, NLL, ",
    "no nll": "results.npz: NLL is missing",
    "no parameter": "results.npz: temp_dust is missing",
    "no truth": "best_params.npz: I_CMB is missing; the file has I_D, I_D_NOCMB",
    "pixels": r"CMB_O: expected shape \(point, realisation, 2, 154\) or .*, got \(1, 2, 2, 153\)",
    "stokes": r"CMB_O: expected shape .*, got \(1, 2, 1, 154\)",
    "no fit": r"CMB_O: expected shape .*, got \(1, 0, 2, 154\)",
    "fits": r"NLL: expected shape \(1, 2\), got \(1, 1\)",
    "parameter": r"beta_pl: expected shape \(1, 2, cluster\), got \(2, 1\)",
    "truth": r"best_params.npz: I_CMB: expected shape \(2, 154\), got \(154, 2\)",
    "systematic": r"W_D_FG_0: expected shape \(2, 154\), got \(1, 154\)",
    "labels": "beta_dust_patches: expected clusters from 0 to 1, since .* 2 values, got 1 to 2",
    "label axis": r"beta_dust_patches: expected shape \(1, 154\) or \(154,\), got \(1, 153\)",
    "mask": r"mask.npy: expected a HEALPix map, 12 nside\^2 pixels .*, got 767",
    "mask nside": r"mask.npy: expected a HEALPix map, .*, got 108",
    "mask axes": r"mask.npy: expected shape \(pixel,\), got \(1, 768\)",
    "empty mask": "keeps no pixel",
    "nan mask": "mask.npy: holds NaN; expected 1 where a pixel is kept",
    "nan truth": "best_params.npz: I_CMB holds NaN; expected the true CMB",
    "text": "NLL: expected real numbers, got <U3",
}


@pytest.mark.parametrize("wrong", REASONS)
def test_what_cannot_be_used_is_named(files: Files, tmp_path: Path, wrong: str) -> None:
    folder = write(tmp_path / NAME, files, **damaged(files, wrong))
    with pytest.raises(ConfigError, match=REASONS[wrong]) as raised:
        read_folder(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", ["results.npz", "best_params.npz", "mask.npy"])
def test_a_missing_file_is_named(files: Files, tmp_path: Path, missing: str) -> None:
    folder = write(tmp_path / NAME, files)
    (folder / missing).unlink()
    with pytest.raises(ConfigError, match=f"{missing} is missing; results of furax-cs are res"):
        read_folder(folder)


@pytest.mark.parametrize("broken", ["results.npz", "best_params.npz", "mask.npy"])
@pytest.mark.parametrize("how", ["halved", "emptied", "pickled", "other kind"])
def test_a_damaged_file_is_named(files: Files, tmp_path: Path, broken: str, how: str) -> None:
    folder = write(tmp_path / NAME, files)
    file = folder / broken
    if how == "halved":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif how == "emptied":
        file.write_bytes(b"")
    elif how == "pickled":
        objects = np.array([{"no": "array"}], dtype=object)
        np.savez(folder / "objects.npz", CMB_O=objects, I_CMB=objects)
        np.save(folder / "objects.npy", objects)
        (folder / f"objects{file.suffix}").replace(file)
    else:
        other = {"mask.npy": "results.npz"}.get(broken, "mask.npy")
        file.write_bytes((folder / other).read_bytes())
    with pytest.raises(ConfigError, match=f"{broken}: (cannot be read|expected an np)") as raised:
        read_folder(folder)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("file", "nothing"):
        with pytest.raises(ConfigError, match=f"{name}: there is no such folder"):
            read_folder(tmp_path / name)
