"""What lies beside a store for the jobs that fill it: a folder for each submission.

sbatch is answered before submitit has put what a job is to do where the job looks for it. So jobs
are submitted held, and released when all is in place. A launch that is killed in between leaves
jobs that never start.

In the folder of a submission is one for each of its arrays, with a list of the units of each job:
from it another launch knows what jobs in the queue are going to record.
"""

import json
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.engines import queue
from sweep.engines.queue import Queued
from sweep.errors import StoreError
from sweep.store import Unit
from sweep.store.claim import claimed
from sweep.store.files import sidecar, store_path

_CLAIM = "submitting.claim"
_DOING = "is submitting jobs"
_WORK = "units.json"


@dataclass(frozen=True)
class Share:
    """What one job is to do.

    Attributes:
        job: its id.
        folder: of its array.
        tasks: its workers.
        units: that they record.
    """

    job: str
    folder: Path
    tasks: int
    units: frozenset[Unit]


def submissions(store: str | Path) -> Path:
    """The folder that holds a folder for each submission of jobs that fill `store`."""
    return sidecar(store_path(store)) / "slurm"


@contextmanager
def submitting(folder: Path) -> Iterator[None]:
    """While jobs are submitted from `folder`: all of them, or if the body fails none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)  # its pickles are run: nobody else may write them
    try:
        with claimed(folder / _CLAIM, _DOING):
            try:
                yield
            except BaseException:
                queue.cancel([job.job for job in _of(folder, queue.look())])
                raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()
        raise


def note_units(folder: Path, tasks: int, elements: Sequence[Sequence[Unit]]) -> None:
    """Write down what the jobs of an array are to do; before they are submitted.

    Args:
        folder: of the array.
        tasks: workers of a job.
        elements: units of each job.
    """
    units = [[(u.segment, u.experiment_block, u.realisation_block) for u in e] for e in elements]
    (folder / _WORK).write_text(json.dumps({"tasks": tasks, "elements": units}))


def living(store: str | Path, units: Collection[Unit]) -> list[Share]:
    """Jobs in the queue, from any launch of this user, that are to record some of `units`."""
    found = []
    for job in _of(submissions(store), queue.look()):
        folder = job.script.parent
        tasks, elements = _noted(folder)
        index = int(job.job.partition("_")[2] or 0)
        mine = frozenset(elements[index]).intersection(units) if index < len(elements) else ()
        if mine:
            found.append(Share(job.job, folder, tasks, frozenset(mine)))
    return found


def left_behind(store: str | Path) -> Iterator[str]:
    """Cancel held jobs of launches into `store` that died over submitting them; a line for each."""
    for claim in sorted(submissions(store).glob(f"*/{_CLAIM}")):
        held = [job.job for job in _of(claim.parent, queue.look()) if job.held]
        jobs = list(dict.fromkeys(map(queue.array_of, held)))
        names = " ".join(jobs)
        try:
            with claimed(claim, _DOING):
                queue.cancel(jobs)
        except StoreError as error:
            if jobs:
                yield f"jobs {names} are held by another launch: {error}; then: scancel {names}"
        else:
            if jobs:
                yield f"jobs {names} cancelled: their launch died before it let them start"


def tidy(store: str | Path, done: Collection[Unit], over: Collection[str] = ()) -> None:
    """Remove what jobs that have ended leave; of those with units to do their logs stay.

    Args:
        store: path of the store.
        done: its recorded units.
        over: jobs that have ended, though they may be in the queue for another moment.
    """
    idle = [  # looked for before the queue is: what has been submitted since is not among them
        folder
        for folder in submissions(store).glob("*")
        if not (folder / _CLAIM).exists() and any(folder.glob("*/*"))
    ]
    jobs = queue.look() if idle else None
    if jobs is None:
        return
    for folder in idle:
        if any(job.job not in over for job in _of(folder, jobs)):
            continue
        for array in folder.iterdir():
            _tidy_array(array, done)
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        submissions(store).rmdir()


def _tidy_array(folder: Path, done: Collection[Unit]) -> None:
    _, elements = _noted(folder)
    left = [number for number, units in enumerate(elements) if not set(units) <= set(done)]
    if not left:
        shutil.rmtree(folder, ignore_errors=True)
        return
    element = r"\d+_(\d+)_\d+_log" if len(elements) > 1 else r"\d+_()\d+_log"
    for file in folder.iterdir():
        log = re.match(element, file.name)
        if file.name != _WORK and not (log and int(log[1] or 0) in left):
            file.unlink(missing_ok=True)
    if [file.name for file in folder.iterdir()] == [_WORK]:
        shutil.rmtree(folder, ignore_errors=True)


def _noted(folder: Path) -> tuple[int, list[list[Unit]]]:
    """Workers of a job, and units of each job; none where nobody noted any."""
    try:
        noted: dict[str, Any] = json.loads((folder / _WORK).read_text())
    except (OSError, ValueError):
        return 1, []
    return noted["tasks"], [[Unit(*unit) for unit in units] for units in noted["elements"]]


def _of(folder: Path, jobs: Sequence[Queued] | None) -> list[Queued]:
    """Those of `jobs` that were submitted from within `folder`."""
    return [job for job in jobs or () if job.script.is_relative_to(folder)]
