"""What is harmed while an engine waits, on a played SLURM; test_slurm.py does it on a real one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.testing.played import PlayedSlurm
from tests.engines.slurm import harms


@pytest.mark.parametrize("harm", harms.HARMS, ids=lambda f: f.__name__)
def test_a_launch_survives(harm: Callable, played: PlayedSlurm, tmp_path: Path) -> None:
    harms.survives(harm, played, tmp_path)


@pytest.mark.parametrize(("partition", "submissions"), [("debug", 1), ("spare", 2)])
def test_what_is_more_urgent_takes_the_nodes(
    partition: str, submissions: int, played: PlayedSlurm, tmp_path: Path
) -> None:
    harms.gives_way(partition, submissions, played, tmp_path)


@pytest.mark.parametrize("harm", harms.OTHERS, ids=lambda f: f.__name__)
def test_a_launch(harm: Callable, played: PlayedSlurm, tmp_path: Path) -> None:
    harm(played, tmp_path)
