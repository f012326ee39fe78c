from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import xarray as xr

from sweep.errors import ConfigError
from sweep.plots import plot_optimum, style
from tests.plots.looks import check_layout, check_texts
from tests.problems import PARAMETERS


def parabolas(scales: tuple[float, ...], vertex: float = 0.0) -> xr.Dataset:
    """What `perturbations` would find about a parabola whose lowest point is at `vertex`."""
    step = np.arange(-50, 51)
    shift = np.multiply.outer(scales, step)
    weight = np.array([1e7, 9e6, 1e4, 1e5])[:, None]
    difference = weight * ((shift[:, None] - vertex) ** 2 - vertex**2)
    norm = np.abs(2 * weight * (shift[:, None] - vertex))[..., None] * np.array([1.0, 0.1, 0.01])
    return xr.Dataset(
        {
            "nll_difference": (("scale", "shifted", "step"), difference),
            "gradient_norm": (("scale", "shifted", "step", "parameter"), norm + 1e-7),
        },
        {
            "scale": list(scales),
            "shifted": ["all", *PARAMETERS],
            "step": step,
            "parameter": list(PARAMETERS),
            "shift": (("scale", "step"), shift),
        },
        {"experiment": "0123abcd", "realisation": 0, "nll": -1e9},
    )


@pytest.mark.parametrize(("scales", "height"), [((1e-3, 1e-4), 1580), ((1e-3,), 840)])
def test_there_is_a_row_for_every_scale(
    scales: tuple[float, ...], height: int, tmp_path: Path
) -> None:
    path = plot_optimum(parabolas(scales), tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(path)
    assert abs(pixels.shape[0] - height) < 100
    assert pixels.shape[1] > 2000
    assert 0.01 < np.mean(pixels[..., :3].min(axis=-1) < 0.9) < 0.5


def test_it_fits_into_a_column(figures: list[Any]) -> None:
    with style("paper"):
        plot_optimum(parabolas((1e-3, 1e-4)), "a.png")
        assert figures[0].get_figwidth() == 3.4
        check_layout(figures[0])
        check_texts(figures[0], 7.0)


@pytest.mark.parametrize("vertex", [0.01, -0.2])
def test_what_is_lower_than_the_solution_is_drawn(vertex: float, tmp_path: Path) -> None:
    at_zero = plot_optimum(parabolas((1e-3,)), tmp_path / "a.png")
    lower = plot_optimum(parabolas((1e-3,), vertex), tmp_path / "b.png")
    first, second = (matplotlib.image.imread(p) for p in (at_zero, lower))
    assert np.mean(first != second) > 0.01


def test_a_level_likelihood_is_drawn(tmp_path: Path) -> None:
    level = parabolas((1e-3,)) * 0.0
    found = level.assign_attrs(parabolas((1e-3,)).attrs)
    assert plot_optimum(found, tmp_path / "a.png").exists()


def test_the_ending_chooses_the_format(tmp_path: Path) -> None:
    path = plot_optimum(parabolas((1e-3,)), tmp_path / "a.pdf")
    assert path.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", ["a.nonsense", "missing/a.png"])
def test_a_picture_that_cannot_be_written_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="picture .* cannot be written") as caught:
        plot_optimum(parabolas((1e-3,)), tmp_path / name)
    assert "\n" not in str(caught.value)
