"""The SLURM engine on a played SLURM: what it submits, watches, and does about what went wrong."""

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from sweep.engines import ATTEMPTS, Engine, queue, script, submission
from sweep.engines.slurm import SlurmEngine, SlurmSettings
from sweep.errors import ConfigError
from sweep.store import Store
from sweep.testing.contract import EngineContract
from sweep.testing.played import PlayedSlurm
from sweep.testing.small import assert_same_results
from tests.engines.slurm import harms
from tests.engines.slurm.commands import GIVEN, QUICK, begun, killed, sweep, wrapper
from tests.engines.slurm.harms import listed, settings
from tests.engines.slurm.units import Record, published
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("played")


class TestJobs(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, played: PlayedSlurm) -> Engine:
        return SlurmEngine(settings(played))


def test_the_command_gives_what_any_engine_gives(tmp_path: Path, reference: Path) -> None:
    planned = sweep(tmp_path, *GIVEN, *QUICK, "plan=true")
    assert planned.returncode == 0, planned.stderr
    assert "slurm, 2 jobs of 1 workers in 1 arrays" in planned.stdout
    assert list(tmp_path.iterdir()) == []
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "8/8 units" in done.stderr
    records = Store(tmp_path / "a.zarr").records.values()
    assert {record.engine for found in records for record in found} == {"slurm"}
    assert_same_results(tmp_path / "a.zarr", reference, rtol=1e-10)
    assert re.search(r"^submitted 8 units in 2 jobs: \d+$", done.stderr, re.MULTILINE)
    assert not (tmp_path / "a.zarr.sweep" / "slurm").exists()  # nobody needs its files any more


def test_jobs_of_a_launch_killed_over_their_submission_never_start(
    tmp_path: Path, reference: Path, played: PlayedSlurm
) -> None:
    path = tmp_path / "a.zarr"
    answered = tmp_path / "answered"
    late = wrapper(tmp_path, f'"$real" "$@"\ntouch {answered}\nsleep 30\n')
    killed(tmp_path, answered.exists, PATH=late)
    held = harms.held(tmp_path)
    assert len(held) == 1
    (folder,) = (tmp_path / "a.zarr.sweep" / "slurm").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(listed(played)) == 2
    # submitit would have a job wait a minute for what it is to do, and fail
    assert not list((tmp_path / "a.zarr.sweep" / "slurm").glob("*/*/*submitted.pkl"))
    time.sleep(0.5)  # the scheduler looks every 50 ms
    waiting = played.command("squeue", "-h", "-o", "%t %r").stdout.split()
    assert waiting == ["PD", "JobHeldUser"]
    done = sweep(tmp_path, *GIVEN, *QUICK)
    assert done.returncode == 0, done.stderr
    line = f"jobs {held[0]} cancelled: their launch died before it let them start"
    assert line in done.stderr.splitlines()
    assert not listed(played)
    assert all(len(records) == 1 for records in Store(path).records.values())
    assert_same_results(path, reference, rtol=1e-10)
    assert list(submission.left_behind(path)) == []
    assert not folder.parent.exists()


def test_what_sbatch_is_asked(tmp_path: Path, played: PlayedSlurm) -> None:
    asked = {
        "partition": "spare",
        "account": "abc",
        "nodes": 2,
        "tasks_per_node": 2,
        "cpus_per_task": 1,
        "mem_gb": 1.5,
        "timeout_min": 90,
        "signal_delay_s": 60,
        "python": f"{tmp_path}/python",
        "setup": [
            "export GREETING=hello",
            f"printf '#!/bin/sh\\nexec {sys.executable} \"$@\"\\n' > {tmp_path}/python",
            f"chmod 755 {tmp_path}/python",
        ],
        "additional_parameters": {"mail-type": "END"},
        "array_parallelism": 2,
    }
    packages = published(tmp_path / "a.zarr", 6)
    engine = SlurmEngine(settings(played, **asked))
    assert engine.workers() == 8
    # each of four tasks of two elements takes its share, on a Python that the job itself makes
    assert sum(len(ended) for ended in engine.run(packages, Record())) == 6
    text = played.jobs[-1].asked.text
    lines = text.splitlines()
    options = dict(re.findall("^#SBATCH --([^=\n]+)=?(.*)$", text, re.MULTILINE))
    expected = {
        **{"partition": "spare", "account": "abc", "nodes": "2", "ntasks-per-node": "2"},
        **{"cpus-per-task": "1", "mem": "1536MB", "time": "90", "signal": "USR2@60"},
        **{"mail-type": "END", "hold": "", "array": "0-1%2", "job-name": "skysweep"},
    }
    assert expected.items() <= options.items()
    assert "export GREETING=hello" in lines
    (command,) = (line for line in lines if line.startswith("srun "))
    assert f" --cpus-per-task=1 {tmp_path}/python -u -m submitit" in command
    wrong = SlurmEngine(settings(played, additional_parameters={"no-such": 1}))
    told = "sbatch refused: .*unrecognized arguments: --no-such=1; nothing was submitted"
    with pytest.raises(ConfigError, match=told):
        next(iter(wrong.run(published(tmp_path / "b.zarr", 6), Record())))
    assert not list((tmp_path / "b.zarr.sweep").glob("slurm*"))


