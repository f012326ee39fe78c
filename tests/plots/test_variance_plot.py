from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import sweep
from sweep.errors import ConfigError
from sweep.plots import plot_variance


def test_the_picture_is_a_png_with_something_on_it(small_store: Path, tmp_path: Path) -> None:
    path = plot_variance(sweep.open(small_store), tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[0] > 400
    assert pixels.shape[1] > 600
    assert 0.01 < np.mean(pixels[..., :3].min(axis=-1) < 0.9) < 0.5


def test_the_ending_chooses_the_format(small_store: Path, tmp_path: Path) -> None:
    path = plot_variance(sweep.open(small_store), tmp_path / "a.pdf")
    assert path.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", ["a.nonsense", "missing/a.png"])
def test_a_picture_that_cannot_be_written_is_named(
    name: str, small_store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="picture .* cannot be written") as caught:
        plot_variance(sweep.open(small_store), tmp_path / name)
    assert "\n" not in str(caught.value)


def test_without_a_usable_fit_there_is_nothing_to_plot(small_store: Path, tmp_path: Path) -> None:
    ds = sweep.open(small_store).isel(realisation=[0])  # the noise-free slot
    with pytest.raises(ConfigError, match="nothing to plot"):
        plot_variance(ds, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
