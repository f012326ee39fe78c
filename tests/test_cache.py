import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.cache import Cache, canonical_json, digest, file_digest
from sweep.errors import ConfigError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)  # fmt: skip


class Counter:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"x": np.arange(5.0) * np.pi, "y": np.array([True, False])}


def test_built_once(tmp_path):
    cache, build = Cache(tmp_path / "deep" / "cache"), Counter()
    first = cache.get("thing", {"a": 1, "b": [1.5, "c"]}, build)
    second = cache.get("thing", {"b": [1.5, "c"], "a": 1}, build)
    assert build.calls == 1
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        assert first[name].dtype == second[name].dtype


def test_kind_and_key_address(tmp_path):
    cache, build = Cache(tmp_path), Counter()
    for kind, key in (("a", {"n": 1}), ("b", {"n": 1}), ("a", {"n": 2}), ("a", {"n": 1})):
        cache.get(kind, key, build)
    assert build.calls == 3
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text"])
def test_damaged_file_is_rebuilt(tmp_path, damage):
    cache, build = Cache(tmp_path), Counter()
    expected = cache.get("a", {}, build)["x"]
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    start = content.index(expected.tobytes())
    flipped = content[:start] + bytes([content[start] ^ 1]) + content[start + 1 :]
    path.write_bytes(
        {"truncate": content[:-40], "flip": flipped, "empty": b"", "text": b"hello"}[damage]
    )
    np.testing.assert_array_equal(cache.get("a", {}, build)["x"], expected)
    assert build.calls == 2
    cache.get("a", {}, build)
    assert build.calls == 2


def _fill(path: Path) -> float:
    rng = np.random.default_rng(1)
    return float(Cache(path).get("a", {}, lambda: {"x": rng.random(200_000)})["x"].sum())


def test_many_processes(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        sums = list(pool.map(_fill, [tmp_path] * 16))
    assert len(set(sums)) == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_a_failed_build_leaves_nothing(tmp_path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Cache(tmp_path).get("a", {}, fail)
    with pytest.raises(TypeError, match="object"):
        Cache(tmp_path).get("a", {}, lambda: {"x": np.array([None])})
    assert not list(tmp_path.iterdir())


def test_unwritable_folder(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        Cache(blocked / "cache").get("a", {}, Counter())


@given(PLAIN)
def test_canonical_json_round_trips(obj):
    text = canonical_json(obj)
    assert json.loads(text) == obj
    assert canonical_json(json.loads(text)) == text


def test_canonical_json_of_numpy_and_paths():
    ours = {"b": np.float64(0.1), "a": np.array([1, 2]), "p": Path("x/y"), "t": (1, 2)}
    assert canonical_json(ours) == '{"a":[1,2],"b":0.1,"p":"x/y","t":[1,2]}'
    assert digest(ours) == digest({"t": [1, 2], "p": "x/y", "a": [1, 2], "b": 0.1})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object(), {1, 2}])
def test_canonical_json_refuses(bad):
    with pytest.raises(ConfigError, match="no canonical JSON"):
        canonical_json({"a": bad})


def test_file_digest_is_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")
    (tmp_path / "b").write_bytes(b"else")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")
    with pytest.raises(ConfigError, match="cannot be read"):
        file_digest(tmp_path / "none")
