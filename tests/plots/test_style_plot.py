from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from sweep.errors import ConfigError
from sweep.plots.style import COLOURS, MOST_ENTRIES, blank, colours, legend, save, style
from tests.plots.looks import legend_texts

HEADS = {"png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF", "svg": b"<?xml"}


def figure():  # noqa: ANN201
    with style():
        drawn = blank(4.0, 3.0)
        drawn.subplots().plot([1, 2], [3, 4], label="a")
        return drawn


def test_every_path_is_written_and_the_endings_choose_the_formats(tmp_path: Path) -> None:
    paths = [tmp_path / f"a.{ending}" for ending in HEADS]
    assert save(figure(), *paths) == paths[0]
    for path, head in zip(paths, HEADS.values(), strict=True):
        assert path.read_bytes().startswith(head)
    pixels = matplotlib.image.imread(paths[0])
    assert pixels.shape[:2] == (600, 800)


@pytest.mark.parametrize("name", ["a.nonsense", "missing/a.png"])
def test_a_picture_that_cannot_be_written_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"picture .*{name} cannot be written") as caught:
        save(figure(), tmp_path / name)
    assert "\n" not in str(caught.value)


def test_the_style_does_not_stay() -> None:
    before = dict(mpl.rcParams)
    with style():
        assert not mpl.rcParams["axes.spines.top"]
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("count", [1, 7, 8, 40])
def test_colours_differ(count: int) -> None:
    found = colours(count)
    assert len({tuple(np.ravel(to_rgb(c))) for c in found}) == count
    assert (found == list(COLOURS[:count])) == (count <= len(COLOURS))
    # none so light that a line is lost on white
    light = [np.dot(to_rgb(c), (0.2126, 0.7152, 0.0722)) for c in found]
    assert max(light) < 0.8


@pytest.mark.parametrize(("count", "shown"), [(8, 8), (9, 8), (40, 8)])
def test_a_long_legend_is_cut(count: int, shown: int) -> None:
    axes = blank(4.0, 3.0).subplots()
    legend(axes, ("heading", [(Line2D([], []), str(i)) for i in range(count)]), ("", []))
    texts = legend_texts(axes)
    assert len(texts) == shown + 1
    assert texts[:2] == ["heading", "0"]
    left = count - MOST_ENTRIES + 1
    assert texts[-1] == (f"and {left} more" if count > MOST_ENTRIES else "7")
