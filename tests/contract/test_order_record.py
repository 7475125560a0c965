"""What every ``OrderRecord`` promises."""

from dataclasses import replace
from typing import Literal
from uuid import uuid4

import pytest

from chalicelib.adapters.postgres.claims import CLOCK_JUMP_S
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import ClaimedOrder, NewOrder, Subscribed, Subscription
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.services.consumer.transitions import release
from tests.contract.records import LONG_LEASE_MS, Store, an_attempt, next_transition
from tests.fakes.orders import LIFE, NOON, advanced, an_order, changed

S = OrderStatus
SHORT_LEASE_MS = 150


def test_order_is_created_once_whoever_tries(store: Store) -> None:
    order = an_order()
    store.created(order)
    state, events = advanced(OrderState(order), S.PENDING)
    assert store.record.create([NewOrder(state, events, None)], lease_ms=0) == frozenset()
    assert store.seqs(order.order_id) == [1, 2]


def test_orders_of_a_batch_are_created_independently(store: Store) -> None:
    known, new = an_order(), an_order()
    store.created(known)
    batch = [NewOrder(*advanced(OrderState(each), S.PENDING), None) for each in (known, new)]
    assert store.record.create(batch, lease_ms=LONG_LEASE_MS) == {new.order_id}


def test_order_that_comes_with_its_transaction_is_found_as_sent_by_the_next_claimant(store: Store) -> None:
    order = an_order()
    (begun,) = store.begun(order, lease_ms=0).values()
    assert store.seqs(order.order_id) == [1, 2, 3, 4, 5]
    assert not store.begun(order)
    claims = store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS)
    assert claims.claimed == {order.order_id: replace(begun, fence=2)}
    assert store.moved(claims.claimed[order.order_id], S.CONFIRMED).state.seq == 6


def test_order_under_a_lease_is_busy(store: Store) -> None:
    claimed = store.created(an_order())
    order_id = claimed.state.order.order_id
    claims = store.record.claim([order_id], lease_ms=LONG_LEASE_MS)
    assert (claims.claimed, claims.final) == ({}, {})
    assert claims.busy == {order_id: claimed.state}


def test_order_whose_lease_has_ended_is_claimed_under_the_next_fence(store: Store) -> None:
    order = an_order()
    created = store.created(order, lease_ms=0)
    claims = store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS)
    assert claims.claimed == {order.order_id: ClaimedOrder(created.state, fence=2)}
    assert store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS).busy


def test_lease_from_before_the_servers_clock_went_back_holds_nothing_up(store: Store) -> None:
    order = an_order()
    store.created(order, lease_ms=LONG_LEASE_MS + CLOCK_JUMP_S * 1000 + 60_000)
    claims = store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS)
    assert claims.claimed[order.order_id].fence == 2
    assert store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS).busy


def test_order_whose_lease_ran_out_is_abandoned_and_one_that_was_released_is_not(store: Store) -> None:
    left = store.created(an_order(), lease_ms=SHORT_LEASE_MS)
    for is_abandoned in (True, False):
        claimed = claimed_once_free(store, left)
        assert claimed.is_abandoned is is_abandoned
        assert store.record.record([release(claimed, published=False)], lease_ms=LONG_LEASE_MS)
        left = claimed
    again = claimed_once_free(store, left, lease_ms=SHORT_LEASE_MS)
    assert (again.is_abandoned, claimed_once_free(store, again).is_abandoned) == (False, True)


def test_leases_that_ran_out_count_on_until_something_else_is_written_down(store: Store) -> None:
    left, counted = store.created(an_order(), lease_ms=SHORT_LEASE_MS), []
    for _ in range(2):
        left = claimed_once_free(store, left, lease_ms=SHORT_LEASE_MS)
        counted.append(left.state.given_up)
    left = claimed_once_free(store, left)
    # Put off, it is not seen to have done its next consumer no harm.
    assert store.record.record([release(left, published=False)], lease_ms=LONG_LEASE_MS)
    left = claimed_once_free(store, left)
    assert [*counted, left.state.given_up] == [1, 2, 3]
    lived = replace(release(left, published=False), state=replace(left.state, given_up=0))
    assert store.record.record([lived], lease_ms=LONG_LEASE_MS)
    assert claimed_once_free(store, left).state.given_up == 0


def claimed_once_free(store: Store, order: ClaimedOrder, *, lease_ms: int = LONG_LEASE_MS) -> ClaimedOrder:
    """Ask for an order until the lease on it has ended."""
    while True:
        claims = store.record.claim([order.state.order.order_id], lease_ms=lease_ms)
        if claims.claimed:
            return claims.claimed[order.state.order.order_id]


def test_final_order_is_never_claimed_again(store: Store) -> None:
    claimed = store.created(an_order(), lease_ms=0)
    ended = store.moved(claimed, *LIFE[2:])
    order_id = claimed.state.order.order_id
    claims = store.record.claim([order_id], lease_ms=LONG_LEASE_MS)
    assert claims.final == {order_id: ended.state}
    assert (claims.claimed, claims.busy) == ({}, {})


