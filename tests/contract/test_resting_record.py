"""What every ``OrderRecord`` promises of orders that rest: the order and its watch change in one commit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.domain.errors import Code, ConflictError
from chalicelib.domain.launches import Sniper
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Published
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.domain.watches import BY_MARGINAL_RATE, DirectedPair, SeenPrice
from chalicelib.services.consumer import transitions
from chalicelib.services.resting.waiting import watch_of
from tests.contract.records import LONG_LEASE_MS, Store, an_attempt, in_memory, next_transition, on_postgres
from tests.contract.waiting import wait_for_waiting
from tests.contract.watches import ArmableWatches, WatchesOnRecord
from tests.fakes.orders import NOON, an_order, changed
from tests.fakes.record import MemoryRecord

S = OrderStatus
LIMIT = Limit("160", Rate.of(160, 1_000))
STOP = Trigger(
    "140", When.BELOW, Rate.of(140, 1_000), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE
)


@dataclass(frozen=True)
class Floor:
    """A record, and the watches beside it."""

    store: Store
    watches: ArmableWatches

    def at_rest(self, **terms: Any) -> ClaimedOrder:
        """Put an order to rest, released; no other order is for its pair."""
        token = f"token {uuid4()}"
        said = {
            "order_type": OrderType.LIMIT,
            "limit": LIMIT,
            "slippage_bps": None,
            "time_in_force": TimeInForce.GTC,
            "valid_for_s": None,
            "input_token": token,
            "price_base": token,
        }
        order = replace(changed(an_order(), **(said | terms)), valid_until=None)
        claimed = self.store.created(order, S.PENDING)
        resting = replace(transitions.rest(claimed, NOON), release=True)
        assert self.store.record.record([resting], lease_ms=0) == {order.order_id}
        return ClaimedOrder(resting.state, claimed.fence)

    def fire(self, order: Order) -> int:
        """Show a price beyond the order's limit; return how many orders that fires."""
        pair = DirectedPair(order.terms.input_token, order.terms.output_token)
        seen = Rate.of(170, 1_000)
        price = SeenPrice(pair, Direction.AT_LEAST, BY_MARGINAL_RATE, seen, 9, 9)
        return len(self.watches.fire([price], limit=10))

    def claimed(self, order: Order) -> ClaimedOrder:
        return self.store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS).claimed[order.order_id]


@pytest.fixture(params=["memory", "postgres"])
def floor(request: pytest.FixtureRequest) -> Floor:
    if request.param == "memory":
        store = in_memory()
        assert isinstance(store.record, MemoryRecord)
        return Floor(store, store.record._tables.watches)
    engine = request.getfixturevalue("contract_engine")
    return Floor(on_postgres(engine), WatchesOnRecord(engine))


def test_claim_of_an_order_that_rests_tells_how_it_fired(floor: Floor) -> None:
    order = floor.at_rest().state.order
    first = floor.claimed(order)
    assert (first.state.order, first.fired) == (order, None)
    floor.store.record.record([transitions.release(first, published=True)], lease_ms=0)
    assert floor.fire(order) == 1
    fired = floor.claimed(order).fired
    assert fired is not None
    assert (fired.firing, fired.seen, fired.height) == (1, Rate.of(170, 1_000), 9)


def test_claim_of_several_orders_tells_of_each_how_it_fired(floor: Floor) -> None:
    orders = [floor.at_rest().state.order for _ in range(3)]
    assert [floor.fire(order) for order in orders[:2]] == [1, 1]
    claims = floor.store.record.claim([order.order_id for order in orders], lease_ms=LONG_LEASE_MS)
    fired = [claims.claimed[order.order_id].fired for order in orders]
    assert [each and each.order_id for each in fired] == [*(order.order_id for order in orders[:2]), None]


def test_order_put_to_rest_again_without_an_event_is_armed_again(floor: Floor) -> None:
    order = floor.at_rest().state.order
    floor.fire(order)
    again = replace(transitions.rest(floor.claimed(order), NOON), release=True)
    assert floor.store.record.record([again], lease_ms=0)
    assert floor.store.seqs(order.order_id) == [1, 2]
    assert floor.fire(order) == 1
    fired = floor.claimed(order).fired
    assert fired is not None
    assert fired.firing == 2


