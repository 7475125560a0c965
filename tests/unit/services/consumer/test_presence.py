"""A consumer that tells it is there: seldom, and of all that it took since."""

from datetime import timedelta
from uuid import UUID

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.services.consumer.presence import TOLD_EVERY, TellPresence
from tests.fakes.ports import FrozenClock

ME = UUID(int=1)


class Notes:
    def __init__(self) -> None:
        self.told: list[int] = []
        self.is_down = False

    def note(self, consumer_id: UUID, oldest_ms: int) -> None:
        assert consumer_id == ME
        if self.is_down:
            raise RetryableError("the database did not answer")
        self.told.append(oldest_ms)


def sent(clock: FrozenClock, *ages_ms: int) -> list[int]:
    return [int((clock.now() - timedelta(milliseconds=each)).timestamp() * 1000) for each in ages_ms]


def test_first_batch_is_told_and_those_after_it_in_one_with_their_oldest_message() -> None:
    notes, clock = Notes(), FrozenClock()
    presence = TellPresence(notes, clock, ME)
    presence.took(sent(clock, 20, 70))
    presence.took(sent(clock, 900))
    assert notes.told == [70]
    clock.sleep(TOLD_EVERY.total_seconds())
    presence.took(sent(clock, 5))
    assert notes.told == [70, 900]


def test_message_of_a_clock_ahead_has_no_age() -> None:
    notes, clock = Notes(), FrozenClock()
    TellPresence(notes, clock, ME).took(sent(clock, -50))
    assert notes.told == [0]


def test_what_the_record_does_not_take_is_told_later_and_it_is_left_alone_meanwhile() -> None:
    notes, clock = Notes(), FrozenClock()
    presence = TellPresence(notes, clock, ME)
    notes.is_down = True
    with pytest.raises(RetryableError):
        presence.took(sent(clock, 4_000))
    presence.took(sent(clock, 1))
    notes.is_down = False
    clock.sleep(TOLD_EVERY.total_seconds())
    presence.took(sent(clock, 1))
    assert notes.told == [4_000]
