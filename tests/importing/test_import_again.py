"""Imports that are repeated, go on, or mend what was damaged."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep
import sweep.importing.importer as importer
from sweep.errors import ConfigError
from sweep.importing.importer import Imported
from sweep.results import read_residuals
from sweep.store import Store, compact, verify
from tests.importing.folders import imported, write
from tests.small import listing

Files = dict[str, dict[str, Any]]


def test_again_adds_nothing(beside: Path, folder: Path, tmp_path: Path) -> None:
    assert imported(beside, folder) == Imported(folders=1, experiments=1, fits=3)
    before = listing(tmp_path)
    assert imported(beside, folder) == Imported(folders=1, experiments=1, fits=0)
    copy = shutil.copytree(folder, folder.with_name("another name"))
    assert imported(beside, folder, copy) == Imported(folders=2, experiments=1, fits=0)
    assert listing(tmp_path) - listing(copy) - before == {
        str(p.relative_to(tmp_path)) for p in (copy, *copy.iterdir())
    }


def test_a_systematic_residual_may_come_later(files: Files, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    assert imported(store, write(tmp_path / "a", files, W_D_FG_0=None)).fits == 2
    assert sweep.open(store)["realisation"].values.tolist() == [0, 1]
    assert imported(store, write(tmp_path / "b", files)).fits == 1
    ds = sweep.open(store)
    assert ds.sizes["experiment"] == 1
    assert ds["realisation"].values.tolist() == [-1, 0, 1]
    assert read_residuals(ds, 0).noiseless is not None


def test_a_killed_import_goes_on(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "a.zarr"
    folders = [
        write(tmp_path / name, files, NLL=np.full((1, 2), value))
        for name, value in (("a", -1.0), ("b", -2.0))
    ]
    written = importer.fit_arrays

    def killed(*given: Any) -> dict[str, np.ndarray]:
        if given[0].nll[0] == -2:
            raise KeyboardInterrupt
        return written(*given)

    with monkeypatch.context() as patch:
        patch.setattr(importer, "fit_arrays", killed)
        with pytest.raises(KeyboardInterrupt):
            imported(store, *folders)
    assert len(Store(store).pending_units()) == 1
    assert imported(store, *folders) == Imported(folders=2, experiments=2, fits=3)
    assert verify(store).clean
    np.testing.assert_array_equal(sweep.open(store)["nll"].values[:, 1], [-1, -2])
    assert not Store(store).pending_units()


def test_a_damaged_unit_is_written_again(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    imported(store, folder)
    (chunk,) = store.glob("segment-*/nll/c.0.0")
    chunk.write_bytes(b"")
    assert verify(store).retracted
    assert imported(store, folder).fits == 3
    assert verify(store).clean


def test_a_damaged_unit_of_several_experiments_needs_them_all(files: Files, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    one = write(tmp_path / "one", files)
    other = write(tmp_path / "other", files, NLL=np.full((1, 2), -1.0))
    imported(store, one, other)
    compact(store)
    (chunk,) = store.glob("segment-*/nll/c.0.0")
    chunk.write_bytes(b"")
    assert verify(store).retracted
    with pytest.raises(ConfigError, match="^other shares a damaged unit with these folders"):
        imported(store, one)
    assert imported(store, one, other) == Imported(folders=2, experiments=2, fits=6)
    assert verify(store).clean


def test_a_folder_that_changes_meanwhile_is_named(
    files: Files, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = importer.publish

    def changed(*given: Any) -> str:
        shutil.rmtree(folder)
        write(folder, files, NLL=np.full((1, 2), -1.0))
        return published(*given)

    monkeypatch.setattr(importer, "publish", changed)
    with pytest.raises(ConfigError, match="changed during the import: run the same command again"):
        imported(tmp_path / "a.zarr", folder)
