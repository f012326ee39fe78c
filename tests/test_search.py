"""Points as places on a lattice, and the walk over them to what is lowest."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest

from sweep.session.lattice import Lattice, lattice
from sweep.session.search import Search

DUST = (100, 300, 1000, 3000, 6000, 10000, 20000)
TEMPERATURE = (5, 50, 500)
PLANE = [[f"clusters.a={a}", f"clusters.b={b}"] for a, b in product(DUST, TEMPERATURE)]


def places(found: Lattice, numbers: Sequence[int]) -> list[list[int]]:
    return found.places[list(numbers)].tolist()


def test_axes_are_keys_with_numbers_in_ascending_order() -> None:
    found = lattice([["a=10", "b=x", "c=3"], ["a=2", "b=y", "c=3"], ["a=1e1", "b=y", "c=3"]])
    assert found.places.tolist() == [[1], [0], [1]]
    assert found.sizes.tolist() == [2]
    assert found.choices.tolist() == [0, 1, 1]


def test_keys_that_advance_together_are_one_axis() -> None:
    found = lattice([[f"a={n}", f"b={10 * n}", f"c={m}"] for n in (1, 2, 3) for m in (1, 2)])
    assert found.sizes.tolist() == [3, 2]


def test_groups_that_comparisons_differ_in_are_no_axes() -> None:
    points = [[f"noise.seed={n}", f"clusters.a={m}"] for n in (1, 2) for m in (1, 2)]
    found = lattice(points, apart=("noise",))
    assert found.sizes.tolist() == [2]
    assert found.choices.tolist() == [0, 0, 1, 1]


def test_what_is_first_is_even_along_every_axis_in_every_choice() -> None:
    points = [[*point, f"solver={s}"] for point in PLANE for s in ("newton", "optax_lbfgs")]
    found = lattice(points)
    coarse = found.coarse(3)
    assert len(coarse) == 3 * 3 * 2
    assert {tuple(place) for place in places(found, coarse)} == set(product((0, 3, 6), (0, 1, 2)))


def test_a_place_without_a_point_is_taken_by_the_nearest() -> None:
    points = [point for point in PLANE if point != ["clusters.a=3000", "clusters.b=50"]]
    found = lattice(points)
    coarse = places(found, found.coarse(3))
    assert [3, 1] not in coarse
    assert len(coarse) == 9 or [3, 0] in coarse


def test_around_a_point_are_those_a_spacing_away_and_no_further_than_the_ends() -> None:
    found = lattice(PLANE)
    corner = found.places.tolist().index([1, 0])
    assert {tuple(p) for p in places(found, list(found.around(corner, (2, 1), [])))} == {
        (0, 0),
        (0, 1),
        (1, 1),
        (3, 0),
        (3, 1),
    }


def walked(points: list[list[str]], value: Callable[[int], float]) -> tuple[int, set[int]]:
    """Where a walk ends, and all that it visited."""
    search = Search(points, 3, 4, ())
    visited = set(search.first())
    while True:
        order = sorted(visited, key=lambda n: (value(n), n))
        more = search.next("", order)
        if not more:
            return order[0], visited
        assert not visited.intersection(more)
        visited.update(more)


@pytest.mark.parametrize("seed", range(5))
def test_a_walk_finds_the_lowest_of_a_bowl_and_visits_few(seed: int) -> None:
    sizes = (11, 7, 11)
    points = [
        [f"clusters.{k}={n}" for k, n in zip("abc", p, strict=True)] for p in np.ndindex(sizes)
    ]
    rng = np.random.default_rng(seed)
    lowest = rng.uniform(0, sizes)
    mixed = np.eye(3) + 0.3 * rng.uniform(-1, 1, (3, 3))
    at = np.array(list(np.ndindex(sizes)), float)
    values = (((at - lowest) @ mixed) ** 2).sum(axis=1)
    leader, visited = walked(points, lambda n: values[n])
    assert leader == values.argmin()
    assert len(visited) < 0.2 * len(points)


def test_a_walk_ends_below_all_its_neighbours_whatever_the_values() -> None:
    values = np.random.default_rng(3).normal(size=len(PLANE))
    leader, visited = walked(PLANE, lambda n: values[n])
    around = set(lattice(PLANE).around(leader, (1, 1), []))
    assert around <= visited
    assert values[leader] <= values[sorted(around)].min()


def test_the_deeper_of_two_valleys_is_found_where_the_other_was_ahead() -> None:
    points = [[f"clusters.a={a}", f"clusters.b={b}"] for a, b in np.ndindex(13, 13)]
    at = np.array(list(np.ndindex(13, 13)), float)
    wide = 0.2 * np.hypot(*(at - [12, 12]).T)  # its lowest point is one of the first
    deep = 0.4 * np.hypot(*(at - [2, 4]).T) - 0.5
    values = np.minimum(wide, deep)
    leader, visited = walked(points, lambda n: values[n])
    assert leader == values.argmin()
    assert len(visited) < 0.6 * len(points)


def test_the_other_choices_are_tried_at_the_place_of_the_leader() -> None:
    points = [[*point, f"solver={s}"] for point in PLANE for s in ("newton", "optax_lbfgs")]

    def value(number: int) -> float:
        (_, b), other = divmod(number // 2, 3), number % 2
        return abs(number // 6 - 5) + b - 0.5 * other

    leader, _ = walked(points, value)
    assert points[leader] == ["clusters.a=10000", "clusters.b=5", "solver=optax_lbfgs"]
