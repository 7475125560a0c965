"""Which message a receive takes: quiet groups go first, and what is not deleted comes back."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalice_offline.services.fair_messages import FairMessages, Message

NOW = 1_000_000_000.0
HIDDEN_S = 30.0


def a_message(group: str | None, name: str, *, visible_at: float = NOW) -> Message:
    return {
        "group_id": group,
        "name": name,
        "visible_at": visible_at,
        "receive_count": 0,
        "receipt_handle": None,
    }


class Queue:
    """Messages under a clock of the test's own."""

    def __init__(self) -> None:
        self.messages = FairMessages(prepare=lambda _message: None, clock=lambda: self.now)
        self.now = NOW
        self._handles = iter(range(10**6))

    def send(self, group: str | None, *names: str) -> None:
        for name in names:
            self.messages.append(a_message(group, name))

    def receive(self, most: int = 10) -> list[Message]:
        return self.messages.receive(most, self.now, self._mark)

    def names(self, most: int = 10) -> str:
        return "".join(message["name"] for message in self.receive(most))

    def _mark(self, message: Message) -> None:
        message["receipt_handle"] = f"{next(self._handles)}"
        message["visible_at"] = self.now + HIDDEN_S
        message["receive_count"] += 1


@pytest.fixture
def queue() -> Queue:
    return Queue()


def test_groups_messages_come_in_the_order_in_which_they_were_sent(queue: Queue) -> None:
    queue.send("a", *"123456")
    assert [queue.names(4), queue.names(4), queue.names(4)] == ["1234", "56", ""]


def test_messages_without_a_group_come_in_their_order(queue: Queue) -> None:
    queue.send(None, *"123")
    assert queue.names() == "123"


def test_quiet_groups_messages_are_in_the_next_receive_whatever_the_backlog_of_another(queue: Queue) -> None:
    queue.send("noisy", *"n" * 5_000)
    for _ in range(20):
        queue.receive()
    for name in "abc":
        queue.send(f"quiet {name}", name)
    assert queue.names() == "abc" + "n" * 7


def test_group_with_many_in_flight_and_no_backlog_waits_for_the_others(queue: Queue) -> None:
    queue.send("noisy", *"n" * 50)
    while queue.receive():
        pass
    queue.send("noisy", "n")
    queue.send("quiet", *"qqq")
    assert queue.names(3) == "qqq"


def test_groups_with_backlogs_share_evenly(queue: Queue) -> None:
    for name in "abc":
        queue.send(name, *name * 100)
    names = "".join(queue.names() for _ in range(9))
    assert {name: names.count(name) for name in "abc"} == {"a": 30, "b": 30, "c": 30}


def test_group_that_is_worked_off_is_no_longer_noisy(queue: Queue) -> None:
    queue.send("a", *"a" * 10)
    for message in queue.receive():
        queue.messages.delete(message["receipt_handle"])
    queue.send("b", "b")
    queue.receive()
    queue.send("b", "b")
    queue.send("a", "a")
    assert queue.names(1) == "a"


def test_message_that_is_not_deleted_comes_back_in_its_old_place(queue: Queue) -> None:
    queue.send("a", *"12")
    assert queue.names(1) == "1"
    queue.now += HIDDEN_S
    assert queue.names() == "12"
    queue.now += HIDDEN_S - 1
    assert queue.names() == ""


def test_old_handle_is_good_until_the_message_is_received_again(queue: Queue) -> None:
    queue.send("a", *"12")
    first, second = (message["receipt_handle"] for message in queue.receive())
    queue.now += HIDDEN_S
    assert queue.messages.delete(second)
    queue.receive()
    assert not queue.messages.delete(first)
    assert not queue.messages.delete(second)
    assert len(queue.messages) == 1


def test_messages_that_came_back_are_told_of_once(queue: Queue) -> None:
    queue.send("a", *"123")
    kept, deleted, _ = queue.receive()
    assert queue.messages.returned(queue.now) == []
    queue.now += HIDDEN_S
    queue.messages.delete(deleted["receipt_handle"])
    assert queue.messages.returned(queue.now)[0] is kept
    assert queue.messages.returned(queue.now) == []


