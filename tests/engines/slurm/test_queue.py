"""The SLURM engine on a played SLURM: what it submits, watches, and does about what went wrong."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.engines import Engine, queue
from sweep.engines.slurm import SlurmEngine, SlurmSettings
from sweep.errors import ConfigError
from sweep.store import Store
from sweep.testing.contract import EngineContract
from sweep.testing.played import PlayedSlurm
from sweep.testing.small import assert_same_results
from tests.engines.slurm import harms
from tests.engines.slurm.commands import GIVEN, QUICK, killed, sweep, wrapper
from tests.engines.slurm.harms import listed, settings
from tests.engines.slurm.units import Record, published

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
    (folder,) = (tmp_path / "a.zarr.sweep" / "slurm").iterdir()  # of the plan there was none
    assert folder.stat().st_mode & 0o777 == 0o700


def test_jobs_of_a_launch_killed_over_their_submission_never_start(
    tmp_path: Path, reference: Path, played: PlayedSlurm
) -> None:
    path = tmp_path / "a.zarr"
    answered = tmp_path / "answered"
    late = wrapper(tmp_path, f'"$real" "$@"\ntouch {answered}\nsleep 30\n')
    killed(tmp_path, answered.exists, PATH=late)
    held = queue.held(tmp_path)
    assert len(held) == 1
    assert len(listed(played)) == 2
    # submitit would have a job wait a minute for what it is to do, and fail
    assert not list((tmp_path / "a.zarr.sweep" / "slurm").glob("*/*submitted.pkl"))
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
    assert list(queue.left_behind(path)) == []


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
        "setup": ["export GREETING=hello"],
        "additional_parameters": {"mail-type": "END"},
        "array_parallelism": 2,
    }
    packages = published(tmp_path / "a.zarr", 6)
    engine = SlurmEngine(settings(played, **asked))
    assert engine.workers() == 8
    assert sum(len(ended) for ended in engine.run(packages, Record())) == 6
    (script,) = (tmp_path / "a.zarr.sweep" / "slurm").glob("*/*submission.sh")
    lines = script.read_text().splitlines()
    options = dict(re.findall("^#SBATCH --([^=\n]+)=?(.*)$", script.read_text(), re.MULTILINE))
    expected = {
        **{"partition": "spare", "account": "abc", "nodes": "2", "ntasks-per-node": "2"},
        **{"cpus-per-task": "1", "mem": "1536MB", "time": "90", "signal": "USR2@60"},
        **{"mail-type": "END", "hold": "", "array": "0-1%2", "job-name": "skysweep"},
    }
    assert expected.items() <= options.items()
    assert "export GREETING=hello" in lines
    # each of four tasks of two elements took its share
    logs = list(script.parent.glob("*_log.out"))
    assert len(logs) == 8
    wrong = SlurmEngine(settings(played, additional_parameters={"no-such": 1}))
    with pytest.raises(ConfigError, match="sbatch refused: .*unrecognized arguments: --no-such=1"):
        next(iter(wrong.run(packages, Record())))


def test_without_waiting_the_last_job_comes_after_all_others(
    tmp_path: Path, played: PlayedSlurm
) -> None:
    packages = published(tmp_path / "a.zarr", 4)
    engine = SlurmEngine(settings(played, wait=False, aggregate=True, nodes=2))
    assert list(engine.run(packages, Record(60.0))) == []
    work, last = engine.detached
    assert len(listed(played)) == 3
    scripts = [s.read_text() for s in (tmp_path / "a.zarr.sweep").glob("slurm/*/*submission.sh")]
    (after,) = (s for s in scripts if "dependency" in s)
    assert f"--dependency=afterany:{work}\n" in after
    assert "--nodes=1\n" in after
    time.sleep(0.5)
    assert listed(played, "-t", "PD") == [last]
    queue.cancel([last, work])
    assert listed(played) == []


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


def test_a_refused_submission_names_what_was_submitted(
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
    with pytest.raises(
        ConfigError, match=r"sbatch refused: .*quota.*jobs submitted before: (\d+), (\d+)"
    ) as told:
        next(iter(engine.run(packages, Record(60.0))))
    assert "\n" not in str(told.value)
    assert not queue.held(tmp_path)
    ids = str(told.value).rsplit(": ", 1)[1].split(", ")
    assert sorted(listed(played)) == sorted(ids)
    queue.cancel(ids)
    assert listed(played) == []


def test_a_release_is_tried_again_and_what_is_refused_is_one_line(
    tmp_path: Path, played: PlayedSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\n")
    said = played.command("sbatch", "--hold", str(script)).stdout
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
