"""The played SLURM does what the real one does, as far as the engine knows it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.testing.played import PlayedSlurm
from tests.waiting import until


@pytest.fixture(scope="module")
def slurm() -> Iterator[PlayedSlurm]:
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as name,
        PlayedSlurm(Path(name), max_array=5, minute=1.0) as slurm,
    ):
        yield slurm
        assert not any(job.running for job in slurm.jobs)


def submitted(slurm: PlayedSlurm, script: str, *options: str) -> str:
    said = slurm.command("sbatch", *options, "--wrap", script)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("Submitted batch job ")
    return said.stdout.split()[-1]


def states(slurm: PlayedSlurm, job: str, *options: str) -> list[str]:
    said = slurm.command("sacct", "-n", "-X", "-P", *options, "-o", "JobID,State", "-j", job)
    return [line.split("|")[1] for line in said.stdout.splitlines()]


def ended(slurm: PlayedSlurm, job: str) -> list[str]:
    until(lambda: not slurm.command("squeue", "-h", "-j", job).stdout)
    return states(slurm, job)


def test_a_job_runs_where_it_was_submitted_and_its_end_is_told(slurm: PlayedSlurm) -> None:
    good = submitted(slurm, "echo $SLURM_JOB_ID; srun sh -c 'echo task $SLURM_PROCID'", "-N2")
    bad = submitted(slurm, "exit 3")
    assert (ended(slurm, good), ended(slurm, bad)) == (["COMPLETED"], ["FAILED"])
    said = (slurm.folder / f"slurm-{good}.out").read_text().splitlines()
    assert said[0] == good
    assert sorted(said[1:]) == ["task 0", "task 1"]
    rows = slurm.command("sacct", "--parsable2", "-o", "JobID,State,NodeList", "-j", good).stdout
    assert rows.splitlines()[0] == "JobID|State|NodeList"
    assert [row.split("|")[0] for row in rows.splitlines()[1:]] == [good, f"{good}.batch"]


def test_an_array_keeps_to_its_limits(slurm: PlayedSlurm) -> None:
    array = submitted(slurm, "sleep 0.3; echo $SLURM_ARRAY_TASK_ID", "--hold", "--array=0-3%1")
    shown = slurm.command("squeue", "-h", "-j", array, "-o", "%i %Q %r").stdout
    assert shown == f"{array}_[0,1,2,3%1] 0 JobHeldUser\n"
    assert len(slurm.command("squeue", "-h", "-r", "-j", array).stdout.split()) == 4
    slurm.command("scontrol", "release", array)
    running = ("squeue", "-h", "-r", "-j", array, "-t", "R")
    until(lambda: bool(slurm.command(*running).stdout))
    assert len(slurm.command(*running).stdout.split()) == 1
    assert ended(slurm, array) == ["COMPLETED"] * 4
    too_long = slurm.command("sbatch", "--array=0-5", "--wrap", "true")
    assert too_long.returncode == 1
    assert "Invalid job array specification" in too_long.stderr


def test_one_waits_for_another_and_ends_at_its_time(slurm: PlayedSlurm) -> None:
    first = submitted(slurm, "sleep 30", "--time=5")
    after = submitted(slurm, "true", f"--dependency=afterany:{first}")
    until(lambda: states(slurm, first) == ["RUNNING"])
    assert states(slurm, after) == ["PENDING"]
    assert (ended(slurm, first), ended(slurm, after)) == (["TIMEOUT"], ["COMPLETED"])


def test_what_is_put_back_counts_its_starts(slurm: PlayedSlurm) -> None:
    job = submitted(slurm, "sleep 30")
    until(lambda: states(slurm, job) == ["RUNNING"])
    assert slurm.command("scontrol", "requeue", job).returncode == 0
    assert states(slurm, job, "-D") == ["REQUEUED", "PENDING"]
    assert slurm.command("scontrol", "update", f"JobId={job}", "StartTime=now").returncode == 0
    until(lambda: states(slurm, job) == ["RUNNING"])
    slurm.command("scancel", job)
    assert ended(slurm, job) == ["CANCELLED by 0"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("sbatch --no-such=1 --wrap true", "unrecognized arguments: --no-such=1"),
        ("sbatch nowhere.sh", "Unable to open file nowhere.sh"),
        ("sbatch -p nosuch --wrap true", "Invalid partition name specified"),
        ("sbatch --cpus-per-task=5 --wrap true", "Requested node configuration is not available"),
        ("sbatch --dependency=singleton --wrap true", "Job dependency problem"),
        ("scontrol suspend 7", "invalid keyword: suspend 7"),
        ("scancel 7", "Invalid job id specified: 7"),
        ("squeue --no-such", "unrecognized arguments: --no-such"),
    ],
)
def test_what_it_does_not_know_is_refused(command: str, told: str, slurm: PlayedSlurm) -> None:
    said = slurm.command(*command.split())
    assert said.returncode == 1
    assert told in said.stderr
    assert said.stderr.startswith(f"{command.split()[0]}: error: ")


def test_without_a_daemon_its_clients_say_so(slurm: PlayedSlurm) -> None:
    slurm.stop("slurmdbd")
    assert "Unable to contact slurmdbd" in slurm.command("sacct", "-o", "JobID").stderr
    assert slurm.command("squeue", "-h").returncode == 0
    slurm.restart("slurmdbd")
    assert slurm.command("sacct", "-o", "JobID").returncode == 0