def test_order_that_moves_on_loses_its_watch_and_one_that_does_not_keeps_it(floor: Floor) -> None:
    order = floor.at_rest().state.order
    stale = floor.claimed(order)
    floor.store.record.record([transitions.release(stale, published=True)], lease_ms=0)
    floor.fire(order)
    claimed = floor.claimed(order)
    assert not floor.store.record.record([next_transition(stale, S.ROUTING)], lease_ms=0)
    assert floor.watches.fired(order.order_id) is not None
    assert floor.store.record.record([next_transition(claimed, S.ROUTING)], lease_ms=0)
    assert floor.watches.disarm([order.order_id]) == frozenset()


def test_canceled_order_loses_its_watch_also_after_refusals(floor: Floor) -> None:
    order = floor.at_rest().state.order
    claimed = floor.store.moved(floor.claimed(order), S.ROUTING, S.ROUTED, S.BUILDING, S.SUBMITTED)
    refused = transitions.rest_again(claimed, transitions.InVain("refused", "moved"), NOON, height=100)
    assert floor.store.record.record([refused], lease_ms=0)
    state = floor.store.record.state("alice", order.order_id)
    assert state is not None
    assert (state.status, state.attempt, state.used_attempts, state.was_sent) == (S.OPEN, 2, 1, True)
    assert floor.store.record.cancel("alice", order.order_id, NOON) is not None
    assert floor.watches.disarm([order.order_id]) == frozenset()


@pytest.mark.parametrize("outcome", ["refused", "dead"])
def test_order_whose_end_came_before_its_transaction_came_to_nothing_is_told_both_in_one_commit(
    floor: Floor, outcome: Literal["refused", "dead"]
) -> None:
    order = floor.at_rest().state.order
    claimed = floor.store.moved(floor.claimed(order), S.ROUTING, S.ROUTED, S.BUILDING, S.SUBMITTED)
    ended = replace(claimed.state.order, valid_until=NOON)
    late = replace(claimed, state=replace(claimed.state, order=ended))
    step = transitions.late(late, NOON, transitions.InVain(outcome, "moved"))
    assert floor.store.record.record([step], lease_ms=0)
    events = floor.store.queries.events_after(order.order_id, claimed.state.seq, limit=9)
    assert [event.status for event in events] == [S.OPEN, S.EXPIRED]
    assert floor.watches.disarm([order.order_id]) == frozenset()
    assert order.order_id in floor.store.record.claim([order.order_id], lease_ms=0).final


def test_order_canceled_while_it_is_put_to_rest_is_not_watched_for(contract_engine: Engine) -> None:
    """The cancel finds the order under way and waits for its row, while its consumer arms the watch."""
    store, watches = on_postgres(contract_engine), WatchesOnRecord(contract_engine)
    floor = Floor(store, watches)
    claimed = store.moved(floor.claimed(floor.at_rest().state.order), S.ROUTING)
    order = claimed.state.order
    resting = replace(transitions.rest(claimed, NOON), release=True)
    with ThreadPoolExecutor(2) as executor, contract_engine.connect() as other:
        other.execute(text("LOCK TABLE watch_pairs IN EXCLUSIVE MODE"))
        rested = executor.submit(store.record.record, [resting], lease_ms=0)
        wait_for_waiting(other, 1)
        canceled = executor.submit(store.record.cancel, order.account_id, order.order_id, NOON)
        wait_for_waiting(other, 2)
        other.rollback()
        assert rested.result() == {order.order_id}
        assert canceled.result() is not None
    assert watches.disarm([order.order_id]) == frozenset()


def test_watch_that_an_ended_order_left_behind_is_not_handed_out_again(floor: Floor) -> None:
    states = [floor.at_rest().state for _ in range(3)]
    ids = [state.order.order_id for state in states]
    assert floor.store.record.cancel("alice", ids[0], NOON) is not None
    floor.watches.arm([watch_of(states[0], NOON)])
    assert [floor.fire(state.order) for state in states[:2]] == [1, 1]
    sent_again = {one.order_id for one in floor.watches.resend(unclaimed_for_ms=0, limit=1_000)}
    assert sent_again.intersection(ids) == {ids[1]}
    assert floor.watches.disarm(ids) == {ids[1], ids[2]}