def test_what_cannot_be_had_is_refused_and_nothing_is_made(
    tmp_path: Path, played: PlayedSlurm
) -> None:
    done = sweep(tmp_path, *GIVEN, "hydra.launcher.mem_gb=100")
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    refused = "sbatch would refuse the jobs: "
    assert line.startswith(f"sweep: {refused}")
    assert line.endswith("Requested node configuration is not available; nothing was made")
    assert list(tmp_path.iterdir()) == []
    nowhere = SlurmEngine(settings(played, partition="nosuch"))
    with pytest.raises(ConfigError, match=f"^{refused}.*Invalid partition name specified"):
        nowhere.check(4)
    many = SlurmEngine(settings(played, nodes=9))
    with pytest.raises(ConfigError, match=f"^{refused}more nodes, or a longer time, than the "):
        many.check(4)
    assert listed(played) == []


def stop(slurm: PlayedSlurm, nodes: list[str]) -> None:
    """Take nodes away when nothing runs there: it would be put back."""
    until(lambda: not listed(slurm))
    for node in nodes:
        slurm.stop(node)


def test_jobs_that_wait_for_nodes_are_no_refusal_and_say_why_they_wait(
    tmp_path: Path, played: PlayedSlurm
) -> None:
    nodes = [f"slurmd-n{number}" for number in range(4)]
    packages = published(tmp_path / "a.zarr", 4)
    lines: list[str] = []
    stop(played, nodes)
    try:
        engine = SlurmEngine(settings(played))
        engine.check(4)  # though a test of sbatch finds no node
        assert listed(played) == []
        running = engine.run(packages, Record(), lines.append)
        waiting = Thread(target=lambda: list(running))
        waiting.start()
        until(lambda: len(lines) > 1)
    finally:
        for node in nodes:
            played.restart(node)
    waiting.join(240)
    (ids,) = re.findall("submitted 4 units in 2 jobs: (.*)", lines[0])
    assert lines[1:] == [f"jobs {ids}_0, {ids}_1 waiting: Resources"]


def test_a_job_that_slurm_gave_up_ends_the_launch(tmp_path: Path, played: PlayedSlurm) -> None:
    """As where its nodes were taken out of the cluster since it was looked at."""
    packages = published(tmp_path / "a.zarr", 4)
    engine = SlurmEngine(settings(played, mem_gb=100))
    told = r"jobs \d+_0, \d+_1 can never start, SLURM says BadConstraints: ask for less by "
    with pytest.raises(ConfigError, match=told):
        list(engine.run(packages, Record()))
    assert listed(played) == []
    assert not list((tmp_path / "a.zarr.sweep").glob("slurm*"))


def test_without_waiting_the_last_job_comes_after_all_others(
    tmp_path: Path, played: PlayedSlurm
) -> None:
    packages = published(tmp_path / "a.zarr", 4)
    more = {
        **{"gpus_per_node": 2, "gres": "gpu:2", "mem_gb": 3.0, "cpus_per_task": 2, "nodes": 2},
        "srun_args": ["--gpus-per-task=1", "--mpi=none"],
        "additional_parameters": {"mem_per_gpu": "1G", "mail-type": "END"},
    }
    engine = SlurmEngine(settings(played, wait=False, aggregate=True, **more))
    assert list(engine.run(packages, Record(60.0))) == []
    assert engine.detached is not None
    work, last = engine.detached.jobs
    assert engine.detached.units == 4
    assert len(listed(played)) == 3
    (after,) = (job.asked.text for job in played.jobs if job.name == last)
    assert f"--dependency=afterany:{work}\n" in after
    assert "--nodes=1\n" in after
    assert "mail-type=END" in after
    assert " --mpi=none " in after  # and nothing that only workers need
    assert not re.findall("gpu|gres|cpus", after)
    time.sleep(0.5)
    assert listed(played, "-t", "PD") == [last]
    queue.cancel([last, work])
    assert listed(played) == []
    list(submission.left_behind(tmp_path / "a.zarr"))


