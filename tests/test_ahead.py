"""Reading ahead gives what reading gives, in any order, while something else is done."""

from threading import Event, get_ident

import pytest

from sweep.ahead import MOST, ahead


def test_results_are_those_of_the_function_whatever_is_asked_for() -> None:
    with ahead(lambda n: n**2, range(5)) as squared:
        assert [squared(n) for n in (0, 1, 2, 3, 4)] == [0, 1, 4, 9, 16]
        assert [squared(n) for n in (3, 7)] == [9, 49]


def test_the_next_is_made_before_it_is_asked_for_by_another_thread() -> None:
    made, threads = {n: Event() for n in range(5)}, set()

    def make(number: int) -> int:
        threads.add(get_ident())
        made[number].set()
        return number

    with ahead(make, range(5)) as get:
        for number in range(5):
            get(number)
            for coming in range(number + 1, min(number + MOST, 5)):
                assert made[coming].wait(10.0)
    assert get_ident() not in threads


def test_no_more_wait_than_there_is_memory_for() -> None:
    made = []
    with ahead(lambda n: made.append(n) or n, range(50)) as get:
        get(0)
        get(1)
    assert len(made) <= 2 + MOST


def test_an_error_is_raised_where_its_result_is_asked_for() -> None:
    def make(number: int) -> float:
        return 1 / (number - 1)

    with ahead(make, range(3)) as get:
        assert get(0) == -1.0
        with pytest.raises(ZeroDivisionError):
            get(1)
        assert get(2) == 1.0
