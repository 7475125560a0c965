"""Events that come doubled, late and out of order, as each is known: once."""

from hypothesis import given
from hypothesis import strategies as st

from orderflow_client.history import AHEAD_MAX, KEPT_MAX, History
from orderflow_client.models import OrderEventFrame


def event(seq: int, status: str = "open") -> OrderEventFrame:
    at = "2026-11-21T08:30:00.000Z"
    members = {"type": "order", "orderId": "o", "clientOrderId": None, "seq": seq, "status": status}
    return OrderEventFrame.from_wire({**members, "attempt": 1, "at": at})


def seqs(history: History, after: int = 0) -> list[int] | None:
    found = history.after(after)
    return None if found is None else [each.seq for each in found]


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8)))
def test_any_order_of_frames_with_any_doubles_is_shown_once_and_in_order(
    order: list[int], also: list[int]
) -> None:
    history = History()
    for seq in [*order, *also]:
        history.add(event(seq))
    assert seqs(history) == list(range(1, 9))
    assert seqs(history, 6) == [7, 8]
    assert not history.has_gap


def test_event_behind_a_gap_waits_until_it_is_filled() -> None:
    history = History()
    assert history.add(event(2))
    assert (history.last_seq, history.has_gap, seqs(history)) == (0, True, [])
    assert history.add(event(1))
    assert (history.last_seq, history.has_gap, seqs(history)) == (2, False, [1, 2])


def test_event_that_came_before_is_no_news() -> None:
    history = History()
    assert history.add(event(1))
    assert not history.add(event(1))
    assert history.add(event(3))
    assert not history.add(event(3))


def test_memory_is_bounded_and_what_is_forgotten_is_said_to_be_so() -> None:
    history = History()
    for seq in range(1, KEPT_MAX + 11):
        history.add(event(seq))
    assert seqs(history, 9) is None
    assert seqs(history, 10) == list(range(11, KEPT_MAX + 11))
    ahead = [history.add(event(seq)) for seq in range(KEPT_MAX + 12, KEPT_MAX + 12 + AHEAD_MAX + 5)]
    assert ahead == [True] * AHEAD_MAX + [False] * 5
    assert history.last_seq == KEPT_MAX + 10
    history.add(event(KEPT_MAX + 11))
    assert history.last_seq == KEPT_MAX + 11 + AHEAD_MAX


def test_final_status_is_seen_by_its_name() -> None:
    history = History()
    assert not history.is_final
    history.add(event(1, "confirmed"))
    assert history.is_final
