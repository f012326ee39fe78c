import os

import pytest

from sweep.engines import devices
from sweep.engines.devices import Slot, accelerators, slots


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores, number 3 being another's, and no accelerator."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 4, 5}, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("sweep.engines.devices.find_spec", lambda _: True)


def test_cores_are_shared_out() -> None:
    assert [s.cores for s in slots(2)] == [(0, 2, 5), (1, 4)]
    assert [s.cores for s in slots(5)] == [(0,), (1,), (2,), (4,), (5,)]


def test_more_workers_than_cores_share_them() -> None:
    shares = [s.cores for s in slots(7)]
    assert shares == [(0,), (1,), (2,), (4,), (5,), (0,), (1,)]


def test_by_default_there_is_a_worker_a_core() -> None:
    assert len(slots(None)) == 5
    assert slots(0) == []


@pytest.mark.parametrize(
    ("visible", "found"),
    [("", []), ("-1", []), ("3", ["3"]), ("0, 2", ["0", "2"]), ("GPU-a,MIG-b", ["GPU-a", "MIG-b"])],
)
def test_accelerators_are_those_that_are_visible(
    visible: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert accelerators() == found


def test_by_default_there_is_a_worker_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,5")
    assert slots(None) == [Slot((0, 2, 5), "1"), Slot((1, 4), "5")]
    assert [s.accelerator for s in slots(3)] == ["1", "5", "1"]


def test_a_worker_takes_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda pid, cores: taken.append((pid, cores)), raising=False
    )
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "JAX_PLATFORMS"):
        monkeypatch.setenv(name, "before")
    Slot((1, 4), "5").occupy()
    assert taken == [(0, (1, 4))]
    assert {os.environ[n] for n in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")} == {"2"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert "JAX_PLATFORMS" not in os.environ
    Slot((2,), None).occupy()
    assert os.environ["JAX_PLATFORMS"] == "cpu"
    assert devices.os.environ["MKL_NUM_THREADS"] == "1"


def test_a_jax_without_cuda_sees_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("sweep.engines.devices.find_spec", lambda _: None)
    assert accelerators() == []