def test_copy_is_a_list_that_can_be_saved(queue: Queue) -> None:
    queue.send("a", *"12")
    queue.receive(1)
    saved: Any = json.loads(json.dumps(copy.deepcopy({"messages": queue.messages})))
    queue.messages = FairMessages(saved["messages"], prepare=lambda _message: None, clock=lambda: queue.now)
    queue.now += HIDDEN_S
    assert queue.names() == "12"
    assert [message["name"] for message in queue.messages] == ["1", "2"]
    assert queue.messages[-1]["name"] == "2"


def test_cleared_queue_is_as_new(queue: Queue) -> None:
    queue.send("a", *"12")
    (message,) = queue.receive(1)
    queue.messages.clear()
    queue.now += HIDDEN_S
    assert (queue.names(), queue.messages.delete(message["receipt_handle"]), list(queue.messages)) == (
        "",
        False,
        [],
    )
    with pytest.raises(ValueError, match="no such message"):
        queue.messages.remove(message)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(["a", "b", "c", None])),
        st.tuples(st.just("receive"), st.integers(1, 10)),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.just("show"), st.integers(0, 9), st.sampled_from([0.0, 5.0, 90.0])),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 29.0, 30.0, 100.0])),
    ),
    max_size=120,
)


@given(STEPS)
def test_every_message_is_received_until_it_is_deleted_and_never_while_it_is_hidden(steps: list[Any]) -> None:
    queue, sent, deleted, held = Queue(), 0, 0, list[Message]()
    for what, *how in steps:
        if what == "send":
            queue.send(how[0], "m")
            sent += 1
        elif what == "receive":
            visible = {id(each) for each in queue.messages if each["visible_at"] <= queue.now}
            assert queue.messages.visible(queue.now) == len(visible)
            received = queue.receive(how[0])
            assert len(received) == min(how[0], len(visible))
            assert {id(each) for each in received} <= visible
            held += received
        elif what == "wait":
            queue.now += how[0]
        elif held:
            message = held[how[0] % len(held)]
            if what == "delete":
                deleted += queue.messages.delete(message["receipt_handle"])
            else:
                queue.messages.show_at(message["receipt_handle"], queue.now + how[1])
    queue.now += 1_000
    left = 0
    while batch := queue.receive():
        left += len(batch)
        for message in batch:
            assert queue.messages.delete(message["receipt_handle"])
    assert (left, len(queue.messages)) == (sent - deleted, 0)


def test_clock_that_is_set_back_hides_nothing_for_as_much_longer(queue: Queue) -> None:
    queue.send("a", *"12")
    assert queue.names() == "12"
    queue.messages.append(a_message("b", "3", visible_at=NOW + HIDDEN_S))  # as one that is sent with a delay
    queue.now -= 3_600
    queue.messages.append(a_message("a", "4", visible_at=queue.now))
    assert queue.names() == "4"
    queue.now += HIDDEN_S
    assert sorted(queue.names()) == ["1", "2", "3", "4"]


def test_clock_that_is_corrected_a_little_shows_nothing_sooner(queue: Queue) -> None:
    queue.send("a", "1")
    assert queue.names() == "1"
    queue.now -= HIDDEN_S / 2
    assert queue.names() == ""
    queue.now += HIDDEN_S
    assert queue.names() == ""


def test_clock_that_is_set_back_shows_nothing_sooner_that_was_put_off_since(queue: Queue) -> None:
    queue.send("a", "1")
    assert queue.names() == "1"
    queue.now -= 3_600
    (held,) = queue.messages
    queue.messages.show_at(held["receipt_handle"], queue.now + HIDDEN_S)
    queue.messages.append(a_message("b", "2", visible_at=queue.now + HIDDEN_S))
    assert queue.names() == ""
    queue.now += HIDDEN_S
    assert sorted(queue.names()) == ["1", "2"]