def test_unknown_order_is_in_no_part_of_the_answer(store: Store) -> None:
    claims = store.record.claim([uuid4()], lease_ms=LONG_LEASE_MS)
    assert (claims.claimed, claims.busy, claims.final) == ({}, {}, {})


def test_transition_under_an_old_fence_changes_nothing(store: Store) -> None:
    order = an_order()
    slow = store.created(order, lease_ms=0)
    store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS)
    assert store.record.record([next_transition(slow, *LIFE[2:5])], lease_ms=LONG_LEASE_MS) == frozenset()
    assert store.seqs(order.order_id) == [1, 2]
    assert store.record.claim([order.order_id], lease_ms=0).busy[order.order_id].seq == 2


def test_transition_from_an_older_event_changes_nothing(store: Store) -> None:
    claimed = store.created(an_order())
    store.moved(claimed, S.ROUTED)
    assert store.record.record([next_transition(claimed, S.ROUTED)], lease_ms=LONG_LEASE_MS) == frozenset()
    assert store.seqs(claimed.state.order.order_id) == [1, 2, 3]


def test_transitions_of_a_batch_count_independently(store: Store) -> None:
    lost, kept = store.created(an_order(), lease_ms=0), store.created(an_order())
    store.record.claim([lost.state.order.order_id], lease_ms=LONG_LEASE_MS)
    transitions = [next_transition(lost, S.ROUTED), next_transition(kept, S.ROUTED)]
    assert store.record.record(transitions, lease_ms=LONG_LEASE_MS) == {kept.state.order.order_id}


def test_attempt_is_found_open_by_the_next_claimant_and_byte_for_byte(store: Store) -> None:
    claimed = store.created(an_order())
    attempt = an_attempt(signature=f"sig-{uuid4()}")
    transition = next_transition(claimed, *LIFE[2:5], attempt=attempt, release=True)
    assert store.record.record([transition], lease_ms=LONG_LEASE_MS)
    order_id = claimed.state.order.order_id
    found = store.record.claim([order_id], lease_ms=LONG_LEASE_MS).claimed[order_id]
    assert found.open_attempt == attempt
    assert found.state.was_sent


def test_dead_attempt_is_not_open_and_the_order_remembers_that_it_was_sent(store: Store) -> None:
    claimed = store.created(an_order())
    sent = store.moved(claimed, *LIFE[2:5])
    again = next_transition(sent, S.ROUTING, outcome="dead", release=True)
    assert store.record.record([again], lease_ms=LONG_LEASE_MS)
    order_id = claimed.state.order.order_id
    found = store.record.claim([order_id], lease_ms=LONG_LEASE_MS).claimed[order_id]
    assert found.open_attempt is None
    assert (found.state.status, found.state.was_sent) == (S.ROUTING, True)


@pytest.mark.parametrize(("mode", "strictest"), [(SwapMode.EXACT_IN, 9), (SwapMode.EXACT_OUT, 7)])
def test_order_that_was_refused_and_goes_on_is_held_to_the_strictest_threshold(
    store: Store, mode: SwapMode, strictest: int
) -> None:
    claimed = store.created(changed(an_order(), swap_mode=mode))
    order_id = claimed.state.order.order_id
    outcomes: list[tuple[int, Literal["refused", "dead"]]] = [(8, "refused"), (9, "refused"), (7, "refused")]
    outcomes += [(99, "dead"), (1, "dead")]
    for number, (threshold, outcome) in enumerate(outcomes, 1):
        attempt = replace(an_attempt(number, f"sig-{uuid4()}"), threshold_units=threshold)
        sent = next_transition(claimed, *LIFE[2:5], attempt=attempt)
        assert store.record.record([sent], lease_ms=LONG_LEASE_MS)
        claimed = ClaimedOrder(sent.state, claimed.fence, attempt)
        again = next_transition(claimed, S.ROUTING, outcome=outcome, release=True)
        assert store.record.record([again], lease_ms=LONG_LEASE_MS)
        claimed = store.record.claim([order_id], lease_ms=LONG_LEASE_MS).claimed[order_id]
    assert claimed.held_to == strictest


def test_no_attempt_is_made_beside_one_that_has_landed(store: Store) -> None:
    sent = store.moved(store.created(an_order()), *LIFE[2:5])
    landed = next_transition(sent, S.ROUTING, outcome="landed")
    assert store.record.record([landed], lease_ms=LONG_LEASE_MS)
    attempt = an_attempt(2, f"sig-{uuid4()}")
    again = next_transition(ClaimedOrder(landed.state, sent.fence), *LIFE[2:5], attempt=attempt)
    with pytest.raises(Exception, match="attempts_one_alive"):
        store.record.record([again], lease_ms=LONG_LEASE_MS)


def test_released_order_is_free_at_once(store: Store) -> None:
    claimed = store.created(an_order())
    assert store.record.record([next_transition(claimed, release=True)], lease_ms=LONG_LEASE_MS)
    assert store.record.claim([claimed.state.order.order_id], lease_ms=LONG_LEASE_MS).claimed


