"""The benchmark of an accelerator runs through where one is only played."""

from types import SimpleNamespace

import jax
import pytest

from benchmarks import gpu
from sweep.assemble.setup import build
from sweep.testing.small import small


def test_it_measures_what_fits_and_says_what_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = SimpleNamespace(
        platform="gpu",
        device_kind="a card",
        memory_stats=lambda: {"bytes_limit": 10**9, "peak_bytes_in_use": 10**8},
    )
    kept = {}
    with monkeypatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "an accelerator")
        patch.setattr(jax, "devices", lambda: [card])
        patch.setattr(gpu, "PROBLEMS", {"tiny": ()})
        patch.setattr(gpu, "BLOCKS", (2, 10**6))
        patch.setattr(gpu, "problem", lambda: build(small("solver=newton")))
        patch.setattr(gpu, "bandwidth", lambda length: 1e9)
        patch.setattr(gpu, "keep", kept.__setitem__)
        gpu.main()
    assert "tiny: a block of 1000000 would not fit" in capsys.readouterr().out
    (row,) = kept["gpu"]
    assert (row["device"], row["problem"], row["block"], row["lanes"]) == ("a card", "tiny", 2, 2)
    assert row["certified"] == 2
    assert row["ticks of the pool"] >= row["evaluations"] > row["scans of the pool"]
    assert row["scans of the pool"] >= row["scans"] >= 1
    assert 0.5 <= row["busy"] <= 1
    assert row["fits/s"] > 0
    assert row["of the bound"] == pytest.approx(
        row["fits/s"] / row["bound fits/s"], rel=0.05, abs=1e-4
    )
    shares = [value for key, value in row.items() if key.endswith(" share")]
    assert len(shares) == 8  # the solver's, and of the seven phases
    assert all(share >= 0 for share in shares)
    assert 0 < row["foreseen GB"] + row["peak GB so far"] < 1


def test_without_an_accelerator_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main()
    assert "skipped" in capsys.readouterr().out
