"""`sweep-store status`: what is missing, what failed, how fast, who writes; and watching."""

import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from codecs import getincrementaldecoder
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.cli import status
from sweep.cli.store import main
from sweep.statistics.failures import failure_kinds, failure_lines
from sweep.statistics.progress import fit_rate, store_progress
from sweep.store import Failure, Record, Segment, Store, Unit, UnitWriter, WorkerInfo, publish
from tests.store.helpers import entry, fill, filled, make_spec, unit_arrays, write_unit

BIN = Path(sys.executable).parent
START = 1_700_000_000.0


def stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The writers' clock: set its only element."""
    now = [START]
    for module in ("records", "journal"):
        monkeypatch.setattr(f"sweep.store.{module}.now", lambda: stamp(now[0]))
    return now


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Four experiments of two solvers, two to a unit; 5 realisations in blocks of 2, 2 and 1."""
    path = tmp_path / "a.zarr"
    solvers = ("newton", "tnc", "newton", "tnc")
    experiments = tuple(entry(i, **{"solver.name": name}) for i, name in enumerate(solvers))
    publish(path, make_spec(experiments=experiments))
    return path


def worker(path: Path, number: int = 0, host: str = "node", device: str = "cpu") -> UnitWriter:
    return UnitWriter(path, WorkerInfo(f"{host}-{number}", host, device))


def write(writer: UnitWriter, unit: Unit, seconds: float = 1.0) -> None:
    arrays = unit_arrays(writer.segment(unit.segment), unit)
    writer.write(unit, arrays, seconds=seconds)


def raised(text: str) -> Exception:
    try:
        raise OSError(text)
    except OSError as error:
        return error


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    main(["status", *map(str, words)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def row(out: str, name: str) -> list[str]:
    (line,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
    return line.split()[1:]


def test_a_unit_counts_for_each_of_its_experiments(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = Store(store).units()
    write(worker(store), units[0], seconds=8.0)
    assert row(said(capsys, store), "newton") == ["2", "2", "8", "2"]
    worker(store).fail(units[-1], raised("planted"), 1)
    out = said(capsys, store)
    assert "units: 1 of 6 recorded, 5 missing" in out
    for solver in ("newton", "tnc"):  # the last unit has one realisation of each
        assert row(out, solver) == ["2", "2", "8", "1", "2"]
    progress = store_progress(Store(store))
    assert (progress.fits_done, progress.fits_missing) == (4, 16)
    assert sum(progress.statuses.values()) == 4


def test_groups_are_made_by_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    masks = [{"mask.expression": m} for m in ("GAL020", "GAL020", "GAL060 - GAL040")]
    publish(path, make_spec(experiments=tuple(entry(i, **m) for i, m in enumerate(masks))))
    groups = store_progress(Store(path)).groups
    assert [g.settings for g in groups] == [
        {"mask.expression": "GAL020"},
        {"mask.expression": "GAL060 - GAL040"},
    ]
    assert [(g.experiments, g.missing) for g in groups] == [(2, 10), (1, 5)]

    # more realisations of the first, and one that has no mask, of another solver
    more = (entry(0, **masks[0]), entry(9, **{"solver.name": "tnc"}))
    publish(path, make_spec(experiments=more, realisations=(10, 11)))
    groups = store_progress(Store(path)).groups
    assert [tuple(g.settings.items()) for g in groups] == [
        (("solver", "newton"), ("mask.expression", "GAL020")),
        (("solver", "newton"), ("mask.expression", "GAL060 - GAL040")),
        (("solver", "tnc"), ("mask.expression", "-")),
    ]
    assert [(g.experiments, g.missing) for g in groups] == [(2, 12), (1, 5), (1, 2)]


def test_without_differences_a_segment_is_a_group(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    publish(path, make_spec())
    fill(path)
    publish(path, make_spec(realisations=(7, 8)))
    done, missing = store_progress(Store(path)).groups
    assert {g.settings["segment"] for g in (done, missing)} == set(Store(path).segments)
    done, missing = sorted((done, missing), key=lambda g: g.missing)
    assert (done.done, done.missing) == (15, 0)
    assert done.seconds == pytest.approx(4 * 0.375 * 6 / 15)  # 6 units of 1.5 s
    assert (missing.done, missing.missing, missing.seconds) == (0, 6, None)


def failure(unit: int, message: str, **changes: Any) -> Failure:
    made = Failure(Unit("s", unit, 0), message, "Trace", 1, "w", "node", stamp(START + unit))
    return replace(made, **changes)


def test_messages_that_differ_only_in_numbers_are_one_kind() -> None:
    first, second, third = failure_kinds(
        [
            failure(0, "at 0x7fFa01: 16.5GB of 20GB, hash 280b9490f44a, 1e-3", host="b"),
            failure(2, "at 0x1: 3GB of 1.5GB, hash 1c6d7a2effff, -27", attempt=2, traceback="New"),
            failure(1, "at 0x2: 3GB of 2GB, hash 1c6d7a2e, 4"),
            failure(1, "at 0x2: 3GB of 2GB, hash 1c6d7a2e, 4"),
            failure(3, "no bed 10"),
            failure(4, "no bed 10"),
            failure(3, "no face"),
        ]
    )
    assert first.message == "at #: #GB of #GB, hash #, #"
    assert (first.times, first.units, first.attempt) == (4, 3, 2)
    assert (first.hosts, first.traceback) == (("b", "node"), "New")
    assert (second.message, second.times, second.units) == ("no bed 10", 2, 2)
    assert (third.message, third.times) == ("no face", 1)


def test_failures_are_told_until_their_units_are_done(
    store: Path, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    units = Store(store).units()
    for number, unit in enumerate(units[:2]):
        clock[0] = START + number
        worker(store, number, f"node{number}").fail(unit, raised(f"[red] disk {number}"), 1)
    worker(store).fail(units[2], raised("other"), 2)
    out = said(capsys, store)
    assert "failed: 2 times, 2 units: OSError: [red] disk # (attempt 1, on node0, node1)\n" in out
    assert "failed: 1 times, 1 units: OSError: other (attempt 2, on node)\n" in out
    assert f"tracebacks: {store}.sweep/logs" in out
    assert "poisoned" not in out
    assert "Traceback" not in out
    told = said(capsys, store, "--errors")
    assert told.startswith(out.split("tracebacks")[0])
    assert told.count("Traceback (most recent call last)") == 2
    assert "OSError: [red] disk 1\n" in told
    assert "OSError: [red] disk 0\n" not in told
    fill(store)
    assert "failed" not in said(capsys, store, "--errors")


def test_what_failed_at_the_last_attempt_is_poisoned(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = Store(store).units()
    for attempt in (1, 2, 3):
        worker(store).fail(units[1], raised("planted"), attempt)
    worker(store).fail(units[2], raised("planted"), 2)
    out = said(capsys, store)
    assert f"poisoned: 1 units failed at attempt 3 or later: {units[1]}\n" in out
    assert "(attempt 3, on node)" in out
    assert json.loads(said(capsys, store, "--json"))["poisoned"] == [str(units[1])]
    write(worker(store), units[1])
    out = said(capsys, store)
    assert "poisoned" not in out
    assert "failed: 1 times, 1 units" in out
    shown = [line for line in out.splitlines() if line.startswith("failed: ")]
    assert failure_lines(Store(store)) == shown


def test_workers_that_are_silent_for_long_are_stale(store: Path, clock: list[float]) -> None:
    units = Store(store).units()
    late, early = worker(store, 0, "b", "H100"), worker(store, 1, "b", "H100")
    other = worker(store, 0, "a")
    for unit, writer, moment in ((0, early, 0), (1, other, 10), (2, late, 200)):
        clock[0] = START + moment
        write(writer, units[unit], seconds=20.0)
    a, b = store_progress(Store(store), now=START + 305).places
    assert (a.host, a.device, a.workers, a.writing, a.stale) == ("a", "cpu", 1, 1, 0)
    assert (b.host, b.device, b.workers, b.writing, b.stale) == ("b", "H100", 2, 1, 1)
    assert (a.age, b.age) == (295.0, 105.0)
    assert (a.fits, b.fits) == (4, 6)
    # a unit may take longer than that: then so may a silence
    write(late, units[3], seconds=200.0)
    assert [p.stale for p in store_progress(Store(store), now=START + 305).places] == [0, 0]
    assert [p.stale for p in store_progress(Store(store), now=START + 805).places] == [1, 2]
    fill(store)
    finished = store_progress(Store(store), now=START + 90_000)
    assert [p.stale for p in finished.places if p.host in "ab"] == [0, 0]
    assert finished.eta is None


def test_workers_are_told_apart_by_engine(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    units = Store(store).units()
    for number, engine in enumerate(("local", "slurm", "slurm", "")):
        mine = UnitWriter(store, WorkerInfo(f"node-{number}", "node", "cpu", engine))
        write(mine, units[number])
    out = said(capsys, store)
    for words in ("(cpu, local): 1 writing, 4 fits", "(cpu, slurm): 2 writing, 6 fits"):
        assert f"workers on node {words}" in out
    assert "workers on node (cpu): 1 writing" in out
    # a journal of a version that did not record it
    for journal in (store.parent / "a.zarr.sweep" / "journal").iterdir():
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        old = [{k: v for k, v in line.items() if k != "engine"} for line in lines]
        journal.write_text("".join(json.dumps(line) + "\n" for line in old))
    (place,) = store_progress(Store(store)).places
    assert (place.engine, place.workers, Store(store).skipped_lines) == ("", 4, 0)


def test_stale_workers_are_shown_while_units_are_missing(
    store: Path, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    units = Store(store).units()
    write(worker(store), units[0])
    clock[0] = time.time()
    write(worker(store, 1), units[1])
    out = said(capsys, store)
    assert "workers on node (cpu): 1 writing, 1 stale, 8 fits, last " in out
    assert "fits left: about " in out
    for unit in units[2:]:
        write(worker(store, 1), unit)
    out = said(capsys, store)
    assert "workers on node (cpu): 2, 20 fits\n" in out
    assert " stale" not in out
    assert "fits left" not in out


def test_a_worker_of_this_host_that_is_dead_is_not_called_writing(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = socket.gethostname()
    for number, pid in enumerate((os.getpid(), dead.pid)):
        mine = UnitWriter(store, WorkerInfo(f"{here}-{pid}-0a1b2c3d", here, "cpu"))
        write(mine, Store(store).units()[number])
    assert f"workers on {here} (cpu): 1 writing, 1 stale, 8 fits, last " in said(capsys, store)
    for journal in (store.parent / "a.zarr.sweep" / "journal").glob(f"*{os.getpid()}*"):
        journal.unlink()
    out = said(capsys, store)
    assert f"workers on {here} (cpu): 0 writing, 1 stale" in out
    assert "fits left" not in out  # nobody is at it


def records(*ends: float, seconds: float = 10.0, fits: int = 5) -> list[Record]:
    return [
        Record("i", Unit("s", 0, 0), {}, {"stalled": fits}, seconds, "w", "n", "cpu", 1, stamp(end))
        for end in ends
    ]


def test_rate_is_that_of_the_last_records() -> None:
    assert fit_rate([]) is None
    assert fit_rate(records(0)) == pytest.approx(0.5)
    # one worker, then four that end at once: their first units count from their start
    assert fit_rate(records(0, 10, 20, 30)) == pytest.approx(0.5)
    assert fit_rate(records(0, 0, 0, 0)) == pytest.approx(2.0)
    assert fit_rate(records(*range(0, 100, 5))) == pytest.approx(1.0)
    # of a store that got faster, the last part; of one that was left alone, what followed
    slow, fast = range(0, 2000, 10), [2000 + 0.1 * n for n in range(10_000)]
    assert fit_rate(records(*slow, *fast)) == pytest.approx(50.0, rel=1e-3)
    assert fit_rate(records(*range(0, 100, 10), 9000, 9010, 9020)) == pytest.approx(0.5)
    assert fit_rate(records(*range(0, 30_000, 300), seconds=300)) == pytest.approx(1 / 60)
    # where units are long, 10 minutes hold too few of them
    long = records(*range(0, 24_001, 600), 24_100, seconds=600)
    assert fit_rate(long) == pytest.approx(5 * 41 / 24_100)


def test_time_left_follows_from_the_rate_while_somebody_writes(
    store: Path, clock: list[float]
) -> None:
    units = Store(store).units()
    assert store_progress(Store(store)).rate is None
    for unit in units[:2]:
        clock[0] += 10
        write(worker(store), unit, seconds=10.0)
    progress = store_progress(Store(store), now=clock[0] + 100)
    assert progress.rate == pytest.approx(0.4)
    assert progress.eta == pytest.approx(12 / 0.4)
    assert progress.age == pytest.approx(100)
    assert store_progress(Store(store), now=clock[0] + 301).eta is None
    # another machine's clock may be ahead of ours
    early = store_progress(Store(store), now=clock[0] - 100)
    assert early.age == 0
    assert [p.age for p in early.places] == [0]
    assert early.eta == progress.eta


def test_a_copy_has_no_rate_and_no_workers_before_somebody_writes(tmp_path: Path) -> None:
    from sweep.store import seal

    path, copy = filled(tmp_path / "a.zarr"), tmp_path / "b.zarr"
    seal(path)
    publish(path, make_spec(realisations=(7, 8)))
    shutil.copytree(path, copy)
    for _ in range(2):
        progress = store_progress(Store(copy))
        assert (progress.units_done, progress.units_missing) == (6, 2)
        assert (progress.rate, progress.age, progress.places) == (None, None, ())
        assert {g.seconds for g in progress.groups} == {None}
        worker(copy)  # takes over what the copy holds
    fill(copy, worker=WorkerInfo("new-0", "new", "cpu"))
    progress = store_progress(Store(copy))
    assert [(p.host, p.workers, p.fits) for p in progress.places] == [("new", 1, 6)]
    assert sum(progress.statuses.values()) == 21
    assert sorted(g.seconds or 0 for g in progress.groups) == [0, pytest.approx(0.5)]


def test_json_has_all_of_it(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    units = Store(store).units()
    write(worker(store), units[0])
    worker(store).fail(units[1], raised("planted"), 3)
    found = json.loads(said(capsys, store, "--json"))
    assert (found["path"], found["experiments"], found["segments"]) == (str(store), 4, 1)
    assert (found["units_done"], found["units_missing"]) == (1, 5)
    assert (found["fits_done"], found["fits_missing"]) == (4, 16)
    assert sum(found["statuses"].values()) == 4
    assert [g["settings"] for g in found["groups"]] == [{"solver": "newton"}, {"solver": "tnc"}]
    assert [(g["done"], g["missing"], g["failed"]) for g in found["groups"]] == [(2, 8, 2)] * 2
    (kind,) = found["failures"]
    assert (kind["message"], kind["times"], kind["hosts"]) == ("OSError: planted", 1, ["node"])
    assert kind["traceback"].startswith("Traceback")
    assert found["poisoned"] == [str(units[1])]
    assert found["rate"] == pytest.approx(4.0)
    assert found["eta"] == pytest.approx(4.0)
    (place,) = found["places"]
    assert (place["host"], place["device"], place["writing"]) == ("node", "cpu", 1)
    assert found["torn_lines"] == 0


def test_status_reads_no_chunk(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or watching would be as dear as the store is large."""

    def refuse(*_: object) -> None:
        raise AssertionError

    fill(store)
    monkeypatch.setattr(Segment, "read_chunk", refuse)
    assert store_progress(Store(store)).units_missing == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_watching_ends_when_the_last_unit_is_recorded(
    as_json: bool, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *most, last = Store(store).units()
    for unit in most:
        write_unit(worker(store), unit)
    looked = threading.Event()
    looks = status._looks

    def noted(*arguments: Any) -> Any:
        for number, progress in enumerate(looks(*arguments)):
            yield progress
            if number == 1:
                looked.set()

    def record_the_last() -> None:
        if looked.wait(30):
            write_unit(worker(store), last)

    thread = threading.Thread(target=record_the_last)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status, "_looks", noted)
        main(["status", str(store), "--watch", "0.05", *(["--json"] if as_json else [])])
    thread.join()
    out = capsys.readouterr().out
    if as_json:
        seen = [json.loads(line)["units_missing"] for line in out.splitlines()]
    else:
        seen = [int(part.split()[0]) for part in out.split("recorded, ")[1:]]
    assert seen[:2] == [1, 1]
    assert seen[-1] == 0
    assert 0 not in seen[:-1]


