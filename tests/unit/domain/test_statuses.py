"""The life cycle, exhaustively: each status by each status."""

from itertools import product

import pytest

from chalicelib.domain.errors import InvalidTransitionError
from chalicelib.domain.statuses import CANCELABLE, FINAL, SUCCESSORS, OrderStatus, check_transition

S = OrderStatus
# Where an order stands, and what may come next: spelled out a second time, so that no change goes unnoticed.
LEGAL = {
    (S.PENDING, S.OPEN), (S.PENDING, S.TRIGGERED), (S.PENDING, S.ROUTING), (S.PENDING, S.FAILED),
    (S.PENDING, S.CANCELED), (S.PENDING, S.EXPIRED),
    (S.OPEN, S.OPEN), (S.OPEN, S.TRIGGERED), (S.OPEN, S.ROUTING), (S.OPEN, S.FAILED), (S.OPEN, S.CANCELED),
    (S.OPEN, S.EXPIRED),
    (S.TRIGGERED, S.OPEN), (S.TRIGGERED, S.ROUTING), (S.TRIGGERED, S.FAILED), (S.TRIGGERED, S.CANCELED),
    (S.TRIGGERED, S.EXPIRED),
    (S.ROUTING, S.ROUTING), (S.ROUTING, S.OPEN), (S.ROUTING, S.ROUTED),
    (S.ROUTING, S.FAILED), (S.ROUTING, S.CANCELED), (S.ROUTING, S.EXPIRED),
    (S.ROUTED, S.ROUTING), (S.ROUTED, S.BUILDING),
    (S.ROUTED, S.FAILED), (S.ROUTED, S.CANCELED), (S.ROUTED, S.EXPIRED),
    (S.BUILDING, S.ROUTING), (S.BUILDING, S.SUBMITTED),
    (S.BUILDING, S.FAILED), (S.BUILDING, S.CANCELED), (S.BUILDING, S.EXPIRED),
    (S.SUBMITTED, S.ROUTING), (S.SUBMITTED, S.OPEN), (S.SUBMITTED, S.CONFIRMED), (S.SUBMITTED, S.FAILED),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), list(product(S, S)))
def test_only_the_listed_transitions_are_legal(before: OrderStatus, after: OrderStatus) -> None:
    if (before, after) in LEGAL:
        check_transition(before, after)
    else:
        with pytest.raises(InvalidTransitionError, match=f"from {before} to {after}"):
            check_transition(before, after)


@pytest.mark.parametrize("first", list(S))
def test_an_order_starts_pending(first: OrderStatus) -> None:
    if first is S.PENDING:
        check_transition(None, first)
    else:
        with pytest.raises(InvalidTransitionError, match="from nothing"):
            check_transition(None, first)


def test_every_status_has_its_row_and_final_ones_an_empty_one() -> None:
    assert set(SUCCESSORS) == set(S)
    assert {status for status, successors in SUCCESSORS.items() if not successors} == FINAL


def test_every_status_is_unsent_submitted_or_final() -> None:
    assert set(S) == CANCELABLE | {S.SUBMITTED} | FINAL
    assert not CANCELABLE & FINAL


def test_what_may_have_been_sent_is_neither_canceled_nor_expired() -> None:
    assert not SUCCESSORS[S.SUBMITTED] & {S.CANCELED, S.EXPIRED}


def test_every_status_can_be_reached_and_every_unfinished_one_can_end() -> None:
    reached = {S.PENDING}
    while more := {after for status in reached for after in SUCCESSORS[status]} - reached:
        reached |= more
    assert reached == set(S)
    assert all(SUCCESSORS[status] & FINAL for status in set(S) - FINAL)
