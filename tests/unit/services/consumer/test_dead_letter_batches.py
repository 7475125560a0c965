"""Dead letters that come together: a fault, a defect or a death over one of them is that one's alone."""

from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.services.consumer.dead_letter_batches import resolve_each
from chalicelib.services.consumer.dead_letters import DeadLetter, ResolveDeadLetters
from chalicelib.services.ports import OrderView
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.market import ProcessKilledError
from tests.fakes.orders import an_order
from tests.unit.services.consumer.test_dead_letters import (
    letter,
    of_order,
    reason,
    sent_and_undecided,
    subscription,
)


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


def test_fault_over_one_letter_keeps_that_and_a_defect_archives_it_and_the_others_are_resolved(
    consumer: ConsumerOnFakes,
) -> None:
    undecided, sound = sent_and_undecided(consumer), an_order()
    consumer.chain.faults["view"] = RetryableError("no answer")

    def defective(*_: object) -> OrderView | None:
        raise KeyError("planted")

    consumer.queries.find = defective  # type: ignore[method-assign,assignment]
    letters = [
        letter(of_order(undecided), "fault"),
        letter(subscription(uuid4()), "defect"),
        letter(of_order(sound), "sound"),
    ]
    done = resolve_each(consumer.resolve_dead_letters, letters)
    assert done == {"fault": False, "defect": True, "sound": True}
    assert reason(consumer, "defect") == "a defect of ours: KeyError"
    assert consumer.statuses(sound)[-1] is Status.FAILED
    assert consumer.tables.dead_letters.keys() == {"defect", "sound"}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_letter_that_kills_the_process_keeps_no_other_from_its_end_for_good(
    consumer: ConsumerOnFakes, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    orders = [an_order() for _ in range(3)]
    sound, resolve = [order for order in orders if order is not orders[place]], ResolveDeadLetters.resolve

    def deadly(self: ResolveDeadLetters, letter: DeadLetter) -> bool:
        if letter.message_id == f"m{place}":
            raise ProcessKilledError
        return resolve(self, letter)

    monkeypatch.setattr(ResolveDeadLetters, "resolve", deadly)
    for receive_count in range(11, 14):
        letters = [
            replace(letter(of_order(order), f"m{number}"), receive_count=receive_count)
            for number, order in enumerate(orders)
        ]
        with suppress(ProcessKilledError):
            resolve_each(consumer.resolve_dead_letters, letters)
    assert [consumer.statuses(order)[-1] for order in sound] == [Status.FAILED] * 2
