"""Publishing again: all that is not known to have been published, and nothing that is."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import RetryableError
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.delivery.republish import EventRepublisher
from tests.contract.records import in_memory
from tests.fakes.orders import LIFE, VIEWS, an_order
from tests.fakes.ports import FakeConnections, FakeQueue


class Again:
    """An order of five events, of which some are known to have been published to ``c=``."""

    def __init__(self) -> None:
        store = in_memory()
        self.connections, self.queue = FakeConnections(), FakeQueue()
        self.state = store.created(an_order(), *LIFE[:5], connection_id="c=").state
        publisher = EventPublisher(store.subscriptions, self.connections, self.queue, VIEWS)
        self._republisher = EventRepublisher(store.queries, publisher, store.record)

    def republish(
        self, published_seq: int, acknowledgement: Acknowledgement | None = None, seq: int = 5
    ) -> None:
        found = replace(self.state, published_seq=published_seq, seq=seq)
        self._republisher.republish(found, acknowledgement)

    def frames(self) -> list[dict[str, Any]]:
        texts = [json.loads(text) for text in self.connections.frames.get("c=", [])]
        return [member for frame in texts for member in frame.get("frames", [frame])]

    def seen(self) -> list[int | None]:
        return [frame.get("seq") for frame in self.frames()]


@pytest.fixture
def again() -> Again:
    return Again()


@pytest.mark.parametrize(("published_seq", "seen"), [(0, [1, 2, 3, 4, 5]), (3, [4, 5]), (5, [])])
def test_events_are_published_that_are_not_known_to_have_been(
    again: Again, published_seq: int, seen: list[int]
) -> None:
    again.republish(published_seq)
    assert again.seen() == seen


def test_event_that_is_younger_than_what_was_found_is_left_to_its_own_publisher(again: Again) -> None:
    again.republish(1, seq=3)
    assert again.seen() == [2, 3]


def test_acknowledgement_goes_ahead_of_the_first_event_and_of_no_later_one(again: Again) -> None:
    again.republish(0, Acknowledgement("c=", "r1"))
    assert [frame["type"] for frame in again.frames()] == ["accepted"] + ["order"] * 5
    later = Again()
    later.republish(2, Acknowledgement("c=", "r1"))
    assert later.seen() == [3, 4, 5]


def test_subscriber_that_cannot_even_be_marked_for_catching_up_is_a_passing_fault(again: Again) -> None:
    again.connections.slow.add("c=")
    again.queue.is_down = True
    with pytest.raises(RetryableError):
        again.republish(0)


def test_order_that_ended_and_was_told_of_by_another_message_is_acknowledged_all_the_same() -> None:
    store, connections = in_memory(), FakeConnections()
    ended = store.moved(store.created(an_order(), *LIFE[:2], connection_id="c="), *LIFE[2:]).state
    publisher = EventPublisher(store.subscriptions, connections, FakeQueue(), VIEWS)
    republisher = EventRepublisher(store.queries, publisher, store.record)
    republisher.republish(ended)
    noted = store.record.state(ended.order.account_id, ended.order.order_id)
    assert noted is not None
    assert noted.published_seq == ended.seq
    connections.frames.clear()
    republisher.republish(noted)
    assert connections.frames == {}
    republisher.republish(noted, Acknowledgement("c=", "r1"))
    assert '"type":"accepted"' in connections.frames["c="][0]
