"""Background work: in order, one thing at a time, and all of it done when it is waited for."""

import threading
from collections.abc import Iterator

import pytest

from chalicelib.services.delivery import background as module
from tests.support.threads import ended_backgrounds

LONG_S = 3_600.0


@pytest.fixture(autouse=True)
def no_background_goes_on() -> Iterator[None]:
    with ended_backgrounds():
        yield


def test_work_is_done_in_the_order_it_was_given() -> None:
    background, done = module.ThreadBackground(), list[int]()
    for number in range(20):
        background.run(lambda number=number: done.append(number))  # type: ignore[misc]  # the loop's variable, bound now
    background.wait()
    assert done == list(range(20))


def test_work_that_may_wait_is_done_when_its_time_comes_though_nobody_waits() -> None:
    background, done = module.ThreadBackground(), threading.Event()
    background.run_within(0.01, done.set)
    assert done.wait(120)


def test_work_that_may_wait_is_done_at_once_and_last_when_somebody_waits() -> None:
    background, done = module.ThreadBackground(), list[str]()
    background.run_within(LONG_S, lambda: done.append("later"))
    background.run(lambda: done.append("now"))
    background.wait()
    assert done == ["now", "later"]


def test_work_that_waits_already_is_done_once_and_other_work_besides() -> None:
    background, done = module.ThreadBackground(), list[str]()

    def first() -> None:
        done.append("first")

    background.run_within(LONG_S, first)
    background.run_within(LONG_S, first)
    background.run_within(LONG_S, lambda: done.append("second"))
    background.wait()
    background.wait()
    assert done == ["first", "second"]


def test_work_given_by_work_that_is_waited_for_is_waited_for_too() -> None:
    background, done = module.ThreadBackground(), list[str]()
    background.run(lambda: background.run_within(LONG_S, lambda: done.append("last")))
    background.wait()
    assert done == ["last"]


def test_error_is_raised_to_whoever_waits_once_and_keeps_nothing_from_being_done() -> None:
    background, done = module.ThreadBackground(), list[str]()

    def fail() -> None:
        raise ValueError("broken")

    background.run(fail)
    background.run(lambda: done.append("next"))
    background.run_within(LONG_S, lambda: done.append("later"))
    with pytest.raises(ValueError, match="broken"):
        background.wait()
    background.wait()
    assert done == ["next", "later"]


def test_nothing_to_do_is_nothing_to_wait_for() -> None:
    module.ThreadBackground().wait()
