"""Writing the record of orders: one statement, and so one transaction and one round trip,
per stage of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine

from chalicelib.adapters.postgres.arrays import Columns
from chalicelib.adapters.postgres.cancels import (
    CANCEL,
    CANCEL_COVERED,
    MAY_GO_ON,
    UNMARKED_MEANWHILE,
    at_parameters,
    ended,
    noted_unpublished,
)
from chalicelib.adapters.postgres.claims import claimed
from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.event_chain import GENESIS, Heads, chained_rows
from chalicelib.adapters.postgres.order_columns import AMENDABLE, TYPES, column_values
from chalicelib.adapters.postgres.order_creation import (
    ATTEMPT,
    CREATE,
    NAMED,
    attempt_values,
    logged,
    named,
    new_orders,
    tried,
)
from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, json_rows, order_state, text_array
from chalicelib.adapters.postgres.servers import KNOWN, ON_SERVER
from chalicelib.adapters.postgres.statements import Asked, Database, Row, Statement
from chalicelib.adapters.postgres.subscriptions import by_order, question
from chalicelib.adapters.postgres.unpublished import NOTE_PUBLISHED, PUBLISHED_ELSEWHERE
from chalicelib.adapters.postgres.watches import arming, disarming
from chalicelib.domain.events import Open, OrderEvent
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import (
    Claims,
    NewOrder,
    Published,
    Subscribed,
    Transition,
)
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.resting.waiting import watch_of_amended
from chalicelib.wire.event_views import EventViews

_MOVE: Final = {
    "order_id": "uuid",
    "held_fence": "bigint",
    "from_seq": "int",
    "status": "text",
    "seq": "int",
    "attempt": "int",
    "input_units": "numeric",
    "output_units": "numeric",
    "failure_code": "text",
    "chain": "bytea",
    "lease_ms": "float8",
    "told_seq": "int",
    "is_triggered": "boolean",
    "refused_at_bound": "int",
    "paid_refusals": "int",
    "given_up": "int",
    "is_known": "boolean",
    "is_found": "boolean",
}
_STEPS: Final = Columns("steps", _MOVE | {"signature": "text", "outcome": "text"} | ATTEMPT)


def _recording(*parts: str) -> Statement:
    return Statement(f"""
