"""A look at zones beside each other, against the combinations that it stands for."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sweep
from sweep.cli.session import run_session
from sweep.engines import LocalEngine
from sweep.errors import ConfigError
from sweep.session import Request, Rules
from sweep.statistics.combination import best_of_zones
from sweep.statistics.race import Terms, threshold
from sweep.statistics.rankings import difference_error, metric_of, templates_of
from sweep.statistics.tensor_ratio import tensor_ratio
from sweep.statistics.zone_race import look_at_zones
from sweep.statistics.zones import read_zones
from sweep.testing.small import grid, run

METRIC = "r_upper_68"
ZONES = ("GAL040", "GAL060-GAL040")
POINTS = [
    f"solver=newton noise.realisations=6 store.spectra=alm mask.expression={zone} "
    f"clusters.beta_dust={count}"
    for zone in ZONES
    for count in (1, 3, 8)
]
TERMS = Terms(lost=0.05, looks=2, rivals=4, enough=0.0)


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("zones") / "a.zarr"
    done = run(grid(path, *POINTS))
    found = sweep.open(path)
    order = found["identity"].values.tolist()
    return found.isel(experiment=[order.index(identity) for identity in done.identities])


def test_each_is_compared_beside_the_best_of_the_others(ds: xr.Dataset) -> None:
    looks = look_at_zones(ds, METRIC, TERMS)
    chosen = best_of_zones(ds, metric=METRIC)
    assert dict(zip(chosen.best.zones, chosen.best.experiments, strict=True)) == {
        zone: look.order[0] for zone, look in looks.items()
    }
    together = read_zones(ds, chosen.best.experiments)
    k = threshold(0.05, 2, 4, 6)
    for place, zone in enumerate(ZONES):
        look = looks[zone]
        assert look.value == pytest.approx(chosen.value)
        assert sorted(look.order) == [3 * place, 3 * place + 1, 3 * place + 2]
        for i in look.order[1:]:
            beside = list(chosen.best.experiments)
            beside[place] = i
            other = read_zones(ds, beside)
            value = metric_of(tensor_ratio(other, templates_of(other), "cross"), METRIC)
            delta = value - chosen.value
            error = difference_error(other, together, METRIC, "cross")
            assert (i in look.behind) == (delta > k * error)
            assert (i in look.left) == (i not in look.behind)
        gone = [look.behind[i].delta for i in look.behind]
        assert np.all(np.array(gone) > 0)


def test_a_race_of_zones_ends_with_the_figure_of_all_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = Rules(METRIC, first=3, growth=2.0, lost=0.05, enough=0.0, zones=True)
    run_session(Request(grid(tmp_path / "a.zarr", *POINTS), LocalEngine(0), (), rules))
    out = capsys.readouterr().out.splitlines()
    first = [line for line in out if line.startswith("round 1, 3 realisations, ")]
    assert [line.split(": ")[0].split(", ")[-1] for line in first] == list(ZONES)
    # one sky, one figure
    assert len({line.split("r_upper_68 ")[1].split(",")[0].split(";")[0] for line in first}) == 1
    quoted = [line.split(": ")[1] for line in out if " to quote, " in line]
    assert len(quoted) == 1
    assert any("--zones" in line and "--metric r_upper_68" in line for line in out)


def test_masks_that_overlap_are_no_zones(tmp_path: Path) -> None:
    overlapping = [p.replace("GAL060-GAL040", "GAL060") for p in POINTS[::3]]
    rules = Rules(METRIC, first=3, growth=2.0, lost=0.05, enough=0.0, zones=True)
    request = Request(grid(tmp_path / "a.zarr", *overlapping), LocalEngine(0), (), rules)
    with pytest.raises(ConfigError, match="pixels in common with `GAL040`"):
        run_session(request)