@pytest.mark.parametrize(
    "words", [["-c", "4"], ["-c4"], ["-n", "2", "-N2"], ["--cpus-per-task", "4"], ["--exclusive"]]
)
def test_what_srun_gives_to_workers_is_not_asked_for_the_last_job(
    words: list[str], tmp_path: Path
) -> None:
    asked = SlurmSettings(srun_args=["--mpi=none", *words, "--export", "ALL", "-u"])
    left = script.text(script.of_last(tmp_path, asked, ()), 1)
    (line,) = (line for line in left.splitlines() if line.startswith("srun "))
    assert " --mpi=none --export ALL -u " in line


def test_units_of_living_jobs_are_not_submitted_again(tmp_path: Path, played: PlayedSlurm) -> None:
    path = tmp_path / "a.zarr"
    packages = published(path, 6)
    first, second = (SlurmEngine(settings(played, wait=False)) for _ in range(2))
    lines: list[str] = []
    list(first.run(packages[:4], Record(1.0), lines.append))
    assert first.detached is not None
    (there,) = first.detached.jobs
    list(second.run(packages, Record(), lines.append))
    assert second.detached is not None
    assert (second.detached.units, second.detached.before) == (2, (there,))
    assert lines == [f"4 units are with jobs {there} in the queue: not submitted again"]
    third = SlurmEngine(settings(played))  # waits for what both have
    outcomes = [o for ended in third.run(packages, Record(), lines.append) for o in ended]
    assert [o.error for o in outcomes] == [None] * 6
    both = f"jobs {there}, {second.detached.jobs[0]} in the queue"
    assert lines[1] == f"6 units are with {both}: not submitted again"
    assert not [line for line in lines if line.startswith("submitted")]
    assert all(len(records) == 1 for records in Store(path).records.values())
    assert not (tmp_path / "a.zarr.sweep" / "slurm").exists()


def test_the_command_names_living_jobs_and_says_what_was_cancelled(
    tmp_path: Path, played: PlayedSlurm
) -> None:
    given = (*GIVEN, "hydra.launcher.array_parallelism=1", "hydra.launcher.wait=false")
    nodes = [f"slurmd-n{number}" for number in range(4)]
    stop(played, nodes)
    try:
        first, second = (sweep(tmp_path, *given) for _ in range(2))
        assert (first.returncode, second.returncode) == (0, 0)
        (job,) = re.findall(r"^submitted 8 of 8 units as jobs (\d+)$", first.stdout, re.MULTILINE)
        assert f"submitted 0 of 8 units; 8 are with jobs {job} already" in second.stdout
        assert listed(played) == [job]
        said = tmp_path / "said"
        with begun(tmp_path) as waiting:  # for the same jobs, until they are cancelled
            until(lambda: "waiting: Resources" in said.read_text())
            played.command("scancel", job)
            assert waiting.wait(240) == 4, said.read_text()
    finally:
        for node in nodes:
            played.restart(node)
    lines = said.read_text().splitlines()
    assert f"8 units are with jobs {job} in the queue: not submitted again" in lines
    assert f"job {job} ended (CANCELLED by 0), 8 units unfinished: left out" in lines
    assert lines[-1] == ("sweep: 8 units left out, of 8 missing; the same command computes them")


