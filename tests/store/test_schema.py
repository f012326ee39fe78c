import subprocess
import sys
from typing import Any

import pytest

from sweep.errors import StoreError
from sweep.quantities.table import VARIABLES
from sweep.store import ExperimentEntry, Unit

from .helpers import HELD, PIXELS, entry, make_spec


def test_every_variable_starts_with_experiment_and_realisation_and_has_units() -> None:
    for name, variable in VARIABLES.items():
        assert variable.dims[:2] == ("experiment", "realisation"), name
        assert variable.unit, name
        assert variable.about, name


def test_a_variable_is_held_when_its_dims_have_sizes() -> None:
    assert "cmb" not in make_spec(maps=None).layout.variables
    assert "beta_pl" not in make_spec(parameters=False).layout.variables
    assert "data_digest" not in make_spec().layout.variables
    assert make_spec().layout.variables == HELD
    assert set(make_spec(files=3).layout.variables) == {*HELD, "data_digest"}


def test_map_variables_take_the_dtype_asked_for() -> None:
    layout = make_spec(maps="float32").layout
    assert layout.dtype("cmb") == "float32"
    assert layout.dtype("nll") == "float64"


def test_units_cover_every_pair_once_and_end_raggedly() -> None:
    layout = make_spec().layout
    units = list(layout.units("s"))
    covered = {
        (e, r)
        for unit in units
        for e in range(3)[layout.slices(unit)[0]]
        for r in range(5)[layout.slices(unit)[1]]
    }
    assert len(units) == 6
    assert len(covered) == 15
    assert layout.unit_shape("beta_dust", units[-1]) == (1, 1, 3)


def test_a_unit_outside_the_segment_is_refused() -> None:
    with pytest.raises(StoreError, match="expected blocks below"):
        make_spec().layout.slices(Unit("s", 2, 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiments": ()}, "at least one"),
        ({"experiments": (entry(0), entry(0))}, "appears again"),
        ({"experiments": (ExperimentEntry("abc", {}),)}, "64 hex digits"),
        ({"experiments": (entry(0, **{"../up": 1}),)}, "configuration key '../up'"),
        ({"experiments": (entry(0, status=1),)}, "configuration key 'status'"),
        ({"realisations": ()}, "increasing"),
        ({"realisations": (0, -1)}, "increasing"),
        ({"realisations": (-2, 0)}, "increasing"),
        ({"block": 0}, "block: must be at least 1"),
        ({"experiments_per_unit": 0}, "at least 1"),
        ({"clusters": {}}, "clusters: expected"),
        ({"clusters": {"beta_dust": 1, "beta": 1}}, "clusters: expected"),
        ({"clusters": {"beta_dust": 0, "temp_dust": 1, "beta_pl": 1}}, "at least 1"),
        ({"nside": 48}, "power of two"),
        ({"maps": "int8"}, "maps: expected"),
        ({"pixels": None}, "maps need distinct RING indices"),
        ({"pixels": (1, 1)}, "maps need distinct RING indices"),
        ({"pixels": (*PIXELS, 192)}, "1 of them outside"),
        ({"provenance": {"x": object()}}, "provenance: expected JSON"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        make_spec(**changes)
    assert "\n" not in str(caught.value)


def test_workers_do_not_import_xarray() -> None:
    code = "import sys, sweep.store; sys.exit('xarray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