def test_watching_a_finished_store_looks_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = filled(tmp_path / "a.zarr")
    assert said(capsys, path, "--watch", "3600") == said(capsys, path)


def read_until(terminal: int, words: str, seen: str = "") -> str:
    """What a program writes to its terminal, up to `words`, its end, or a minute."""
    end, decoder = time.monotonic() + 60, getincrementaldecoder("utf-8")()
    while (
        words not in seen and select.select([terminal], [], [], max(end - time.monotonic(), 0))[0]
    ):
        try:
            seen += decoder.decode(os.read(terminal, 4096))  # it may end within a character
        except OSError:  # it has ended
            break
    return seen


def watching(path: Path) -> tuple[subprocess.Popen, int]:
    here, there = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"}
    command = [BIN / "sweep-store", "status", path, "--watch", "0.1"]
    # a shell in the background ignores Ctrl-C, and so would what it starts
    command = ["env", "--default-signal=INT", *command]
    program = subprocess.Popen(command, stdout=there, stderr=there, env=environment)
    os.close(there)
    return program, here


@pytest.mark.parametrize("ending", ["finished", "ctrl-c"])
def test_watching_in_a_terminal_ends_well(ending: str, store: Path) -> None:
    program, terminal = watching(store)
    try:
        seen = read_until(terminal, "6 missing")
        if ending == "finished":
            fill(store)
        else:
            program.send_signal(signal.SIGINT)
        seen = read_until(terminal, "\0", seen)
        assert program.wait(30) == 0
    finally:
        program.kill()
        os.close(terminal)
    assert "6 missing" in seen
    assert ("6 of 6 recorded, 0 missing" in seen) == (ending == "finished")
    assert "Traceback" not in seen
    assert seen.endswith("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize("watch", [[], ["--watch"], ["--watch", "--json"]])
def test_no_store_is_one_line(
    watch: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", str(tmp_path / "none.zarr"), *watch])
    err = capsys.readouterr().err
    assert ended.value.code == 3
    assert err.startswith("sweep-store: ")
    assert "no such store" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_wrong_interval_is_refused(
    seconds: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", str(store), f"--watch={seconds}"])
    assert ended.value.code == 2
    assert f"--watch {seconds}: expected seconds, above 0" in capsys.readouterr().err
