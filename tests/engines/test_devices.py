import os
import re
from pathlib import Path

import pytest

from sweep.engines import devices
from sweep.engines.devices import Slot, accelerators, present, slots
from sweep.errors import ConfigError


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five cores, number 3 being another's, and eight cards, none of which is to be used."""
    monkeypatch.setattr(devices, "present", lambda: list("01234567"))
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
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
    assert os.environ["JAX_PLATFORMS"] == "cuda,cpu"  # jax alone would go on without the card
    Slot((2,), None).occupy()
    assert os.environ["JAX_PLATFORMS"] == "cpu"
    assert devices.os.environ["MKL_NUM_THREADS"] == "1"


def test_by_default_all_that_are_there_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert accelerators() == list("01234567")
    monkeypatch.setattr(devices, "present", list)
    assert accelerators() == []


def test_cores_can_be_asked_for_where_there_are_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert accelerators() == []


@pytest.mark.parametrize(
    ("platforms", "visible", "here", "cuda", "said"),
    [
        (None, "0,1", "01", False, "NVIDIA devices here (0, 1), but jax has no CUDA"),
        (None, None, "0", False, "NVIDIA devices here (0), but jax has no CUDA"),
        (None, "0,1", "", True, "CUDA_VISIBLE_DEVICES = 0,1, but there is no NVIDIA device here"),
        ("cuda", None, "", True, "JAX_PLATFORMS = cuda, but no NVIDIA device is to be seen"),
        ("cuda,cpu", "", "01", True, "JAX_PLATFORMS = cuda,cpu, but no NVIDIA device is"),
        ("rocm", None, "", True, "JAX_PLATFORMS = rocm: workers compute on cpu or cuda, not on"),
    ],
)
def test_workers_of_another_kind_than_meant_are_refused(
    platforms: str | None,
    visible: str | None,
    here: str,
    cuda: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Issue 17, point 2: a card that was not seen gave workers on the cores, without a word."""
    for name, value in (("JAX_PLATFORMS", platforms), ("CUDA_VISIBLE_DEVICES", visible)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(devices, "present", lambda: list(here))
    monkeypatch.setattr("sweep.engines.devices.find_spec", lambda _: cuda or None)
    with pytest.raises(ConfigError, match=re.escape(said)):
        slots(None)
    assert slots(0) == []


def test_a_device_counts_that_may_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "gpus"
    files = {"/dev": tmp_path, "/proc/driver/nvidia/gpus": listed}
    monkeypatch.undo()
    monkeypatch.setattr(devices, "Path", files.__getitem__)
    monkeypatch.setattr(devices, "_opens", lambda file: file.name != "nvidia0")
    assert present() == []
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    assert present() == ["0"]  # CUDA counts those that it sees
    for name in "abc":
        (listed / name).mkdir(parents=True)
    assert present() == ["0", "1"]


def test_a_worker_whose_card_fails_does_not_compute_on_the_cores() -> None:
    """Issue 17, point 2; jax is there already, and has the cores only."""
    with pytest.raises(ConfigError, match="accelerator 5 cannot be used by jax, which has cpu: "):
        Slot((1, 4), "5").check()
    Slot((1, 4), None).check()
