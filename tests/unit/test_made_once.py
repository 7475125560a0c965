from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from chalicelib.made_once import made_once


class _Wiring:
    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    @made_once
    def engine(self) -> object:
        return self._make()


def test_threads_that_ask_at_the_same_time_get_the_same_one() -> None:
    begun, asked, go_on = Event(), Event(), Event()
    made: list[object] = []

    def make() -> object:
        made.append(object())
        begun.set()
        go_on.wait()
        return made[-1]

    wiring = _Wiring(make)

    def ask_as_well() -> object:
        asked.set()
        return wiring.engine

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: wiring.engine)
        begun.wait()
        second = threads.submit(ask_as_well)
        asked.wait()
        begun.clear()
        begun.wait(0.05)  # for a second one to be made, if it were
        go_on.set()
        assert first.result() is second.result() is wiring.engine
    assert len(made) == 1


def test_what_could_not_be_made_is_made_when_it_is_asked_for_again() -> None:
    outcomes: list[object] = [ValueError("no address"), "an engine"]

    def make() -> object:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    wiring = _Wiring(make)
    with pytest.raises(ValueError, match="no address"):
        assert wiring.engine
    assert wiring.engine == "an engine"
