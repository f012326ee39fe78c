import json
from typing import Any

import pytest

from sweep.errors import StoreError
from sweep.store.columns import join, split

CONFIGS: list[dict[str, Any]] = [
    {"same": [1, 2.0], "f": 1.0, "i": 1, "b": True, "n": None, "l": [1], "s": "x", "m": 1},
    {"same": [1, 2.0], "f": -0.5, "i": -7, "b": False, "n": "no", "l": [1.0], "s": "", "m": 1.0},
    {"same": [1, 2.0], "f": 1e300, "i": 2**40, "b": True, "n": 0, "l": [], "s": "é", "m": True},
    {"same": [1, 2.0], "f": 0.1, "i": 0, "b": True, "n": None, "l": [None], "s": "x", "only": 2},
]


def test_base_and_columns_rebuild_every_config_to_the_type() -> None:
    base, columns = split(CONFIGS)
    rebuilt = join(base, columns, len(CONFIGS))
    assert [json.dumps(c, sort_keys=True) for c in rebuilt] == [
        json.dumps(c, sort_keys=True) for c in CONFIGS
    ]
    assert base == {"same": [1, 2.0]}


def test_columns_hold_numbers_and_codes_never_strings() -> None:
    _, columns = split(CONFIGS)
    dtypes = {key: str(column.values.dtype) for key, column in columns.items()}
    assert dtypes == {
        "f": "float64",
        "i": "int64",
        "b": "int8",
        "n": "int16",
        "l": "int16",
        "s": "int16",
        "m": "int16",
        "only": "int16",
    }


def test_integers_beyond_64_bits_and_many_labels_survive() -> None:
    configs = [{"i": 2**70 + k, "s": f"label {k}"} for k in range(40_000)]
    base, columns = split(configs)
    assert str(columns["s"].values.dtype) == "int32"
    assert join(base, columns, len(configs)) == configs


@pytest.mark.parametrize("value", [float("nan"), object(), (1, 2), {1: 2}])
def test_values_that_json_would_change_are_refused(value: Any) -> None:
    with pytest.raises(StoreError, match="solver.tol"):
        split([{"solver.tol": value}, {"solver.tol": 1.0}])