def test_a_launch_within_a_job_takes_nothing_of_it_along(
    tmp_path: Path, played: PlayedSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_job = {"SLURM_JOB_ID": "7", "SLURM_MEM_PER_CPU": "2500", "SLURM_NTASKS": "4"}
    for name, value in {**of_the_job, "SLURM_CONF": "kept", "CUDA_VISIBLE_DEVICES": "3"}.items():
        monkeypatch.setenv(name, value)
    packages = published(tmp_path / "a.zarr", 2)
    outcomes = list(SlurmEngine(settings(played, mem_gb=2)).run(packages, Record()))
    assert [o.error for ended in outcomes for o in ended] == [None, None]
    sent = {n: v for n, v in played.jobs[-1].env.items() if "SLURM" in n or "CUDA" in n}
    assert sent == {"SLURM_CONF": "kept"}
    assert os.environ["SLURM_MEM_PER_CPU"] == "2500"


def test_why_jobs_die_at_once_is_said(
    tmp_path: Path, played: PlayedSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "2500")  # as if it were set by hand
    packages = published(tmp_path / "a.zarr", 1)
    lines: list[str] = []
    engine = SlurmEngine(settings(played, mem_gb=2), late=0.5)
    ((outcome,),) = engine.run(packages, Record(), lines.append)
    why = "FAILED: SLURM_MEM_PER_CPU and SLURM_MEM_PER_NODE are mutually exclusive."
    assert outcome.error == f"its job ended {ATTEMPTS} times ({why})"
    told = [line.partition(" ended ")[2] for line in lines if " ended " in line]
    then = "they go into another job when the others have ended"
    assert told == [f"({why}), 1 units unfinished: {then}"] * 2 + [
        f"({why}), 1 units unfinished: given up"
    ]
    assert [line.partition(", attempt ")[2] for line in lines if "submitted" in line] == [
        *("", "2 of 3", "3 of 3")
    ]


def test_a_worker_with_fewer_cores_than_asked_is_said(tmp_path: Path, played: PlayedSlurm) -> None:
    packages = published(tmp_path / "a.zarr", 2)
    lines: list[str] = []
    asked = settings(played, cpus_per_task=2, srun_args=["--cpus-per-task=1"])
    list(SlurmEngine(asked).run(packages, Record(0.5), lines.append))
    (line,) = (line for line in lines if "cores" in line)
    assert re.fullmatch(
        r"job \d+_\d: a worker has 1 of the 2 cores of hydra.launcher.cpus_per_task, and computes "
        "on these: look at srun_args",
        line,
    )


@pytest.mark.parametrize("stop", ["close", "interrupt"])
def test_jobs_are_cancelled_with_the_launch(stop: str, tmp_path: Path, played: PlayedSlurm) -> None:
    packages = published(tmp_path / "a.zarr", 4)
    running = SlurmEngine(settings(played)).run(packages, Record(1.0))
    assert isinstance(running, Iterator)
    next(running)
    assert len(listed(played)) == 2
    if stop == "close":
        running.close()  # pyright: ignore[reportAttributeAccessIssue]
    else:
        with pytest.raises(KeyboardInterrupt):
            running.throw(KeyboardInterrupt())  # pyright: ignore[reportAttributeAccessIssue]
    assert listed(played) == []


def test_held_jobs_of_a_launch_on_another_host_are_named_and_left(
    tmp_path: Path, played: PlayedSlurm
) -> None:
    harms.held_elsewhere(played, tmp_path)


def test_of_a_submission_all_is_taken_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: PlayedSlurm
) -> None:
    body = (
        f"echo x >> {tmp_path}/calls\n"
        f"[ $(wc -l < {tmp_path}/calls) -eq 3 ] && echo 'error: quota' >&2 && exit 1\n"
        'exec "$real" "$@"\n'
    )
    monkeypatch.setenv("PATH", wrapper(tmp_path, body))
    monkeypatch.setattr(queue, "max_array_size", lambda: 1)
    packages = published(tmp_path / "a.zarr", 4)
    engine = SlurmEngine(settings(played, array_parallelism=4))
    with pytest.raises(ConfigError, match="sbatch refused: .*quota; nothing was submit") as told:
        next(iter(engine.run(packages, Record(60.0))))
    assert "\n" not in str(told.value)
    assert len((tmp_path / "calls").read_text()) == 6
    assert listed(played) == []
    assert not list((tmp_path / "a.zarr.sweep").glob("slurm*"))


@pytest.mark.parametrize("key", ["hold", "array", "cpus_per_task", "ntasks-per-node", "nodes"])
def test_what_a_launch_has_to_know_is_no_further_parameter(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^hydra.launcher.additional_parameters.{key}: "):
        SlurmEngine(SlurmSettings(additional_parameters={key: 1}))


def test_a_release_is_tried_again_and_what_is_refused_is_one_line(
    tmp_path: Path, played: PlayedSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "job.sh"
    file.write_text("#!/bin/sh\n")
    said = played.command("sbatch", "--hold", str(file)).stdout
    job = said.split()[-1]
    slept: list[float] = []

    def restart(seconds: float) -> None:
        slept.append(seconds)
        played.restart("slurmctld")

    monkeypatch.setattr("sweep.engines.queue.time.sleep", restart)
    played.stop("slurmctld")
    queue.release([job])
    assert slept == [1.0]
    with pytest.raises(ConfigError, match="scontrol release 7 refused: .*Invalid job id") as told:
        queue.release(["7"])
    assert "\n" not in str(told.value)
    assert len(slept) == 4


def test_no_sbatch_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="^hydra/launcher=slurm: there is no sbatch here; run it"):
        SlurmEngine(SlurmSettings())
