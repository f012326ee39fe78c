"""What the ranks of an MPI job have to do; run by `under_mpi`, not collected by itself."""

import os
from pathlib import Path
from typing import Any

import pytest

from sweep.engines import Engine
from sweep.engines.mpi import MpiEngine, rank_count
from sweep.testing.contract import HandingContract
from sweep.testing.workers import jobs
from tests.engines.workers import describe, die_loudly


class TestRanks(HandingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return MpiEngine()


def test_all_ranks_but_the_first_compute(tmp_path: Path) -> None:
    engine = MpiEngine()
    assert engine.workers() == rank_count() - 1
    names = [f"p{i}" for i in range(3 * engine.workers())]
    running: Any = engine.run(jobs(tmp_path, *names, seconds=0.3), describe)
    seen = [said for (said,) in running]
    assert len({said["pid"] for said in seen}) == engine.workers()
    assert os.getpid() not in {said["pid"] for said in seen}
    cores = {tuple(said["cores"]) for said in seen}
    here = os.sched_getaffinity(0)
    # ranks of one node share its cores evenly
    assert set().union(*cores) <= here
    assert len(cores) == min(engine.workers(), len(here))
    assert {said["JAX_PLATFORMS"] for said in seen} == {"cpu"}


def test_an_exception_beyond_the_worker_is_told_as_an_outcome(tmp_path: Path) -> None:
    ((outcome,),) = MpiEngine().run(jobs(tmp_path, "a"), die_loudly)
    assert outcome.error == "ValueError: two lines"
    assert outcome.died
