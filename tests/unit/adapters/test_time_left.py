"""What an invocation has left: work ends before its last words, and both before it is cut off."""

import math
import threading

import pytest

from chalicelib.adapters.time_left import MARGIN_S, TimeLeft


class Watch:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_without_an_invocation_every_limit_stands(watch: Watch) -> None:
    left = TimeLeft(watch)
    assert (left.for_work(5), left.for_words(5)) == (5, 5)
    assert left.has(math.inf)


def test_nothing_is_waited_for_beyond_the_end_of_an_invocation(watch: Watch) -> None:
    left = TimeLeft(watch)
    with left.of_invocation(10, last_words_s=1):
        watch.now_s += 8
        assert left.for_work(5) == pytest.approx(10 - MARGIN_S - 1 - 8)
        assert left.for_words(5) == pytest.approx(10 - MARGIN_S - 8)
        assert not left.has(1)
        watch.now_s += 5
        assert (left.for_work(5), left.for_words(5)) == (0, 0)
    assert left.for_work(5) == 5


def test_what_is_worth_little_ends_sooner_and_costs_the_rest_nothing(watch: Watch) -> None:
    left = TimeLeft(watch)
    with left.of_invocation(10):
        with left.at_most(2):
            assert left.for_work(5) == 2
            with left.at_most(7):
                assert left.for_work(5) == 2
        assert left.for_work(100) == pytest.approx(10 - MARGIN_S)


def test_thread_that_outlives_an_invocation_leaves_nothing_of_it_to_the_next(watch: Watch) -> None:
    left = TimeLeft(watch)
    within, may_end = threading.Event(), threading.Event()

    def courtesy() -> None:
        with left.at_most(2):
            within.set()
            may_end.wait()

    thread = threading.Thread(target=courtesy)
    with left.of_invocation(10):
        thread.start()
        within.wait()
        assert left.for_work(5) == 5
    may_end.set()
    thread.join()
    assert left.for_work(100) == 100


def test_what_is_read_once_for_many_requests_may_begin_although_one_is_worth_less_time(watch: Watch) -> None:
    left = TimeLeft(watch)
    with left.of_invocation(10), left.at_most(1):
        assert left.has(3)
        assert not left.has(10)