def test_triggered_order_is_known_as_such(floor: Floor) -> None:
    order = floor.at_rest(trigger=STOP).state.order
    claimed = floor.claimed(order)
    assert claimed.state.order.terms.trigger == STOP
    assert claimed.state.waits_for_trigger
    seen = transitions.Sighting(STOP.rate, 9)
    assert floor.store.record.record([transitions.triggered(claimed, seen, NOON)], lease_ms=0)
    assert floor.claimed(order).state.is_triggered


def to(price: str) -> Callable[[OrderState], Order]:
    limit = Limit(price, Rate.of(int(price), 1_000))
    return lambda state: replace(state.order, terms=replace(state.order.terms, limit=limit))


def test_amended_order_has_its_new_terms_and_shuts_its_claimant_out(floor: Floor) -> None:
    order = floor.at_rest().state.order
    floor.fire(order)
    claimed = floor.claimed(order)
    amended = floor.store.record.amend("alice", order.order_id, NOON, to("180"), {"limitPrice": "180"})
    assert amended is not None
    assert (amended[0].terms.limit, amended[1].seq) == (Limit("180", Rate.of(180, 1_000)), 3)
    assert not floor.store.record.record([next_transition(claimed, S.ROUTING)], lease_ms=0)
    assert floor.fire(order) == 0
    found = floor.claimed(order)
    assert (found.state.order, found.fired, found.state.published_seq) == (amended[0], None, 0)


def test_refusals_are_counted_until_the_limit_is_amended_and_what_never_landed_is_not(floor: Floor) -> None:
    order = floor.at_rest().state.order
    outcomes: list[Literal["dead", "refused"]] = ["dead", "refused", "refused"]
    for outcome in outcomes:
        sent = (S.ROUTING, S.ROUTED, S.BUILDING, S.SUBMITTED)
        before = floor.claimed(order)
        attempt = an_attempt(before.state.attempt, f"sig-{uuid4()}")
        step = next_transition(before, *sent, attempt=attempt)
        assert floor.store.record.record([step], lease_ms=LONG_LEASE_MS)
        after = ClaimedOrder(step.state, before.fence, attempt)
        rests = transitions.rest_again(after, transitions.InVain(outcome, "in vain"), NOON, height=1)
        rests = replace(rests, state=replace(rests.state, given_up=1), release=True)
        assert floor.store.record.record([rests], lease_ms=0)

    def counted(change: Callable[[OrderState], Order]) -> tuple[int, int, int]:
        assert floor.store.record.amend("alice", order.order_id, NOON, change, {})
        found = floor.claimed(order)
        floor.store.record.record([transitions.release(found, published=True)], lease_ms=0)
        return found.state.refused_at_bound, found.state.paid_refusals, found.state.given_up

    assert counted(lambda state: state.order) == (3, 2, 1)
    assert counted(to("180")) == (3, 0, 1)


def test_amendment_that_is_refused_or_of_another_account_changes_nothing(floor: Floor) -> None:
    order = floor.at_rest().state.order

    def refuse(state: OrderState) -> Order:
        raise ConflictError(Code.ORDER_CHANGED, f"not {state.seq}")

    with pytest.raises(ConflictError):
        floor.store.record.amend("alice", order.order_id, NOON, refuse, {})
    assert floor.store.record.amend("mallory", order.order_id, NOON, to("180"), {}) is None
    assert floor.claimed(order).state.order == order


