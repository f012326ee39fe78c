"""`sweep-store`: what it says of a good store, of a damaged one, and of none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.cli.store import main
from sweep.statistics.summary import summary
from sweep.store import Store
from sweep.testing.small import grid, run

BIN = Path(sys.executable).parent


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """A copy that may be harmed, with brackets in its name, which are no markup."""
    path = tmp_path / "copy[bold].zarr"
    for ending in ("", ".sweep"):
        shutil.copytree(str(small_store) + ending, str(path) + ending)
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    main([str(w) for w in words])
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str | Path) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(w) for w in words])
    err = capsys.readouterr().err
    assert ended.value.code == code
    assert err.startswith("sweep-store: ")
    assert err.count("\n") == 1
    return err


def test_status_counts(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "status", store)
    assert f"{store}: 2 experiments in 1 segments\n" in out
    assert "units: 6 of 6 recorded, 0 missing" in out
    counted = sum(int(part.split()[0]) for part in out.split("fits: ")[1].split(";")[0].split(","))
    assert counted == 6
    assert "failed" not in out


def test_status_tells_failures_once_and_where_to_look(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sweep.worker as worker

    def failing(*_: object) -> None:
        raise OSError("planted [red]fault")

    with monkeypatch.context() as patch:
        patch.setattr(worker, "fit_experiment", failing)
        patch.setattr(worker, "PAUSE", 0.0)
        for _ in range(2):
            assert len(run(grid(store, "noise.ratio=3")).failed) == 2
    out = said(capsys, "status", store)
    assert "units: 6 of 8 recorded, 2 missing" in out
    times = 2 * 2 * worker.TRIES
    assert f"failed: {times} times, 2 units: OSError: planted [red]fault" in out
    assert f"tracebacks: {store}.sweep/logs" in out
    run(grid(store, "noise.ratio=3"))
    assert "failed" not in said(capsys, "status", store)


def test_summary_shows_what_statistics_say(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "summary", store)
    for key in summary(sweep.open(store)).index:
        assert key in out
    assert "noise\n" not in out
    assert "solver=scipy_tnc" in out
    assert "copy[bold].zarr" in out


def test_summary_json_is_the_statistics_to_the_last_digit(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads(said(capsys, "summary", store, "--json"))
    table = summary(sweep.open(store)).reset_index()
    assert [set(row) for row in rows] == [set(table.columns)] * 2
    for row, (_, expected) in zip(rows, table.iterrows(), strict=True):
        for column in table.columns:
            if row[column] is None:
                assert np.isnan(expected[column]), column
            else:
                assert row[column] == expected[column], column


def test_json_has_null_for_what_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(grid(tmp_path / "a.zarr", "noise.realisations=1"))
    (row,) = json.loads(said(capsys, "summary", tmp_path / "a.zarr", "--json"))
    assert row["cmb_variance_error"] is None
    assert row["cmb_variance"] > 0
    assert "± " not in said(capsys, "summary", tmp_path / "a.zarr").split("uK^2", 1)[1]


@pytest.mark.parametrize("reverse", [[], ["--reverse"]])
def test_summary_sorts(reverse: list[str], store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "summary", store, "--json", "--sort", "cmb_variance", *reverse)
    values = [row["cmb_variance"] for row in json.loads(out)]
    assert values == sorted(values, reverse=bool(reverse))
    ratios = [
        r["noise.ratio"] for r in json.loads(said(capsys, "summary", store, "--json", *reverse))
    ]
    assert ratios == ([2.0, 1.0] if reverse else [1.0, 2.0])


def test_best_ranks_and_cuts(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = summary(sweep.open(store))
    for metric in ("cmb_variance", "nll"):
        words = ("--json", "--top", "1", "--unconverged", "--metric", metric)
        main(["best", str(store), *words])
        out, err = capsys.readouterr()
        ranked = json.loads(out)
        assert "dust and synchrotron may have swapped roles" in err  # one cluster for all the sky
        assert [row["comparison_group"] for row in ranked] == ["noise.ratio=1", "noise.ratio=2"]
        assert sorted(row[metric] for row in ranked) == sorted(table[metric])
        assert [row["delta_to_best"] for row in ranked] == [0, 0]  # other noise is another group


def test_verify_is_clean_then_names_damage_and_only_that_is_redone(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, "verify", store)
    assert out.splitlines() == ["6 recorded units checked", "clean"]
    segment = next(iter(Store(store).segments.values()))
    unit = list(segment.units())[4]
    file = segment.chunk_file(unit, "cmb_variance")
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    with pytest.raises(SystemExit) as ended:
        main(["verify", str(store)])
    captured = capsys.readouterr()
    assert ended.value.code == 3
    assert f"damaged: unit {unit}: cmb_variance: hash" in captured.out
    assert captured.err == ("sweep-store: 1 damaged; run the sweep again to compute them anew\n")
    points = ["noise.ratio=1 noise.noiseless=true", "noise.ratio=2 noise.noiseless=true"]
    assert [o.task.unit for o in run(grid(store, *points)).outcomes] == [unit]
    assert file.read_bytes() == data
    assert "clean" in said(capsys, "verify", store)


def test_plot_writes_a_picture(
    store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = said(capsys, "plot", store, "--output", tmp_path / "a.png")
    assert f"written: {tmp_path / 'a.png'}" in out.replace("\n", "")
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert 10_000 < len(data) < 1_000_000
    said(capsys, "plot", store)
    assert (tmp_path / "copy[bold]-variance.png").is_file()


BAD = {
    "sort": (["summary", "--sort", "speed"], 2, "--sort speed: no such column; choose from"),
    "metric": (
        ["best", "--metric", "speed"],
        2,
        "unknown metric 'speed'; choose from cmb_variance",
    ),
    "top": (["best", "--top", "0"], 2, "--top 0: must be at least 1"),
    "picture": (["plot", "--output", "/none/a.png"], 2, "/none/a.png cannot be written"),
    "format": (["plot", "--output", "a.nonsense"], 2, "a.nonsense cannot be written"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_options_are_refused(
    case: str, small_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (command, *options), code, words = BAD[case]
    assert words in refused(capsys, code, command, small_store, *options)


@pytest.mark.parametrize("command", ["status", "summary", "best", "verify", "plot"])
def test_what_is_no_store_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such store" in refused(capsys, 3, command, tmp_path / "none.zarr")
    assert "not a sweep store" in refused(capsys, 3, command, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_only_published_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sweep.testing.contract import packages_of

    path = tmp_path / "a.zarr"
    packages_of(path, grid(path, "noise.ratio=1", "noise.ratio=2"))
    assert "units: 0 of 4 recorded, 4 missing" in said(capsys, "status", path)
    rows = json.loads(said(capsys, "summary", path, "--json"))
    assert [row["realisations"] for row in rows] == [0, 0]
    assert all(np.isnan(float("nan" if row["nll"] is None else row["nll"])) for row in rows)
    assert said(capsys, "summary", path)
    assert "no experiment has a usable fit" in refused(capsys, 2, "best", path)
    assert "nothing to plot" in refused(capsys, 2, "plot", path)


@pytest.mark.parametrize(
    "words",
    [
        ("export", "{store}", "s3://bucket/all.zarr"),
        ("plot", "{store}", "--output", "s3://bucket/a.png"),
        ("report", "{store}", "--output", "s3://bucket/a.html"),
        ("maps", "{store}", "0", "--output", "s3://bucket/a"),
        ("optimum", "{store}", "0", "--output", "s3://bucket/a.png"),
        ("import-furax-cs", "s3://bucket/runs", "{store}"),
        ("cache", "s3://bucket/cache"),
    ],
    ids=lambda words: words[0],
)
def test_an_address_is_no_place_for_results(
    words: tuple[str, ...],
    small_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, 2, *(word.format(store=small_store) for word in words))
    assert "= s3://bucket/" in said
    assert "is an address" in said
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_a_command_that_wants_one_says_so_and_others_go_on(
    small_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_home() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(
        "sweep.statistics.summary.summary", lambda _: Path.home()
    )  # as astropy's import
    assert "there is no home directory" in refused(capsys, 2, "summary", small_store)
    monkeypatch.delenv("SKYSWEEP_CACHE")
    assert "there is no home directory" in refused(capsys, 2, "cache")
    assert "6 of 6 recorded" in said(capsys, "status", small_store)


def test_a_pipe_is_not_cut_and_may_close_early(small_store: Path) -> None:
    program = BIN / "sweep-store"
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    done = subprocess.run(
        [program, "summary", small_store], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "±" in line]
    assert len(rows) == 3  # the heading, and one an experiment
    assert max(len(line.rstrip()) for line in rows) > 80
    assert "…" not in done.stdout
    for command, first in (
        (f"{program} summary {small_store} --json", "["),
        (f"{BIN}/sweep --help", "M"),
    ):
        closed = subprocess.run(
            f"{command} | head -c 1",
            shell=True,
            capture_output=True,
            text=True,
        )
        assert closed.stdout == first
        assert closed.stderr == ""
