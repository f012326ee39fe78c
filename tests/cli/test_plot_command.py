"""`sweep-store plot`: which files it writes, and what it says of those it cannot."""

import importlib
import shutil
from pathlib import Path

import matplotlib.image
import pytest
import xarray as xr

import sweep
from sweep.cli.store import main
from sweep.plots import KINDS
from sweep.plots.kinds import Kind
from sweep.statistics.selection import best
from sweep.store import dataset
from sweep.types import Status
from tests.small import listing

HEADS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy[bold].zarr"
    for ending in ("", ".sweep"):
        shutil.copytree(str(small_store) + ending, str(path) + ending)
    return path


@pytest.fixture
def converged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all fits had converged, of which the small solver's are not sure."""
    _all_ended(monkeypatch, Status.CONVERGED)


@pytest.fixture
def unconverged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if none had."""
    _all_ended(monkeypatch, Status.MAX_STEPS)


def _all_ended(monkeypatch: pytest.MonkeyPatch, status: Status) -> None:
    for name in ("sweep.api", "sweep.report.page", "sweep.store.export", "sweep.testing.small"):
        importlib.import_module(name)  # what is imported meanwhile would keep the patched one
    real = dataset.open_dataset

    def opened(path: Path) -> xr.Dataset:
        ds = real(path)
        return ds.assign(status=xr.full_like(ds["status"].load(), status))

    monkeypatch.setattr(dataset, "open_dataset", opened)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Pictures that a command asks for; instead of a picture an empty file is written."""
    asked: list[tuple] = []

    def kind(name: str, like: Kind) -> Kind:
        def draw(_: object, *given: object) -> Path:
            files = [g for g in given if isinstance(g, Path)]
            asked.append((name, *[g for g in given if not isinstance(g, Path)]))
            for file in files:
                file.touch()
            return files[0]

        return Kind(like.text, like.needs, like.of, draw)

    for name, like in list(KINDS.items()):
        monkeypatch.setitem(KINDS, name, kind(name, like))
    return asked


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    capsys.readouterr()
    main([str(w) for w in ("plot", *words)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(w) for w in ("plot", *words)])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("sweep-store: ")
    assert err.count("\n") == 1
    return err


def labels(store: Path) -> list[str]:
    return [str(identity)[:8] for identity in sweep.open(store)["identity"].values]


def test_one_kind_is_one_file(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: list[tuple]
) -> None:
    assert said(capsys, store) == [f"written: {tmp_path / 'copy[bold]-variance.png'}"]
    assert said(capsys, store, "--output", tmp_path / "a.svg") == [f"written: {tmp_path}/a.svg"]
    out = said(capsys, store, "--kind", "nll", "--format", "png,pdf", "--output", tmp_path / "b")
    assert out == [f"written: {tmp_path}/b.png", f"written: {tmp_path}/b.pdf"]
    assert calls == [("variance",), ("variance",), ("nll",)]


@pytest.mark.usefixtures("converged")
def test_the_best_experiment_is_shown_unless_others_are_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: list[tuple]
) -> None:
    first, second = labels(store)
    top = best(sweep.open(store), "cmb_variance", 1, converged=0).index[0]
    (line,) = said(capsys, store, "--kind", "spectra")
    assert line == f"written: {tmp_path}/copy[bold]-spectra-{top}.png"
    said(capsys, store, "--kind", "clusters", "--experiment", second[:6])
    said(capsys, store, "--kind", "likelihood", "--experiment", second, first, second)
    said(capsys, store, "--kind", "clusters", "--experiment", first, second)
    assert calls == [
        ("spectra", labels(store).index(top)),
        ("clusters", 1),
        ("likelihood", [1, 0]),
        ("clusters", 0),
        ("clusters", 1),
    ]
    assert listing(tmp_path / "copy[bold]-plots") == {
        f"clusters-{first}.png",
        f"clusters-{second}.png",
    }


@pytest.mark.usefixtures("unconverged")
def test_what_did_not_converge_is_not_shown_by_default(
    store: Path, capsys: pytest.CaptureFixture[str], calls: list[tuple]
) -> None:
    said_no = refused(capsys, store, "--kind", "spectra")
    assert "no experiment to plot by default, give --experiment: " in said_no
    assert "2 (fewer than 90 % of the fits converged" in said_no
    first, *_ = said(capsys, store, "--kind", "spectra", "nll", "variance")
    assert first.startswith("no spectra: no experiment to plot by default, give --exp")
    assert calls == [("nll",), ("variance",)]


@pytest.mark.usefixtures("converged")
def test_all_of_a_store_is_a_folder_and_what_is_missing_is_said(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "pictures"
    out = said(capsys, store, "--kind", "all", "--output", folder, "--format", "svg")
    top = best(sweep.open(store), "cmb_variance", 1, converged=0).index[0]
    missing = [line for line in out if line.startswith("no ")]
    # two counts, two solvers and three realisations are not in this store
    assert [line.split(",")[0] for line in missing] == [
        "no heatmap",
        "no solvers",
        "no convergence",
    ]
    assert "it needs usable fits of two solvers with the same other settings: " in missing[1]
    names = {name if kind.of != "experiment" else f"{name}-{top}" for name, kind in KINDS.items()}
    drawn = {f"{name}.svg" for name in names - {"heatmap", "solvers", "convergence"}}
    assert listing(folder) == drawn
    assert {
        line.removeprefix(f"written: {folder}/") for line in out if line not in missing
    } == drawn
    for name in drawn:
        assert (folder / name).read_bytes().startswith(HEADS["svg"])


def test_every_format_of_every_picture(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--kind", "front", "nll", "--format", "png,pdf,svg", "--output", tmp_path / "out")
    assert len(said(capsys, store, *words)) == 6
    for name in ("front", "nll"):
        for ending, head in HEADS.items():
            assert (tmp_path / "out" / f"{name}.{ending}").read_bytes().startswith(head)


def test_the_style_is_that_of_every_picture(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--kind", "variance", "nll", "--output", tmp_path / "out", "--style", "paper")
    for line in said(capsys, store, *words):
        pixels = matplotlib.image.imread(line.removeprefix("written: "))
        assert pixels.shape[1] == 3.4 * 600
    said(capsys, store, "--output", tmp_path / "a.png")
    assert matplotlib.image.imread(tmp_path / "a.png").shape[1] != 3.4 * 600


BAD = {
    "style": (["--style", "papre"], "--style papre: choose from screen, paper"),
    "kind": (["--kind", "varience"], "--kind varience: choose from variance, "),
    "format": (["--format", "png,tiff"], "--format png,tiff: choose from png, pdf, svg"),
    "both": (["--format", "png", "--output", "a.png"], "--output a.png has a format already"),
    "label": (["--kind", "spectra", "--experiment", "zz"], "experiment 'zz': not in the store"),
    "nothing": (["--kind", "heatmap", "solvers", "--output", "{}/out"], "nothing to plot of heatm"),
    "folder": (["--kind", "nll", "front", "--output", "{}/file"], "file cannot be made: "),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_options_are_refused(
    case: str, small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, words = BAD[case]
    (tmp_path / "file").touch()
    assert words in refused(capsys, small_store, *(o.format(tmp_path) for o in options))
