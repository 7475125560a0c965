"""Refusals, counted: each once, in few statements, and never at the cost of an answer."""

from collections import Counter
from collections.abc import Mapping

from chalicelib.domain.errors import Code, RetryableError
from chalicelib.services.intake.refusals import AFTER_A_FAULT, WRITTEN_EVERY, CountRefusals
from tests.fakes.ports import FrozenClock


class FakeTally:
    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.statements = 0
        self.is_down = False

    def add(self, numbers: Mapping[str, int]) -> None:
        self.statements += 1
        if self.is_down:
            raise RetryableError("the database did not answer")
        self.numbers.update(numbers)


def test_first_refusal_is_written_at_once_and_a_flood_in_one_statement_with_the_next() -> None:
    tally, clock = FakeTally(), FrozenClock()
    counted = CountRefusals(tally, clock)
    for _ in range(100):
        counted.count(Code.RATE_LIMITED, may_write=True)
    assert (tally.numbers, tally.statements) == ({"RATE_LIMITED": 1}, 1)
    clock.sleep(WRITTEN_EVERY.total_seconds())
    counted.count(Code.INVALID_REQUEST, may_write=True)
    assert (tally.numbers, tally.statements) == ({"RATE_LIMITED": 100, "INVALID_REQUEST": 1}, 2)


def test_refusals_that_the_record_does_not_take_are_kept_and_it_is_left_alone_for_a_while() -> None:
    tally, clock = FakeTally(), FrozenClock()
    counted = CountRefusals(tally, clock)
    tally.is_down = True
    counted.count(Code.INVALID_JSON, may_write=True)
    tally.is_down = False
    clock.sleep(WRITTEN_EVERY.total_seconds())
    counted.count(Code.INVALID_JSON, may_write=True)
    assert tally.statements == 1
    clock.sleep(AFTER_A_FAULT.total_seconds())
    counted.count(Code.INVALID_JSON, may_write=True)
    assert tally.numbers == {"INVALID_JSON": 3}


def test_refusal_that_the_record_may_have_caused_waits_for_another() -> None:
    tally = FakeTally()
    counted = CountRefusals(tally, FrozenClock())
    counted.count(Code.SERVICE_UNAVAILABLE, may_write=False)
    assert tally.statements == 0
    counted.count(Code.INVALID_JSON, may_write=True)
    assert tally.numbers == {"SERVICE_UNAVAILABLE": 1, "INVALID_JSON": 1}