WITH moved AS (
    UPDATE orders o
    SET status = s.status, seq = s.seq, attempt = s.attempt,
        tx_signature = coalesce(s.tx_signature, o.tx_signature),
        input_units = s.input_units, output_units = s.output_units, failure_code = s.failure_code,
        chain = s.chain, lease_until = clock_timestamp() + make_interval(secs => s.lease_ms / 1000),
        told_seq = s.told_seq, is_triggered = s.is_triggered, refused_at_bound = s.refused_at_bound,
        paid_refusals = s.paid_refusals, given_up = s.given_up, updated_at = clock_timestamp(),
        known_on = CASE WHEN s.is_known THEN CAST(:server AS text) ELSE o.known_on END
    FROM {_STEPS.rows(*_MOVE, "tx_signature", are_few=True)} AS s
    WHERE o.order_id = s.order_id AND o.fence = s.held_fence AND o.seq = s.from_seq AND {MAY_GO_ON}
      AND {ON_SERVER}
    RETURNING o.order_id
), {", ".join(parts)}
{NAMED.format("moved")}
""")


_LOGGED: Final = logged(_STEPS, "moved")
_RESOLVED: Final = f"""
resolved AS (
    UPDATE attempts a SET outcome = r.outcome, resolved_at = clock_timestamp()
    FROM {_STEPS.rows("order_id", "signature", "outcome", are_few=True)} AS r JOIN moved USING (order_id)
    WHERE a.signature = r.signature AND a.order_id = r.order_id AND a.outcome IS NULL
)
"""
_RECORD: Final = _recording(_LOGGED, _RESOLVED, tried(_STEPS, "moved", "held_fence"))
# Most steps are ends, and what writes to a table costs a statement something also where it writes nothing.
_RECORD_OUTCOMES: Final = _recording(_LOGGED, _RESOLVED)

_HEADS: Final = Statement("SELECT order_id, chain FROM orders WHERE order_id = ANY(:order_ids)")

_HOLD: Final = Statement(f"""
SELECT {ORDER_COLUMNS}, o.chain FROM orders o
WHERE o.order_id = CAST(:order_id AS uuid) AND o.account_id = :account_id FOR UPDATE
""")

_AMENDING: Final = Columns("orders", TYPES | {"paid_refusals": "int", "chain": "bytea"})
_AMENDED: Final = ", ".join(f"{name} = r.{name}" for name in (*AMENDABLE, "paid_refusals"))

# The fence shuts out a consumer that is just looking at the order, and the lease that it had is over.
_AMEND: Final = Statement(f"""
WITH amended AS (
    UPDATE orders o
    SET {_AMENDED}, seq = o.seq + 1, fence = o.fence + 1, chain = r.chain, lease_until = clock_timestamp(),
        updated_at = clock_timestamp()
    FROM {_AMENDING.rows()} AS r
    WHERE o.order_id = r.order_id
      -- Of this order alone, also where the plan reads all of them: another's would fail the statement.
      AND CASE WHEN o.order_id = r.order_id THEN {KNOWN} END
    RETURNING o.order_id, o.account_id
), {noted_unpublished("amended")}, {logged(_AMENDING, "amended")}
SELECT order_id FROM amended
""")

_STATE: Final = Statement(f"""
SELECT {ORDER_COLUMNS} FROM orders o WHERE o.order_id = CAST(:order_id AS uuid) AND o.account_id = :account_id
""")


_ID_OF: Final = attrgetter("state.order.order_id.int")


class PostgresOrderRecord:
    """``OrderRecord`` on Postgres.

    Args:
        server: Returns where the record was found: on no other one is anything written that was decided;
            empty if that is no matter.
        must_be_known: Orders may have executed that the record shows as unsent, after a failover: those that
            no consumer has looked up since are neither canceled nor amended.
    """

    def __init__(
        self,
        engine: Engine,
        views: EventViews,
        *,
        packs: bool = True,
        server: Callable[[], str] = lambda: "",
        must_be_known: bool = False,
    ) -> None:
        self._known = {"must_be_known": must_be_known}
        self._server = server
        self._database = Database(engine)
        self._chained = partial(chained_rows, text_of=views.text, packs=packs)
        self._heads = Heads()

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        orders = sorted(orders, key=_ID_OF)
        events, heads = self._chained([new.events for new in orders], repeat(GENESIS))
        signed = [new.state.order for new in orders if new.attempt]
        # What is merely put on record waits to be decided on.
        server = self._server() if signed or any(new.state.is_final for new in orders) else ""
        parameters = new_orders(orders, heads) | events | {"lease_ms": str(lease_ms), "server": server}
        with translated_errors():
            if signed:
                accounts = {"accounts": text_array(*sorted({order.account_id for order in signed}))}
                asked = (UNMARKED_MEANWHILE, accounts), (CREATE, parameters)
                _, rows = self._followed(signed, asked, subscribed)
            else:
                rows = self._database.execute(CREATE, parameters)
        order_ids = [new.state.order.order_id for new in orders]
        created = named(rows, order_ids)
        for order_id, head in zip(order_ids, heads, strict=True):
            if order_id in created:
                self._heads.note(order_id, head)
        return created

    def claim(self, order_ids: Sequence[UUID], *, lease_ms: int) -> Claims:
        with translated_errors():
            claims, heads = claimed(self._database, order_ids, lease_ms)
        for order_id, head in heads.items():
            self._heads.note(order_id, head)
        return claims

    def record(
        self, transitions: Sequence[Transition], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        order_ids = [transition.state.order.order_id for transition in transitions]
        events, heads = self._chained([each.events for each in transitions], self._heads_of(order_ids))
        # A lease is given up anywhere.
        server = self._server() if any(each.events or each.watch for each in transitions) else ""
        parameters = events | _STEPS.parameters(
            [
                _step_values(transition, lease_ms, head, server)
                for transition, head in zip(transitions, heads, strict=True)
            ]
        )
        parameters["server"] = server
        with translated_errors():
            moved = self._moved(transitions, order_ids, parameters, subscribed)
        for order_id, transition, head in zip(order_ids, transitions, heads, strict=True):
            if transition.release:
                self._heads.forget(order_id)
            elif order_id in moved:
                self._heads.note(order_id, head)
        return moved

    def _followed(
        self, orders: Sequence[Order], asked: Sequence[Asked], subscribed: Subscribed | None
    ) -> list[list[Row]]:
        """Run a transaction, and note who sees the orders after it."""
        with self._database.transaction() as session:
            if subscribed is None:
                return session.finish(*asked)
            found, rows = session.finish_and_ask(*asked, then=question(orders))
        if rows is not None:
            subscribed |= by_order(orders, rows)
        return found

    def _moved(
        self,
        transitions: Sequence[Transition],
        order_ids: Sequence[UUID],
        parameters: Mapping[str, object],
        subscribed: Subscribed | None,
    ) -> frozenset[UUID]:
        """Write the transitions, and the watches of those that counted in the same commit."""
        is_trying = any(transition.new_attempt for transition in transitions)
        statement = _RECORD if is_trying else _RECORD_OUTCOMES
        if not any(transition.watch or _leaves_rest(transition) for transition in transitions):
            told = [transition.state.order for transition in transitions if transition.events]
            if not told:
                return named(self._database.execute(statement, parameters), order_ids)
            (rows,) = self._followed(told, [(statement, parameters)], subscribed)
            return named(rows, order_ids)
        with self._database.transaction() as session:
            moved = named(session.execute(statement, parameters), order_ids)
            counted = [each for each in transitions if each.state.order.order_id in moved]
            armed = [each.watch for each in counted if each.watch]
            left = [each.state.order.order_id for each in counted if _leaves_rest(each) and not each.watch]
            # In one order everywhere: first all that is armed, then all that is not any more.
            session.finish(*(arming(armed) if armed else ()), *((disarming(left),) if left else ()))
        return moved

    def cancel(self, account_id: str, order_id: UUID, at: datetime) -> tuple[Order, OrderEvent] | None:
        asked = {"account_id": account_id, "order_id": str(order_id)} | self._known | at_parameters(at)
        with translated_errors():
            rows = self._database.execute(CANCEL, asked)
        return next(iter(ended(rows, at)), None)

    def cancel_covered(self, order_ids: Sequence[UUID], at: datetime) -> Sequence[tuple[Order, OrderEvent]]:
        parameters = {"order_ids": list(order_ids), "server": self._server()} | at_parameters(at)
        with translated_errors():
            return ended(self._database.execute(CANCEL_COVERED, parameters), at)

    def amend(
        self,
        account_id: str,
        order_id: UUID,
        at: datetime,
        change: Callable[[OrderState], Order],
        amended: Mapping[str, object],
    ) -> tuple[Order, OrderEvent] | None:
        asked = {"account_id": account_id, "order_id": str(order_id)}
        with translated_errors(), self._database.transaction() as session:
            rows = session.execute(_HOLD, asked)
            if not rows:
                return None
            before = order_state(rows[0])
            after, event = before.with_order(change(before)).transition_to(Open(amended=amended), at)
            head = bytes(rows[0].chain or GENESIS)
            events, (head,) = self._chained([[event]], [head])
            amended_row = _AMENDING.parameters(
                [(*column_values(after.order), after.paid_refusals, head.hex())]
            )
            session.finish(
                (_AMEND, amended_row | events | self._known), *arming([watch_of_amended(after, at)])
            )
        return after.order, event

    def note_published(self, published: Sequence[Published]) -> None:
        named = json_rows([each._asdict() for each in published])
        with translated_errors():
            self._database.execute(NOTE_PUBLISHED, {"published": named})

    def published_elsewhere(self, order_ids: Sequence[UUID], *, within_s: int) -> frozenset[UUID]:
        parameters = {"order_ids": text_array(*map(str, order_ids)), "within_s": within_s}
        with translated_errors():
            rows = self._database.execute(PUBLISHED_ELSEWHERE, parameters)
        return frozenset(row.order_id for row in rows)

    def state(self, account_id: str, order_id: UUID) -> OrderState | None:
        parameters = {"account_id": account_id, "order_id": str(order_id)}
        with translated_errors():
            rows = self._database.execute(_STATE, parameters)
        return order_state(rows[0]) if rows else None

    def _heads_of(self, order_ids: Sequence[UUID]) -> list[bytes]:
        """Return the last hashes of orders; those that were claimed or created here need no question."""
        heads = self._heads.known(order_ids)
        missing = [order_id for order_id, head in zip(order_ids, heads, strict=True) if head is None]
        found: dict[UUID, bytes] = {}
        if missing:
            with translated_errors():
                rows = self._database.execute(_HEADS, {"order_ids": missing})
            found = {row.order_id: bytes(row.chain or GENESIS) for row in rows}
        return [
            found.get(order_id, GENESIS) if head is None else head
            for order_id, head in zip(order_ids, heads, strict=True)
        ]


def _leaves_rest(transition: Transition) -> bool:
    before, after = transition.claimed.state.status, transition.state.status
    return before is OrderStatus.OPEN and after is not OrderStatus.OPEN


def _step_values(transition: Transition, lease_ms: int, head: bytes, server: str) -> Sequence[Any]:
    """Return the values of the columns ``_STEPS``."""
    before, after = transition.claimed.state, transition.state
    outcome = transition.outcome
    # What has a transaction that may land is decided on by that, and looked up when another is to be made.
    is_decided = bool(transition.events or transition.watch) and transition.claimed.open_attempt is None
    return (
        before.order.order_id,
        transition.claimed.fence,
        before.seq,
        str(after.status),
        after.seq,
        after.attempt,
        *(transition.filled or (None, None)),
        transition.failure_code,
        head.hex() or None,
        0 if transition.release else lease_ms,
        after.published_seq,
        after.is_triggered,
        after.refused_at_bound,
        after.paid_refusals,
        after.given_up,
        is_decided and server != "",
        transition.is_found,
        *((outcome.signature, outcome.outcome) if outcome else (None, None)),
        *attempt_values(transition.new_attempt),
    )
