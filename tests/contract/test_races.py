"""Writers of the record that meet at random: consumers, cancels, amendments and matchers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.audit import record_checks
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.mints import mint_scales
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, ConflictError
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import BY_MARGINAL_RATE, DirectedPair, SeenPrice
from chalicelib.services.consumer import transitions
from tests.contract.records import LONG_LEASE_MS, Store, next_transition, on_postgres
from tests.contract.waiting import wait_for_waiting
from tests.contract.watches import WatchesOnRecord
from tests.fakes.orders import NOON, an_order, changed

S = OrderStatus
THREADS = 4
ORDERS = 12
MOVES = 60
"""Of each thread."""


@dataclass(frozen=True)
class Racer:
    """One thread's part: whatever happens to an order, at random."""

    store: Store
    watches: WatchesOnRecord
    orders: list[Order]
    dice: Random

    def run(self) -> None:
        """Make all moves."""
        rare = (self.cancel, self.cancel_all, self.amend, self.resend)
        moves: list[Callable[[Order], object]] = [*rare, *[self.consume] * 4, *[self.fire] * 2]
        for _ in range(MOVES):
            self.dice.choice(moves)(self.dice.choice(self.orders))

    def consume(self, order: Order) -> None:
        """Claim some orders and move each on, as its status has it."""
        ids = {order.order_id, self.dice.choice(self.orders).order_id}
        claimed = self.store.record.claim(list(ids), lease_ms=LONG_LEASE_MS).claimed
        steps = [self._step(each) for each in claimed.values()]
        moved = self.store.record.record(steps, lease_ms=LONG_LEASE_MS)
        rest = [
            replace(transitions.rest(ClaimedOrder(step.state, step.claimed.fence), NOON), release=True)
            for step in steps
            if step.state.order.order_id in moved and step.state.status is S.ROUTING
        ]
        self.store.record.record(rest, lease_ms=0)

    def _step(self, claimed: ClaimedOrder) -> Transition:
        if claimed.state.status is S.OPEN and claimed.fired is None:
            return replace(transitions.release(claimed, published=False), release=True)
        if claimed.state.status is S.OPEN:
            return next_transition(claimed, S.ROUTING)
        return replace(transitions.rest(claimed, NOON), release=True)

    def cancel(self, order: Order) -> None:
        if self.dice.random() < 0.1:
            self.store.record.cancel(order.account_id, order.order_id, NOON)

    def cancel_all(self, order: Order) -> None:
        if self.dice.random() < 0.1:
            self.store.open_orders.cancel_some(order.account_id, OrderFilter(), NOON, limit=2)

    def amend(self, order: Order) -> None:
        limit = Limit("170", Rate.of(self.dice.choice([150, 160, 180]), 1_000))

        def change(state: OrderState) -> Order:
            if state.status is not S.OPEN:
                raise ConflictError(Code.ORDER_CHANGED, "it rests no more")
            return replace(state.order, terms=replace(state.order.terms, limit=limit))

        try:
            self.store.record.amend(order.account_id, order.order_id, NOON, change, {"limitPrice": "170"})
        except ConflictError:
            return

    def fire(self, order: Order) -> None:
        pair = DirectedPair(order.terms.input_token, order.terms.output_token)
        seen = Rate.of(170, 1_000)
        self.watches.fire([SeenPrice(pair, Direction.AT_LEAST, BY_MARGINAL_RATE, seen, 9, 9)], limit=2)

    def resend(self, _: Order) -> None:
        self.watches.resend(unclaimed_for_ms=0, limit=2)


@pytest.mark.parametrize("seed", range(3))
def test_order_and_its_watch_stay_together_whoever_meets_whom(contract_engine: Engine, seed: int) -> None:
    store, watches, dice = on_postgres(contract_engine), WatchesOnRecord(contract_engine), Random(seed)
    account_id, token = f"account-{uuid4()}", f"token {uuid4()}"
    orders = []
    for _ in range(ORDERS):
        order = changed(
            an_order(account_id=account_id),
            order_type=OrderType.LIMIT,
            limit=Limit("160", Rate.of(160, 1_000)),
            slippage_bps=None,
            time_in_force=TimeInForce.GTC,
            valid_for_s=None,
            input_token=token,
            price_base=token,
        )
        order = replace(order, valid_until=None)
        store.created(order, S.PENDING, S.ROUTING, lease_ms=0)
        orders.append(order)
    racers = [Racer(store, watches, orders, Random(dice.random())) for _ in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as executor:
        for done in [executor.submit(racer.run) for racer in racers]:
            done.result()
    with contract_engine.connect() as connection:
        checks = record_checks(load_tokens(), must_be_finished=False, mint_scales=mint_scales)
        found = [each for check in checks for each in check.violations(connection)]
    ids = {str(order.order_id) for order in orders}
    assert [each for each in found if each.subject in ids] == []


def test_order_that_another_has_just_claimed_is_busy_to_who_came_at_the_same_time(
    contract_engine: Engine,
) -> None:
    store = on_postgres(contract_engine)
    order_id = store.created(an_order(), lease_ms=0).state.order.order_id
    claimed = text("""
        UPDATE orders SET fence = fence + 1, lease_until = clock_timestamp() + interval '1 minute'
        WHERE order_id = :order_id
    """)
    with ThreadPoolExecutor(1) as executor, contract_engine.connect() as first:
        first.execute(claimed, {"order_id": order_id})
        second = executor.submit(store.record.claim, [order_id], lease_ms=LONG_LEASE_MS)
        with contract_engine.connect() as other:
            wait_for_waiting(other, 1, or_until=second.done)
        first.commit()
        claims = second.result()
    assert not claims.claimed
    assert set(claims.busy) == {order_id}


WAITS_AT_EACH_CANCEL = """
CREATE FUNCTION wait_to_cancel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1);
    RETURN NEW;
END $$;
CREATE TRIGGER waits BEFORE UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.status = 'canceled') EXECUTE FUNCTION wait_to_cancel()
"""
# Each order is looked up once it is found, as in a record of many.
LOOKED_UP = "enable_hashjoin", "enable_mergejoin", "enable_seqscan"


def test_cancel_of_all_ends_no_more_than_it_is_to_where_a_consumer_moves_what_it_is_coming_to(
    database_url: str,
) -> None:
    """Postgres runs parts of an UPDATE anew for a row that is another by the time that it comes to it."""
    engine = make_engine(database_url)
    with engine.begin() as owner:
        owner.execute(text(WAITS_AT_EACH_CANCEL))
        for setting in LOOKED_UP:
            owner.execute(text(f"ALTER DATABASE {engine.url.database} SET {setting} = off"))
    engine.dispose()
    store = on_postgres(engine)
    orders = []
    for seconds in range(3):
        order = replace(an_order(), accepted_at=NOON + timedelta(seconds=seconds))
        orders.append(store.created(order, lease_ms=0).state.order)
    with ThreadPoolExecutor(1) as executor, engine.connect() as gate:
        gate.execute(text("SELECT pg_advisory_xact_lock(1)"))
        canceled = executor.submit(
            store.open_orders.cancel_some, orders[0].account_id, OrderFilter(), NOON, limit=2
        )
        with engine.connect() as other:
            wait_for_waiting(other, 1, or_until=canceled.done)
        assert orders[1].order_id in store.record.claim([orders[1].order_id], lease_ms=0).claimed
        gate.commit()
        assert {each.order.order_id for each in canceled.result()} == {each.order_id for each in orders[:2]}
    engine.dispose()