def test_step_that_is_recorded_begins_the_lease_anew(store: Store) -> None:
    claimed = store.created(an_order(), lease_ms=0)
    step = next_transition(claimed, S.ROUTED)
    assert store.record.record([step], lease_ms=LONG_LEASE_MS)
    order_id = claimed.state.order.order_id
    assert store.record.claim([order_id], lease_ms=LONG_LEASE_MS).busy == {order_id: step.state}


def test_what_was_published_is_known_to_the_next_claimant_and_says_nothing_of_later_events(
    store: Store,
) -> None:
    claimed = store.created(an_order())
    order_id = claimed.state.order.order_id
    assert store.record.record([release(claimed, published=True)], lease_ms=LONG_LEASE_MS)
    found = store.record.claim([order_id], lease_ms=LONG_LEASE_MS).claimed[order_id]
    assert found.state.published_seq == found.state.seq == claimed.state.seq
    assert store.record.record(
        [release(store.moved(found, *LIFE[2:5]), published=False)], lease_ms=LONG_LEASE_MS
    )
    later = store.record.claim([order_id], lease_ms=LONG_LEASE_MS).claimed[order_id].state
    assert later.published_seq == claimed.state.seq < later.seq


def test_order_remembers_which_submission_it_was_made_from(store: Store) -> None:
    first = replace(an_order(), submission_id=uuid4())
    store.created(first, lease_ms=0)
    again = replace(first, submission_id=uuid4())
    repeated = NewOrder(*advanced(OrderState(again), S.PENDING), None)
    assert not store.record.create([repeated], lease_ms=0)
    claims = store.record.claim([first.order_id], lease_ms=0)
    assert claims.claimed[first.order_id].state.order == first


def test_cancel_ends_an_unsent_order_and_shuts_its_claimant_out(store: Store) -> None:
    claimed = store.created(an_order(account_id="alice"))
    order = claimed.state.order
    canceled = store.record.cancel("alice", order.order_id, NOON)
    assert canceled is not None
    assert (canceled[0], canceled[1].seq, canceled[1].status) == (order, 3, S.CANCELED)
    assert store.record.record([next_transition(claimed, *LIFE[2:5])], lease_ms=LONG_LEASE_MS) == frozenset()
    assert store.seqs(order.order_id) == [1, 2, 3]
    assert store.record.cancel("alice", order.order_id, NOON) is None


@pytest.mark.parametrize("statuses", [LIFE[2:5], LIFE[2:]])
def test_order_that_was_sent_cannot_be_canceled(store: Store, statuses: tuple[OrderStatus, ...]) -> None:
    claimed = store.moved(store.created(an_order()), *statuses)
    assert store.record.cancel("alice", claimed.state.order.order_id, NOON) is None


def test_order_routing_again_after_an_attempt_cannot_be_canceled(store: Store) -> None:
    sent = store.moved(store.created(an_order()), *LIFE[2:5])
    store.record.record([next_transition(sent, S.ROUTING, outcome="dead")], lease_ms=LONG_LEASE_MS)
    assert store.record.cancel("alice", sent.state.order.order_id, NOON) is None


def test_other_accounts_find_and_cancel_nothing(store: Store) -> None:
    claimed = store.created(an_order(account_id="alice"))
    order_id = claimed.state.order.order_id
    assert store.record.state("mallory", order_id) is None
    assert store.record.cancel("mallory", order_id, NOON) is None
    assert store.record.state("alice", order_id) == claimed.state


def test_whole_life_is_kept_in_order(store: Store) -> None:
    claimed = store.moved(store.created(an_order()), *LIFE[2:])
    events = store.queries.events_after(claimed.state.order.order_id, 0, limit=100)
    assert [(event.seq, event.status) for event in events] == list(enumerate(LIFE, start=1))
    assert claimed.state.status in FINAL


def test_commit_tells_who_sees_its_orders_by_then(store: Store) -> None:
    order, unseen = an_order(), an_order()
    subscribed: Subscribed = {}
    claimed = store.created(order, connection_id="c=")
    others = store.created(unseen)
    steps = [next_transition(claimed, S.ROUTED), next_transition(others, S.ROUTED)]
    store.record.record(steps, lease_ms=LONG_LEASE_MS, subscribed=subscribed)
    assert subscribed == {
        order.order_id: [Subscription(order.order_id, "c=", live=True, replayed_to=0)],
        unseen.order_id: [],
    }


def test_order_that_comes_on_record_signed_is_seen_by_its_submitter_at_once(store: Store) -> None:
    order = an_order()
    state, events = advanced(OrderState(order), *LIFE[:5])
    new = NewOrder(state, events, "c=", attempt=an_attempt(signature=f"sig-{order.order_id}-1"))
    subscribed: Subscribed = {}
    assert store.record.create([new], lease_ms=LONG_LEASE_MS, subscribed=subscribed)
    assert subscribed == {order.order_id: [Subscription(order.order_id, "c=", live=True, replayed_to=0)]}
