"""The record on real Postgres, by two connections in turns, beside the model that the simulation runs on.

Claim, lease, fence, cancel and idempotency: any sequence of calls has the same answers in both. So the
simulation's record is worth as much as the real one, and the real one as much as the model's few lines.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.order_queries import PostgresClientOrderKeys, PostgresOrderQueries
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.domain.errors import Code
from chalicelib.domain.events import Recorded, Routing
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import AttemptOutcome, ClaimedOrder, Claims, NewOrder, OpenAttempt, Transition
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.consumer.transitions import first_transition, release
from tests.fakes.orders import VIEWS
from tests.fakes.queries import MemoryQueries
from tests.fakes.record import MemoryRecord
from tests.fakes.tables import Tables
from tests.simulation.builders import MOMENT, an_attempt, an_order

# Longer than a call takes, and shorter than what is taken for a lease of another clock's.
LONG_MS, ENDED_MS = 50_000, 0
ORDERS = tuple(an_order(name) for name in ("one", "two", "three"))
TABLES = "attempts, order_events, orders, subscriptions, client_order_keys, watches, unpublished"

consumers = st.sampled_from((0, 1))
orders = st.sampled_from(ORDERS)
leases = st.sampled_from((LONG_MS, ENDED_MS))


class RecordBesideModel(RuleBasedStateMachine):
    """Two consumers with a connection each; the model sees the same calls one after the other."""

    engines: ClassVar[tuple[Engine, Engine]]

    def __init__(self) -> None:
        super().__init__()
        with self.engines[0].begin() as connection:
            # The owner has to say that it means it: events are only appended to.
            connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
            connection.execute(text(f"TRUNCATE {TABLES}"))
            connection.execute(text("ALTER TABLE order_events ENABLE TRIGGER USER"))
        self.moment = MOMENT
        self.tables = Tables(self._tick)
        self.model = MemoryRecord(self.tables)
        self.model_queries = MemoryQueries(self.tables)
        self.records = [PostgresOrderRecord(engine, VIEWS) for engine in self.engines]
        self.keys = [PostgresClientOrderKeys(engine) for engine in self.engines]
        self.queries = PostgresOrderQueries(self.engines[0])
        self.claimed: list[ClaimedOrder] = []
        self.salt = 0

    def _tick(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    @rule(who=consumers, order=orders, lease_ms=leases)
    def create(self, who: int, order: Order, lease_ms: int) -> None:
        new = _new(order)
        created = self.records[who].create([new], lease_ms=lease_ms)
        assert created == self.model.create([new], lease_ms=lease_ms)
        if created:
            self.claimed.append(ClaimedOrder(new.state, fence=1))

    @rule(who=consumers, order=orders, lease_ms=leases)
    def create_signed(self, who: int, order: Order, lease_ms: int) -> None:
        """Put an order on record with its transaction."""
        self.salt += 1
        first = _new(order)
        step = _transition(ClaimedOrder(first.state, fence=1), "on", self.salt)
        assert step is not None
        new = NewOrder(step.state, (*first.events, *step.events), None, attempt=step.new_attempt)
        created = self.records[who].create([new], lease_ms=lease_ms)
        assert created == self.model.create([new], lease_ms=lease_ms)
        if created:
            self.claimed.append(ClaimedOrder(new.state, 1, new.attempt))

    @rule(who=consumers, wanted=st.lists(orders, unique=True, min_size=1), lease_ms=leases)
    def claim(self, who: int, wanted: list[Order], lease_ms: int) -> None:
        ids = [order.order_id for order in wanted]
        claims = self.records[who].claim(ids, lease_ms=lease_ms)
        assert _plain(claims) == _plain(self.model.claim(ids, lease_ms=lease_ms))
        self.claimed += claims.claimed.values()

    @precondition(lambda self: self.claimed)
    @rule(
        who=consumers,
        data=st.data(),
        lease_ms=leases,
        how=st.sampled_from(("on", "confirm", "fail", "again", "refused", "go", "published")),
    )
    def record(self, who: int, data: Any, lease_ms: int, how: str) -> None:
        """Move an order on as a consumer that has claimed it, or had once."""
        claimed = data.draw(st.sampled_from(self.claimed))
        self.salt += 1
        transition = _transition(claimed, how, self.salt)
        if transition is None or claimed.state.is_final:
            return
        counted = self.records[who].record([transition], lease_ms=lease_ms)
        assert counted == self.model.record([transition], lease_ms=lease_ms)
        if counted and not transition.state.is_final:
            self.claimed.append(ClaimedOrder(transition.state, claimed.fence, _open_after(transition)))

    @rule(who=consumers, order=orders, account=st.sampled_from(("alice", "mallory")))
    def cancel(self, who: int, order: Order, account: str) -> None:
        real = self.records[who].cancel(account, order.order_id, MOMENT)
        assert real == self.model.cancel(account, order.order_id, MOMENT)

    @rule(who=consumers, key=st.sampled_from(("a", "b")), content=st.sampled_from(("x", "y")))
    def reserve(self, who: int, key: str, content: str) -> None:
        real = self.keys[who].reserve("alice", key, content)
        assert real == self.model_queries.reserve("alice", key, content)

    def teardown(self) -> None:
        """Both tell the same story, whatever each call answered."""
        for order in ORDERS:
            real = self.queries.events_after(order.order_id, 0, limit=100)
            assert list(real) == list(self.model_queries.events_after(order.order_id, 0, limit=100))
            found, expected = (
                record.state("alice", order.order_id) for record in (self.records[1], self.model)
            )
            assert (found and _lived(found)) == (expected and _lived(expected))
            assert self.records[1].state("mallory", order.order_id) is None


@pytest.fixture(scope="module")
def engines(make_database: Callable[[], str]) -> Iterator[tuple[Engine, Engine]]:
    url = make_database()
    pair = (make_engine(url, pool_size=1), make_engine(url, pool_size=1))
    yield pair
    for engine in pair:
        engine.dispose()


def test_any_calls_of_two_consumers_are_answered_as_the_model_answers(engines: tuple[Engine, Engine]) -> None:
    RecordBesideModel.engines = engines
    run_state_machine_as_test(
        RecordBesideModel,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _new(order: Order) -> NewOrder:
    return first_transition(order, MOMENT, None)


def _transition(claimed: ClaimedOrder, how: str, salt: int) -> Transition | None:
    """Return a transition from where an order stood when it was claimed; None if that leads nowhere."""
    state, attempt = claimed.state, claimed.open_attempt
    match how:
        case "go" | "published":
            return release(claimed, published=how == "published")
        case "on" if state.status is OrderStatus.ROUTING:
            events = []
            for status in (OrderStatus.ROUTED, OrderStatus.BUILDING, OrderStatus.SUBMITTED):
                state, event = state.transition_to(Recorded(status, {}), MOMENT)
                events.append(event)
            return Transition(
                claimed, state, tuple(events), new_attempt=an_attempt(state.order, state.attempt, salt)
            )
        case "confirm" if attempt is not None:
            return _end(claimed, OrderStatus.CONFIRMED, "landed")
        case "fail":
            return _end(claimed, OrderStatus.FAILED, "refused" if attempt else None)
        case "again" | "refused" if state.status is OrderStatus.ROUTING or attempt is not None:
            state, event = state.transition_to(Routing("again"), MOMENT, attempt=state.attempt + 1)
            outcome = _outcome(attempt, "dead" if how == "again" else "refused")
            return Transition(claimed, state, (event,), outcome=outcome, release=True)
    return None


def _end(
    claimed: ClaimedOrder, status: OrderStatus, outcome: Literal["landed", "refused"] | None
) -> Transition:
    state, event = claimed.state.transition_to(Recorded(status, {}), MOMENT)
    is_confirmed = status is OrderStatus.CONFIRMED
    return Transition(
        claimed,
        state,
        (event,),
        outcome=_outcome(claimed.open_attempt, outcome) if outcome else None,
        filled=(10**9, 2 * 10**8) if is_confirmed else None,
        failure_code=None if is_confirmed else Code.SLIPPAGE_EXCEEDED,
        release=True,
    )


def _outcome(
    attempt: OpenAttempt | None, outcome: Literal["landed", "refused", "dead"]
) -> AttemptOutcome | None:
    return AttemptOutcome(attempt.transaction.signature, outcome) if attempt else None


def _open_after(transition: Transition) -> OpenAttempt | None:
    if transition.outcome is not None:
        return None
    return transition.new_attempt or transition.claimed.open_attempt


def _plain(claims: Claims) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
    claimed = {
        id_: replace(each, state=_lived(each.state), is_abandoned=False)
        for id_, each in claims.claimed.items()
    }
    busy, final = (
        {id_: _lived(state) for id_, state in some.items()} for some in (claims.busy, claims.final)
    )
    return claimed, busy, final


def _lived(state: OrderState) -> OrderState:
    """Return a state without its count of leases that were left to end.

    Whether one that was to end at once counts is a matter of how long the calls take.
    """
    return replace(state, given_up=0)
