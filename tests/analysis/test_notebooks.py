"""Notebooks hold no outputs, run as they are, and say what the library says."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError

import sweep
from sweep.results import read_residuals
from sweep.statistics.rankings import templates_of
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.statistics.zones import read_zones
from tests.analysis.notebooks import (
    NOTEBOOKS,
    ROOT,
    assigned,
    code,
    execute,
    parameters,
    pictures,
    read,
)

VARIANCE, RESIDUALS, SOLVERS, ADAPTIVE, FROM_MAPS = NOTEBOOKS

USED = {"sweep", "numpy", "pandas", "healpy", "IPython", "itertools", "pathlib"}
"""What notebooks import: the library, and what tables and pictures are shown with."""

ABSOLUTE = re.compile(r"(?<![\w.~])/(home|root|work|tmp|usr|mnt|opt|var|Users)\b|[A-Z]:\\\\")

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem[:2])


@each
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    notebook = read(path)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))
    assert not ABSOLUTE.search(path.read_text())
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    # names, not the random ones that editors give: they are the same after every save
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", id_) for id_ in ids)


@each
def test_a_notebook_is_built_as_its_readers_expect(path: Path) -> None:
    notebook = read(path)
    first, kinds = notebook.cells[0], [cell.cell_type for cell in notebook.cells]
    assert first.cell_type == "markdown"
    assert re.match(r"# .*\*\*Question\.\*\*.*\*\*Needs\*\*.*\*\*Takes\*\*", first.source, re.S)
    assert code(notebook)[0].id == parameters(notebook).id
    assert "store" in assigned(parameters(notebook))
    assert {kinds[i - 1] for i, kind in enumerate(kinds) if kind == "code"} == {"markdown"}
    assert f"`{path.name}`" in (ROOT / "README.md").read_text()


@each
def test_a_notebook_calls_the_library_and_nothing_else(path: Path) -> None:
    tree = ast.parse("\n".join(cell.source for cell in code(read(path))))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert {str(name).split(".")[0] for name in imported} <= USED
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.While)
    assert not [n for n in ast.walk(tree) if isinstance(n, kinds)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a notebook writes; kernels keep their files out of the user's home."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    return tmp_path / "runs" / "store.zarr"


def run(path: Path, store: Path, values: dict[str, Any], asked: str) -> tuple[Any, Any]:
    """What the notebook showed and answered; it must not complain."""
    small = {"store": str(store), "nside": 8} | values
    notebook, answer = execute(path, store.parents[1], small, asked)
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    return notebook, answer


@pytest.mark.slow
def test_variance_against_clusters(store: Path) -> None:
    values = {"beta_dust": [9, 16], "temp_dust": 2, "beta_pl": [3, 4], "realisations": 4}
    asked = "[ranking.index[0], gaps[['mean', 'standard_error']].iloc[order].values.tolist()]"
    notebook, (first, gaps) = run(VARIANCE, store, values, asked)

    assert pictures(notebook) == ["counts", "residual", "nll", "heatmap", "convergence"]
    ds = sweep.open(store)
    found = ds["residual_variance"].values
    order = np.argsort(found.mean(axis=1))
    assert ds["identity"].values[order[0]][:8] == first
    differences = found[order] - found[order[0]]
    errors = differences.std(axis=1, ddof=1) / 2  # four realisations
    np.testing.assert_allclose(np.array(gaps)[:, 0], differences.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(np.array(gaps)[:, 1], errors, rtol=1e-9)


@pytest.mark.slow
def test_residuals_and_r(store: Path) -> None:
    zones = ["GAL040", "GAL060-GAL040"]
    values = {"zones": zones, "beta_dust": [9, 16], "temp_dust": 2, "beta_pl": [4]}
    asked = "[found.variances, chosen.best.experiments, chosen.value, ratios['all zones'].r]"
    values |= {"realisations": 3}
    notebook, (variances, experiments, upper, r) = run(RESIDUALS, store, values, asked)

    assert pictures(notebook) == ["maps", "spectra", "likelihoods", "together", "front"]
    ds = sweep.open(store)
    noisy = ds["realisation"].values >= 0
    total = ds["residual_variance"].values[0, noisy].mean()
    assert variances["total"] == pytest.approx(total, rel=1e-9)
    assert [str(ds["mask.expression"].values[e]) for e in experiments] == zones
    together = read_zones(ds, experiments)
    ratio = tensor_ratio(together, templates_of(together), "cross")
    assert (upper, r) == pytest.approx((ratio.upper_68, ratio.r), rel=1e-9)
    each_zone = [read_residuals(ds, e).sky_fraction for e in experiments]
    assert together.sky_fraction == pytest.approx(sum(each_zone))


@pytest.mark.slow
def test_comparing_solvers(store: Path) -> None:
    values = {"beta_dust": 16, "temp_dust": 2, "beta_pl": [3, 4]}
    values |= {"realisations": 2, "max_steps": 100}
    asked = "[list(pairs), pairs.values.tolist(), table['certified'].dropna().tolist()]"
    notebook, (solvers, pairs, certified) = run(SOLVERS, store, values, asked)

    assert pictures(notebook) == ["picture"]
    assert solvers == ["newton", "optax_lbfgs", "adabk0"]
    assert certified == [1.0, 1.0]  # those of newton
    ds = sweep.open(store)
    for name, column in zip(solvers, np.array(pairs).T, strict=True):
        mine, reference = (
            ds["nll"].values[ds["solver"].values == s].ravel() for s in (name, "newton")
        )
        np.testing.assert_array_equal(column, mine - reference)
        assert (column > -1e-3).all()  # none is lower


@pytest.mark.slow
def test_adaptive_component_separation(store: Path) -> None:
    values = {"beta_dust": 16, "temp_dust": 4, "beta_pl": 4}
    asked = (
        "[nll, ranges['max'].to_dict(), variances['sum'].to_dict(), "
        "[check.holds for check in verdict(found)]]"
    )
    notebook, (nll, largest, variances, holds) = run(ADAPTIVE, store, values, asked)

    assert pictures(notebook) == ["clusters", "maps", "histograms", "cmb", "optimum"]
    ds = sweep.open(store)
    assert nll == ds["nll"].item()
    assert largest == {p: ds[p].max().item() for p in ("beta_dust", "temp_dust", "beta_pl")}
    assert variances["recovered"] == pytest.approx(ds["cmb_variance"].item(), rel=1e-9)
    residual = variances["recovered - input"]
    assert residual == pytest.approx(ds["residual_variance"].item(), rel=1e-9)
    assert len(holds) == 8
    assert all(holds)
    assert (store.parent / "pictures/adaptive/maps/cmb.fits").is_file()


@pytest.mark.slow
def test_from_maps_to_an_answer(store: Path) -> None:
    folder = store.parent / "handed_out"
    values = {"folder": str(folder), "beta_dust": [4, 12], "temp_dust": 2, "beta_pl": 2}
    values |= {"realisations": 3}
    asked = (
        "[ranking.index[0], ranking['cmb_variance'].tolist(), "
        "residuals['residual_variance'].tolist(), written.left_out['residuals'], "
        "sorted(f.name for f in written.files)]"
    )
    notebook, (first, by_cmb, by_truth, why, files) = run(FROM_MAPS, store, values, asked)

    assert pictures(notebook) == ["cmb"]
    assert len(list(folder.glob("B*_*.fits"))) == 9 * 3
    ds = sweep.open(store)
    known = ~np.isnan(ds["residual_variance"].values).any(axis=1)
    assert known.sum() == 2 == (~known).sum()
    variance = ds["cmb_variance"].values[~known].mean(axis=1)
    np.testing.assert_allclose(by_cmb, np.sort(variance), rtol=1e-9)
    assert str(ds["identity"].values[~known][np.argmin(variance)])[:8] == first
    left = ds["residual_variance"].values[known].mean(axis=1)
    np.testing.assert_allclose(by_truth, np.sort(left), rtol=1e-9)
    # what the truth adds is knowledge, not another fit
    again = ds["cmb_variance"].values[known].mean(axis=1)
    np.testing.assert_allclose(np.sort(again), np.sort(variance), rtol=1e-9)
    assert "true CMB is not known" in why
    assert files == ["clusters.fits", "cmb.fits", "parameters.fits"]


@pytest.mark.slow
def test_a_missing_file_is_named_with_what_to_do(store: Path) -> None:
    with pytest.raises(CellExecutionError, match=r"sky\.npz is not there: give the path") as told:
        run(ADAPTIVE, store, {"sky": "sky.npz"}, "None")
    assert "embedded sky" in str(told.value)
    assert not store.exists()