def test_order_that_rests_after_a_leg_was_refused_is_held_to_that_until_its_amount_is_amended(
    floor: Floor,
) -> None:
    """A sniper order may: its pool is out of sight for a moment, and nothing else bounds it."""
    order, other = (
        floor.at_rest(order_type=OrderType.SNIPER, sniper=Sniper(), limit=None, slippage_bps=50).state.order
        for _ in range(2)
    )

    def refused(order: Order, threshold_units: int) -> None:
        sent = (S.ROUTING, S.ROUTED, S.BUILDING, S.SUBMITTED)
        before = floor.claimed(order)
        number = before.state.attempt
        attempt = replace(an_attempt(number, f"sig-{uuid4()}"), threshold_units=threshold_units)
        step = next_transition(before, *sent, attempt=attempt)
        assert floor.store.record.record([step], lease_ms=LONG_LEASE_MS)
        after = ClaimedOrder(step.state, before.fence, attempt)
        again = transitions.next_attempt(after, "moved", NOON, transitions.InVain("refused", "moved"))
        assert floor.store.record.record([again], lease_ms=LONG_LEASE_MS)
        rests = transitions.rest(ClaimedOrder(again.state, before.fence), NOON)
        assert floor.store.record.record([replace(rests, release=True)], lease_ms=0)

    def held_to(order: Order, amended: dict[str, object]) -> int | None:
        assert floor.store.record.amend("alice", order.order_id, NOON, lambda state: state.order, amended)
        found = floor.claimed(order)
        floor.store.record.record([transitions.release(found, published=True)], lease_ms=0)
        return found.held_to

    end: dict[str, object] = {"expiresAt": "2027-01-01T00:00:00.000Z"}
    refused(order, 9)
    refused(other, 5)
    assert held_to(order, end) == 9
    assert held_to(order, {"amount": "2"} | end) is None
    assert held_to(other, end) == 5
    refused(order, 7)
    assert held_to(order, end) == 7


def test_every_term_that_is_amended_is_on_record(floor: Floor) -> None:
    order, end = floor.at_rest(trigger=STOP).state.order, NOON + timedelta(days=3)
    terms = {
        "amount_units": order.terms.amount_units + 1,
        "limit": Limit("180", Rate.of(180, 1_000)),
        "trigger": replace(STOP, price="150", rate=Rate.of(150, 1_000)),
        "time_in_force": TimeInForce.GTD,
        "expires_at": end,
    }
    after = replace(changed(order, **terms), valid_until=end)
    found = floor.store.record.amend("alice", order.order_id, NOON, lambda _: after, {})
    assert found is not None
    state = floor.store.record.state("alice", order.order_id)
    assert state is not None
    assert (found[0], state.order) == (after, after)


def test_event_is_noted_as_published_if_all_before_it_were(floor: Floor) -> None:
    order = floor.at_rest().state.order
    floor.store.record.note_published([Published(order.order_id, 1, 2)])
    claimed = floor.claimed(order)
    assert claimed.state.published_seq == 0
    floor.store.record.record([transitions.release(claimed, published=True)], lease_ms=0)
    floor.store.record.amend("alice", order.order_id, NOON, to("180"), {})
    floor.store.record.note_published([Published(order.order_id, 2, 3)])
    floor.store.record.note_published([Published(order.order_id, 0, 2)])  # late
    assert floor.claimed(order).state.published_seq == 3


def test_change_is_left_to_who_made_it_for_a_while_and_for_good_once_it_is_published(floor: Floor) -> None:
    record, order = floor.store.record, floor.at_rest().state.order

    def elsewhere(*, within_s: int = 60) -> bool:
        return order.order_id in record.published_elsewhere([order.order_id], within_s=within_s)

    assert not elsewhere()
    assert record.cancel("alice", order.order_id, NOON) is not None
    assert (elsewhere(), elsewhere(within_s=0)) == (True, False)
    record.note_published([Published(order.order_id, 0, 3)])
    assert (elsewhere(), elsewhere(within_s=0)) == (True, True)


def test_amendment_is_found_by_each_sweep_until_the_last_one_was_published(contract_engine: Engine) -> None:
    store, housekeeping = on_postgres(contract_engine), PostgresHousekeeping(contract_engine)
    floor = Floor(store, WatchesOnRecord(contract_engine))
    order = floor.at_rest().state.order

    def is_found() -> bool:
        with contract_engine.begin() as connection:
            connection.execute(text("UPDATE unpublished SET since = since - interval '1 minute'"))
        found = housekeeping.unpublished_orders(limit=1_000)
        return order.order_id in {each.order_id for each in found}

    for price in ("180", "190"):
        assert store.record.amend("alice", order.order_id, NOON, to(price), {})
    store.record.note_published([Published(order.order_id, 0, 3)])
    assert [is_found(), is_found()] == [True, True]
    claimed = floor.claimed(order)
    assert store.record.record([transitions.release(claimed, published=True)], lease_ms=0)
    assert not is_found()
