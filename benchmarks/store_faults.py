"""Faults of `faults` that concern the store, whatever the engine."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.disturbed import (
    FITS,
    LOCAL,
    Row,
    Scene,
    copied,
    expect,
    journals,
    lines,
    new_row,
    until,
    values,
)
from sweep.store import Store
from sweep.store.files import sidecar


def chunks(scene: Scene, undisturbed: Row) -> Iterator[Row]:
    """Damage at rest: verify names it, and nothing else is computed again."""
    yield _torn(scene, undisturbed)

    def flipped(data: bytes) -> bytes:
        bit = scene.rng.randrange(8 * len(data))
        return bytes(b ^ (1 << bit % 8) if i == bit // 8 else b for i, b in enumerate(data))

    kinds = (lambda data: data[: len(data) // 2], flipped, lambda data: b"", lambda data: None)
    yield _damaged(scene, undisturbed, kinds)


def _torn(scene: Scene, undisturbed: Row) -> Row:
    row = new_row(scene, "last line of a journal torn", "local", LOCAL)
    copied(undisturbed.path, row.path)
    for journal in journals(row.path):
        if not (data := journal.read_bytes()):
            continue
        start = data.rstrip(b"\n").rfind(b"\n") + 1
        journal.write_bytes(data[: scene.rng.randint(start + 1, len(data) - 1)])
        row.injected += 1
    row.in_flight = row.injected
    verify = scene.store("verify", row.path)
    expect(verify.wait() == 0, verify.said)
    expect(f"{row.injected} torn journal lines ignored" in verify.said, verify.said)
    scene.finish(row, units=row.injected)
    return row


def _damaged(
    scene: Scene, undisturbed: Row, kinds: tuple[Callable[[bytes], bytes | None], ...]
) -> Row:
    """Each kind of damage to two units."""
    fault = "chunk halved, bit flipped, emptied, deleted"
    row = new_row(scene, fault, "local", LOCAL)
    copied(undisturbed.path, row.path)
    store = Store(row.path)
    names = []
    for i, unit in enumerate(scene.rng.sample(store.units(), 2 * len(kinds))):
        segment = store.segments[unit.segment]
        name = scene.rng.choice(list(segment.layout.variables))
        file = segment.chunk_file(unit, name)
        data = kinds[i // 2](file.read_bytes())
        file.unlink()
        if data is not None:
            file.write_bytes(data)
        names.append(f"damaged: unit {unit}: {name}: ")
    row.injected = len(names)
    verify = scene.store("verify", row.path)
    expect(verify.wait() == 3, verify.said)
    expect(verify.said.count("damaged: unit") == len(names), verify.said)
    expect(all(name in verify.said for name in names), verify.said)
    row.error = scene.last_line(verify)
    scene.finish(row, units=len(names))
    return row


def compaction(scene: Scene) -> Iterator[Row]:
    """Killed at random times between its claim and its end; what is read never changes."""
    row = new_row(scene, "kill -9 of compact", "local", (*LOCAL, "noise.realisations=12"))
    scene.finish(row, units=FITS // 2)
    row.words = LOCAL
    scene.finish(row, units=FITS // 2)
    expect(len(Store(row.path).segments) == 2, "growth did not make a second segment")
    expected = values(row.path)
    whole = scene.folder / "whole.zarr"
    copied(row.path, whole)
    seconds = _seconds(scene, row.path)
    while row.injected < 12:
        copied(whole, row.path)
        while row.injected < 12 and _killed(scene, row.path, scene.rng.uniform(0, seconds)):
            row.injected += 1
            _expect_same(values(row.path), expected)
        seconds *= 0.9  # one ended before it was killed: the machine is less busy by now
    last = scene.store("compact", row.path)
    expect(last.wait() == 0, last.said)
    scene.finish(row, units=0)
    yield row


def _seconds(scene: Scene, path: Path) -> float:
    """How long a compaction holds its claim."""
    command = scene.store("compact", path)
    until(lambda: _claimed(path, command.process.pid), "compact has its claim")
    start = time.perf_counter()
    until(lambda: not command.running, "compact has ended")
    return time.perf_counter() - start


def _killed(scene: Scene, path: Path, after: float) -> bool:
    """Compact, and kill it so many seconds after its claim; false where it had ended by then."""
    command = scene.store("compact", path)
    until(lambda: _claimed(path, command.process.pid) or not command.running, "compact claims")
    time.sleep(after)
    if not command.running:
        expect(command.wait() == 0, command.said)
        return False
    command.kill()
    return True


def _claimed(path: Path, pid: int) -> bool:
    try:
        return any(
            json.loads(file.read_text())["pid"] == pid
            for file in sidecar(path).glob("*-compact.claim")
        )
    except FileNotFoundError:
        return False


def at_once(scene: Scene) -> Iterator[Row]:
    """Two launches of one command, which neither know of each other nor wait."""
    row = new_row(scene, "two launches at once", "local", LOCAL)
    first = scene.launch(row)
    time.sleep(scene.rng.uniform(0, 0.5))
    second = scene.launch(row)
    expect(first.wait() == 0, first.said)
    expect(second.wait() == 0, second.said)
    row.injected = 1
    yield row


def zombie(scene: Scene) -> Iterator[Row]:
    """Stopped workers go on when another launch has computed their units; nothing read changes."""
    row = new_row(scene, "zombies: SIGSTOP, SIGCONT", "local", LOCAL)
    first = scene.launch(row)
    goal = scene.rng.randint(FITS // 2, FITS - 16)
    until(lambda: lines(row.path) >= goal, "half is recorded")
    time.sleep(scene.rng.uniform(0, 0.3))
    stopped = first.workers()
    for process in stopped:
        process.suspend()
    row.injected = len(stopped)
    scene.finish(row)
    before = values(row.path)
    records = lines(row.path)
    for process in stopped:
        process.resume()
    expect(first.wait() == 0, first.said)
    expect(lines(row.path) > records, "no zombie was late")
    _expect_same(values(row.path), before)
    yield row


def full_disk(scene: Scene) -> Iterator[Row]:
    """A file system that fills up, and is then made larger; needs root."""
    disk = scene.folder / "disk"
    disk.mkdir()
    row = new_row(scene, "full disk", "local", (*LOCAL, "fail_fast=true"))
    row.path = disk / "a.zarr"
    size = scene.rng.randint(2000, 4000)
    mounted = _mount("-t", "tmpfs", "-o", f"size={size}k", "none", disk)
    if mounted.returncode != 0:
        print("faults: the full disk is left out:", mounted.stderr.strip())
        return
    try:
        command = scene.launch(row)
        # 4 where a unit is what failed last, 3 where it is the seal of the store
        expect(command.wait() in (3, 4), f"a full disk: {command.said}")
        row.error = scene.last_line(command)
        expect("full" in row.error and "Traceback" not in command.said, command.said)
        row.injected = 1
        _mount("-o", "remount,size=64m", disk).check_returncode()
        scene.finish(row)
        yield row
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def _mount(*words: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(["mount", *words], capture_output=True, text=True, check=False)


def _expect_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, numbers in expected.items():
        expect(np.array_equal(found[name], numbers, equal_nan=True), f"{name} has changed")
