"""The next thing is made while one is used, one and no more, and nothing is left running."""

import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from chalicelib.services.archive.ahead import ahead


def test_everything_comes_in_its_order() -> None:
    assert list(ahead(ahead(n for n in range(5)))) == [0, 1, 2, 3, 4]


def test_next_one_is_made_while_one_is_used_and_the_one_after_it_is_not() -> None:
    made = [threading.Event() for _ in range(3)]

    def makes() -> Generator[int, None, None]:
        for n, event in enumerate(made):
            event.set()
            yield n

    with closing(ahead(makes())) as items:
        assert next(items) == 0
        assert made[1].wait()
        assert not made[2].is_set()


def test_what_is_raised_in_the_thread_is_raised_here_after_what_came_before() -> None:
    def fails() -> Generator[int, None, None]:
        yield 1
        raise KeyError("defect")

    items = ahead(fails())
    assert next(items) == 1
    with pytest.raises(KeyError):
        next(items)


def test_closed_early_nothing_is_left_running_and_the_generator_is_closed() -> None:
    closed = threading.Event()

    def makes() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = set(threading.enumerate())
    with closing(ahead(ahead(makes()))) as items:
        assert next(items) == 1
    assert closed.is_set()
    assert set(threading.enumerate()) <= before
