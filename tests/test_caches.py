import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from sweep.cache import Cache
from sweep.cli.store import main

DAY = 86400.0


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Arrays, programs, what a kill left, and files of others; used 1, 2, ... days ago."""
    arrays, programs = tmp_path / "arrays", tmp_path / "programs"
    monkeypatch.setenv("SKYSWEEP_CACHE", str(arrays))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(programs))
    monkeypatch.setattr("sweep.cli.caches._downloads", lambda: tmp_path / "download")
    programs.mkdir()
    for number in range(3):
        Cache(arrays).get("kmeans", {"n": number}, lambda: {"a": np.zeros(1000)})
        program = programs / f"jit_fit-{number}-cache"
        program.write_bytes(bytes(500))
        (programs / f"jit_fit-{number}-atime").write_bytes(bytes(8))
    Cache(arrays).get("cmb-spectra", {}, lambda: {"a": np.zeros(10)})
    (arrays / f".kmeans-{'0' * 16}.{'1' * 32}.tmp").write_bytes(bytes(7))
    (arrays / "mine-of-others.npz").write_bytes(b"mine")
    (programs / ".lockfile").touch()
    now = time.time()
    for folder in (arrays, programs):
        for age, file in enumerate(sorted(folder.iterdir()), 1):
            os.utime(file, (now - age * DAY, now - age * DAY))
    return tmp_path


def held(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, tuple[int, int]], str]:
    """Entries and bytes by kind after a command, and what it says."""
    capsys.readouterr()
    main(["cache", "--json", *words])
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    return {row["kind"]: (row["entries"], row["bytes"]) for row in rows}, captured.err


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["cache", *words])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_it_shows_what_is_kept(caches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, said = held(capsys)
    assert said == ""
    assert {kind: count for kind, (count, _) in kept.items()} == {
        "kmeans": 3,
        "cmb-spectra": 1,
        "unfinished": 1,
        "compiled programs": 3,
    }
    assert kept["compiled programs"][1] == 3 * 508
    assert kept["kmeans"][1] > 3 * 8000
    main(["cache"])
    out = capsys.readouterr().out
    assert f"{caches / 'programs'}: 3 entries, 1.5 kB" in out
    assert "2.0 d ago" in out


def test_templates_of_pysm_are_shown_and_left_alone(
    caches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, address in (("1", "https://portal.nersc.gov/pysm-data/a.fits"), ("2", "https://b")):
        folder = caches / "download" / "url" / name
        folder.mkdir(parents=True)
        (folder / "contents").write_bytes(bytes(1000))
        (folder / "url").write_text(address)
    kept, said = held(capsys, "--prune", "--older", "0")
    assert kept["templates of PySM"] == (1, 1000 + 41)
    assert "left, as other programs share them: templates of PySM, 1 entries, 1.0 kB" in said
    assert len(list((caches / "download").rglob("contents"))) == 2


def test_pruning_by_age_removes_what_is_old_and_no_file_of_others(
    caches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, said = held(capsys, "--prune", "--older", "3.5")
    assert said.startswith("removed: 4 entries, ")
    # a program is as old as the last use that jax noted of it
    assert {kind: count for kind, (count, _) in kept.items()} == {
        "unfinished": 1,
        "cmb-spectra": 1,
        "kmeans": 1,
        "compiled programs": 1,
    }
    left = {file.name for folder in caches.iterdir() for file in folder.iterdir()}
    assert {"mine-of-others.npz", ".lockfile"} < left
    assert sum(name.endswith("-atime") for name in left) == 1


def test_pruning_by_size_removes_what_was_unused_longest(
    caches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, _ = held(capsys)
    most = sum(size for _, size in before.values()) - 1
    kept, said = held(capsys, "--prune", "--larger", str(most / 1e9))
    assert said.startswith("removed: 1 entries")
    assert kept["compiled programs"][0] == 2
    kept, _ = held(capsys, "--prune", "--larger", "0")
    assert kept == {}


def test_what_is_in_use_stays_and_what_is_gone_is_made_again(
    caches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = Cache(caches / "arrays")
    assert (arrays.get("kmeans", {"n": 1}, lambda: {"a": np.ones(1)})["a"] == 0).all()
    new = arrays.get("kmeans", {"n": 9}, lambda: {"a": np.ones(1)})
    kept, said = held(capsys, "--prune", "--older", "0")
    assert kept["kmeans"][0] in (1, 2)  # where the file system notes what is read, two
    assert "left, as used in the last 10 minutes: " in said
    assert (arrays.get("kmeans", {"n": 9}, lambda: {"a": np.zeros(1)})["a"] == new["a"]).all()
    assert arrays.get("kmeans", {"n": 0}, lambda: {"a": np.ones(1)})["a"] == 1


def test_what_makes_no_sense_is_refused(caches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--prune needs a bound" in refused(capsys, "--prune")
    assert "--older is a bound of --prune" in refused(capsys, "--older", "3")
    assert "--larger nan: must be at least 0" in refused(capsys, "--prune", "--larger", "nan")
    assert "s3://bucket/a: is an address" in refused(capsys, "s3://bucket/a")
    assert "cannot be read" in refused(capsys, str(caches / "arrays" / "mine-of-others.npz"))
    assert held(capsys, str(caches / "none"))[0].keys() == {"compiled programs"}
