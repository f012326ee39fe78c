"""Faults done for real to the real commands, at random times, and what the store is afterwards.

`SKYSWEEP_FAULTS_SEED=7 python -m benchmarks faults` repeats the times of an earlier run. Rows whose
engine is not there, and the full disk without root, are left out with a line.
"""

import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.disturbed import (
    BIN,
    FITS,
    LOCAL,
    NUMBERS,
    Command,
    Row,
    Scene,
    Surprise,
    expect,
    journals,
    kill_one,
    lines,
    new_row,
    until,
    values,
)
from benchmarks.record import keep
from benchmarks.store_faults import at_once, chunks, compaction, full_disk, zombie
from sweep.store import Store
from sweep.testing.cluster import Cluster, missing

SLURM = (
    "hydra/launcher=slurm",
    "hydra.launcher.poll_s=0.5",
    "hydra.launcher.array_parallelism=2",
    "hydra.launcher.timeout_min=30",
)


def main() -> None:
    """Every fault on a store of its own; all must end as the run that nobody disturbed."""
    seed = int(os.environ.get("SKYSWEEP_FAULTS_SEED") or int.from_bytes(os.urandom(4), "big"))
    print("faults: seed", seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as name, _cluster() as cluster:
        folder = Path(name)
        env = os.environ | {"SKYSWEEP_CACHE": str(folder / "cache")}
        env |= cluster.environment if cluster else {}
        with closing(Scene(folder, env, random.Random(seed))) as scene:
            rows, broken = _rows(scene, cluster)
    print(f"faults: {sum(row['injected'] for row in rows)} injected, seed {seed}")
    keep("faults", rows)
    if broken:
        raise Surprise("; ".join(broken))


def _rows(scene: Scene, cluster: Cluster | None) -> tuple[list[dict], list[str]]:
    """The table, and which promises were broken; that leaves out the rest of a fault."""
    undisturbed = new_row(scene, "none", "local", LOCAL)
    scene.finish(undisturbed, units=FITS)
    expected = values(undisturbed.path)
    faults = [
        _local(scene),
        chunks(scene, undisturbed),
        compaction(scene),
        at_once(scene),
        zombie(scene),
        full_disk(scene),
    ]
    if (BIN / "mpiexec").exists():
        faults.append(_mpi(scene))
    else:
        print("faults: no mpiexec here, its row is left out")
    if cluster:
        faults += [_jobs(scene, cluster), _slurm_launcher(scene, cluster)]
    rows, broken = [_judged(scene, undisturbed, expected)], []
    for fault in faults:
        try:
            with closing(fault) as made:  # pyright: ignore[reportArgumentType]
                for row in made:
                    rows.append(_judged(scene, row, expected))
                    print(f"faults: {row.engine}, {row.fault}: {row.injected} injected", flush=True)
        except Surprise as surprise:
            print("faults: broken promise:", surprise, flush=True)
            broken.append(str(surprise))
            scene.close()
    return rows, broken


def _judged(scene: Scene, row: Row, expected: dict[str, np.ndarray]) -> dict:
    """A row of the table.

    `recorded_twice` are units with more than one living record. `redone` are records beyond one
    a unit in all journals, living or taken back. What a fault interrupted has left no line: it is
    `in_flight`, at most one unit for each worker that was ended, and one for each torn record.
    """
    verify = scene.store("verify", row.path)
    clean = verify.wait() == 0
    found = values(row.path)
    # a number that is NaN in one of them only is not equal
    gaps = [np.abs(found[name] / expected[name] - 1) for name in NUMBERS]
    holes = [np.isnan(found[name]) != np.isnan(expected[name]) for name in NUMBERS]
    twice, ever = _recorded(row.path)
    a_unit = FITS // row.units
    return {
        "fault": row.fault,
        "engine": row.engine,
        "injected": row.injected,
        "launches": row.launches,
        "units": row.units - len(Store(row.path).pending_units()),
        "recorded_twice": twice // a_unit,
        "redone": ever // a_unit - row.units,
        "in_flight": row.in_flight,
        "verify": "clean" if clean else scene.last_line(verify),
        "statuses_equal": bool((found["status"] == expected["status"]).all()),
        "largest_difference": float("inf")
        if any(hole.any() for hole in holes)
        else float(max(np.nanmax(gap) for gap in gaps)),
        "error": row.error,
    }


def _recorded(path: Path) -> tuple[int, int]:
    """Fits with more than one living record, and fits of all records that the journals hold."""
    store = Store(path)
    living: Counter[tuple[str, int]] = Counter()
    for unit, records in store.records.items():
        segment = store.segments[unit.segment]
        rows, columns = segment.layout.slices(unit)
        for identity in segment.identities[rows]:
            for realisation in segment.realisations[columns]:
                living[identity, realisation] += len(records)
    ever = 0
    for line in (line for file in journals(path) for line in file.read_text().splitlines(True)):
        if '"kind":"done"' in line and line.endswith("}\n"):
            ever += sum(json.loads(line)["statuses"].values())
    return sum(count > 1 for count in living.values()), ever


def _kill_launcher(command: Command) -> bool:
    command.kill()
    return True


def _local(scene: Scene) -> Iterator[Row]:
    row = new_row(scene, "kill -9 of the launch", "local", LOCAL)
    scene.disturb(row, 10, _kill_launcher, cost=2, least=0)
    yield row
    words = (*LOCAL, "fit.experiments=4")
    row = new_row(scene, "the same, 4 fits a unit", "local", words, units=FITS // 4)
    scene.disturb(row, 5, _kill_launcher, cost=2, least=0)
    yield row
    row = new_row(scene, "kill -9 of a worker", "local", LOCAL)
    # the pool ends all its workers with the one that dies
    scene.disturb(row, 8, lambda command: kill_one(scene, command.workers()), cost=2)
    expect(row.launches == 1, "a launch did not go on by itself without a worker")
    yield row


def _mpi(scene: Scene) -> Iterator[Row]:
    def kill_rank(command: Command) -> bool:
        killed = kill_one(scene, command.ranks())
        expect(not killed or command.wait() != 0, "mpiexec ended well without a rank")
        return killed

    row = new_row(scene, "kill -9 of a rank", "mpi", ("hydra/launcher=mpi",))
    scene.disturb(row, 6, kill_rank, cost=2)
    yield row


def _jobs(scene: Scene, cluster: Cluster) -> Iterator[Row]:
    def scancel(_: Command) -> bool:
        return _to_a_job(scene, cluster, "scancel")

    def requeue(_: Command) -> bool:
        return _to_a_job(scene, cluster, "scontrol", "requeue") and _hurried(cluster)

    def kill_step(_: Command) -> bool:
        return kill_one(scene, _steps(cluster))

    for fault, harm, count in (
        ("scancel", scancel, 4),
        ("kill -9 of a job's step", kill_step, 4),
        ("scontrol requeue", requeue, 4),
    ):
        row = new_row(scene, fault, "slurm", SLURM)
        scene.disturb(row, count, harm, cost=1)
        yield row


def _slurm_launcher(scene: Scene, cluster: Cluster) -> Iterator[Row]:
    def queued() -> list[str]:
        return _jobs_in(cluster, "R,PD,CG")

    row = new_row(scene, "kill -9 of the launch, jobs finish", "slurm", SLURM)
    command = scene.launch(row)
    until(lambda: lines(row.path) > scene.rng.randint(0, FITS // 2), "units are recorded")
    command.kill()
    row.injected += 1
    at_least = lines(row.path)
    said = _status(scene, row.path)
    expect(at_least <= said["units_done"] <= lines(row.path), f"status said {said}")
    until(lambda: not queued(), "the jobs have ended")
    said = _status(scene, row.path)
    expect((said["units_done"], said["units_missing"]) == (FITS, 0), f"status said {said}")
    scene.finish(row, units=0)
    yield row
    row = new_row(scene, "the same, launched again at once", "slurm", SLURM)
    scene.disturb(row, 2, _kill_launcher, cost=0)
    until(lambda: not queued(), "the jobs have ended")
    yield row


def _status(scene: Scene, path: Path) -> dict:
    command = scene.store("status", path, "--json")
    expect(command.wait() == 0, command.said)
    return json.loads(command.said)


def _jobs_in(cluster: Cluster, states: str) -> list[str]:
    return cluster.command("squeue", "-h", "-r", "-t", states, "-o", "%i").stdout.split()


def _to_a_job(scene: Scene, cluster: Cluster, *command: str) -> bool:
    running = _jobs_in(cluster, "R")
    return bool(running) and cluster.command(*command, scene.rng.choice(running)).returncode == 0


def _hurried(cluster: Cluster) -> bool:
    """SLURM holds what is requeued back for two minutes."""
    for job in until(lambda: _jobs_in(cluster, "PD"), "the job is queued again"):
        cluster.command("scontrol", "update", f"JobId={job}", "StartTime=now")
    return True


def _steps(cluster: Cluster) -> list[psutil.Process]:
    """Workers of all jobs: virtual nodes are on this machine."""
    conf = cluster.environment["SLURM_CONF"]
    found = []
    for process in psutil.process_iter():
        try:
            if (
                "submitit.core._submit" in process.cmdline()
                and process.name() != "srun"
                and process.environ().get("SLURM_CONF") == conf
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def _cluster() -> Iterator[Cluster | None]:
    """A SLURM of four nodes on this machine, or None."""
    if reason := missing():
        print("faults: no rows of slurm:", reason)
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, Cluster(Path(name)) as cluster:
        yield cluster
