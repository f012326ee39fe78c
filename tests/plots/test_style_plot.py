import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D

from sweep.errors import ConfigError
from sweep.plots.labels import number_text
from sweep.plots.legends import MOST_ENTRIES, fill_open, legend
from sweep.plots.names import wrapped
from sweep.plots.style import COLOURS, STYLES, colours, save, style
from tests.plots.looks import check_texts, legend_texts

HEADS = {"png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF", "svg": b"<?xml"}


def figure():  # noqa: ANN201
    with style() as layout:
        drawn = layout.blank((4.0, 3.0), 2.0)
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


def test_a_picture_is_not_written_to_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="the picture = s3://bucket/a.png: is an address"):
        save(figure(), "s3://bucket/a.png")
    assert list(tmp_path.iterdir()) == []


def test_paper_is_written_as_wide_as_a_column(tmp_path: Path) -> None:
    with style("paper") as layout:
        drawn = layout.blank((9.0, 7.0), 2.5)
        axes = drawn.subplots()
        axes.plot([1, 2], [3, 4])
        axes.set_title("a title that is too long for a panel of a column of a paper", loc="left")
        save(drawn, tmp_path / "a.png", tmp_path / "a.pdf", tmp_path / "a.svg")
    pixels = matplotlib.image.imread(tmp_path / "a.png")
    assert pixels.shape[:2] == (2.5 * 600, 3.4 * 600)
    pdf = (tmp_path / "a.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[ *0 0 ([0-9.]+) ([0-9.]+) *\]", pdf)
    assert box is not None
    assert [float(v) for v in box.groups()] == pytest.approx([3.4 * 72, 2.5 * 72])
    # TrueType: a CIDFont of type 2 or a simple one, never the outlines of type 3
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert 'width="244.8pt"' in (tmp_path / "a.svg").read_text()
    assert axes.get_title("left").count("\n") == 1


def test_an_inner_style_is_that_of_the_outer() -> None:
    with style() as plain:
        assert not plain.narrow
    with style("paper"), style() as inner:
        assert inner is STYLES["paper"]
        assert mpl.rcParams["pdf.fonttype"] == 42
    with style() as after:
        assert after is plain


def test_columns_are_stacked_and_grow() -> None:
    with style("paper") as layout:
        figure, panels = layout.stack(2, 3, (12.0, 8.0), 1.5)
        assert panels.shape == (2, 3)
        assert {axes.get_subplotspec().get_gridspec().ncols for axes in panels.flat} == {1}
        layout.grow(figure, 0.5)
        assert tuple(figure.get_size_inches()) == (3.4, 9.5)
    wide, panels = STYLES["screen"].stack(2, 3, (12.0, 8.0), 1.5)
    STYLES["screen"].grow(wide, 0.5)
    assert tuple(wide.get_size_inches()) == (12.0, 8.0)
    assert panels[0, 0].get_subplotspec().get_gridspec().ncols == 3


LIMITS = {
    "within a decade": ("log", 0.0211, 0.0274),
    "over a decade": ("log", 0.07, 2.0),
    "between two ticks": ("linear", 3.1, 3.1004),
    "tiny": ("log", 2.2e-7, 2.9e-7),
}


@pytest.mark.parametrize("case", LIMITS)
def test_an_axis_has_two_labels_that_do_not_touch(case: str, tmp_path: Path) -> None:
    scale, low, high = LIMITS[case]
    with style("paper") as layout:
        figure = layout.blank((4.0, 3.0), 1.2)
        axes = figure.subplots(1, 2)[0]
        for set_scale, set_limits in (
            (axes.set_xscale, axes.set_xlim),
            (axes.set_yscale, axes.set_ylim),
        ):
            set_scale(scale)
            set_limits(low, high)
        save(figure, tmp_path / "a.png")
        figure.draw_without_rendering()
        check_texts(figure, 7.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.001, "0.001"), (250, "250"), (1e-6, "$10^{-6}$"), (2e5, r"$2 \times 10^{5}$")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number_text(value) == text


def test_formulas_and_units_are_not_broken() -> None:
    text = r"number of $\beta_\mathrm{d} + 1$ clusters  [a b]"
    assert wrapped(text, 11).split("\n") == [
        "number of",
        r"$\beta_\mathrm{d} + 1$ clusters",
        "[a b]",
    ]
    assert wrapped("two  blanks", 40) == "two  blanks"


@pytest.mark.parametrize("name", ["screen", "paper"])
def test_open_points_keep_their_colour_about_them(name: str) -> None:
    with style(name) as layout:
        axes = layout.blank((4.0, 3.0), 2.0).subplots()
        points = axes.scatter([1, 2, 3], [1, 2, 3], c=[0.0, 0.5, 1.0], edgecolors="black")
        fill_open(points, np.array([False, True, False]))
    assert [to_hex(c) for c in np.asarray(points.get_facecolor())[[0, 1]]] == ["#440154", "#ffffff"]
    assert [to_hex(c) for c in np.asarray(points.get_edgecolor())[[0, 1]]] == ["#000000", "#21918c"]


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
    axes = STYLES["screen"].blank((4.0, 3.0), 2.0).subplots()
    legend(axes, ("heading", [(Line2D([], []), str(i)) for i in range(count)]), ("", []))
    texts = legend_texts(axes)
    assert len(texts) == shown + 1
    assert texts[:2] == ["heading", "0"]
    left = count - MOST_ENTRIES + 1
    assert texts[-1] == (f"and {left} more" if count > MOST_ENTRIES else "7")
