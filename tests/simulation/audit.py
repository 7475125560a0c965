"""What must hold when a run has come to rest, whatever went wrong in it."""

from collections.abc import Iterator
from uuid import UUID

from chalicelib.domain.errors import Code
from chalicelib.domain.events import Recorded
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import SignatureStatus
from tests.simulation.clients import ExpectedEvents, Ledger
from tests.simulation.engine import ATTEMPTS_MAX
from tests.simulation.simulator import INVOCATION_LIMIT_S, Simulator


def violations(simulator: Simulator, ledger: Ledger) -> list[str]:
    """Return every broken promise, in words."""
    return [
        *simulator.defects,
        *simulator.gateway.defects,
        *_unrecorded(simulator, ledger),
        *(problem for order_id in simulator.tables.orders for problem in _order(simulator, order_id)),
        *_landed(simulator),
        *_refused(simulator),
        *(
            problem
            for expected in ledger.expected
            if expected.peer.is_open
            for problem in _unseen(simulator, ledger, expected)
        ),
        *_unacknowledged(simulator, ledger),
        *_leftovers(simulator),
    ]


def _unrecorded(simulator: Simulator, ledger: Ledger) -> Iterator[str]:
    for order_id in ledger.accepted.keys() - simulator.tables.orders.keys():
        yield f"{order_id} was accepted and is not on record"


def _order(simulator: Simulator, order_id: UUID) -> Iterator[str]:
    row, events = simulator.tables.orders[order_id], simulator.tables.events[order_id]
    attempts = [each for each in simulator.tables.attempts.values() if each.order_id == order_id]
    landed = [
        each.status
        for each in simulator.chain.landed.values()
        if each.instruction.order_id == order_id and each.status.signature_status is SignatureStatus.LANDED
    ]
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        yield f"{order_id} has the seqs {[event.seq for event in events]}"
    rests = row.state.status is OrderStatus.OPEN
    if [event.status in FINAL for event in events] != [False] * (len(events) - 1) + [not rests]:
        yield f"{order_id} went through {[event.status.value for event in events]}"
    if (row.state.status, row.state.seq) != (events[-1].status, events[-1].seq):
        yield f"{order_id} is {row.state.status} and its last event says {events[-1].status}"
    if len(landed) > 1:
        yield f"{order_id} was executed {len(landed)} times"
    if (row.state.status is OrderStatus.CONFIRMED) != bool(landed):
        yield f"{order_id} is {row.state.status}, and {len(landed)} of its transactions landed"
    if landed and row.filled != (landed[0].input_units, landed[0].output_units):
        yield f"{order_id} has other amounts on record than on the ledger"
    counted = len(attempts) - row.state.refused_at_bound
    if max(counted, row.state.used_attempts) > ATTEMPTS_MAX:
        yield f"{order_id} was tried {len(attempts)} times"
    if any(each.outcome is None for each in attempts):
        yield f"{order_id} has an attempt without an outcome"
    late_s = max(
        (
            (event.at - ends_at).total_seconds()
            for event in events
            if event.status is OrderStatus.SUBMITTED and (ends_at := row.state.order.valid_until)
        ),
        default=0.0,
    )
    if late_s > INVOCATION_LIMIT_S:
        yield f"{order_id} was sent {late_s:.0f} s too late"


def _refused(simulator: Simulator) -> Iterator[str]:
    """Yield what is wrong after refusals: something worse is accepted, or a leg's is called the order's."""
    for order_id, row in simulator.tables.orders.items():
        terms = row.state.order.terms
        attempts = sorted(
            (each for each in simulator.tables.attempts.values() if each.order_id == order_id),
            key=lambda each: each.attempt.attempt,
        )
        since, refused = simulator.tables.attempt_since_resized(order_id), list[int]()
        for each in attempts:
            if each.attempt.attempt < since:
                continue
            threshold = each.attempt.threshold_units
            is_worse = any(
                threshold < before if terms.swap_mode is SwapMode.EXACT_IN else threshold > before
                for before in refused
            )
            if is_worse and terms.limit is None and not terms.is_stop_at_market:
                yield f"{order_id} accepted {threshold} after {refused} was refused"
            refused += [threshold] if each.outcome == "refused" else []
        said = simulator.tables.events[order_id][-1].what
        is_called_its_own = isinstance(said, Recorded) and said.fields.get("code") == Code.SLIPPAGE_EXCEEDED
        whole = [
            each
            for each in simulator.chain.landed.values()
            if each.instruction.order_id == order_id
            and each.status.refusal is Code.SLIPPAGE_EXCEEDED
            and not each.status.is_leg_refusal
        ]
        if is_called_its_own and not whole and len(simulator.path.changes) == 1:
            yield f"{order_id} failed for its own slippage, and the market never moved"


def _landed(simulator: Simulator) -> Iterator[str]:
    for signature, landed in simulator.chain.landed.items():
        attempt = simulator.tables.attempts.get(signature)
        if attempt is None:
            yield f"a transaction of {landed.instruction.order_id} landed that is not on record"
        elif attempt.outcome != landed.status.signature_status.value:
            found = landed.status.signature_status
            yield f"an attempt of {attempt.order_id} is {attempt.outcome} on record and {found}"


def _unseen(simulator: Simulator, ledger: Ledger, expected: ExpectedEvents) -> Iterator[str]:
    order = simulator.tables.orders.get(expected.order_id)
    if order is None:
        return
    content = ledger.contents.get((expected.peer.connection_id, expected.order_id))
    if content not in {None, order.state.order.content_sha256}:
        if not expected.peer.has("error", code=Code.CLIENT_ORDER_ID_CONFLICT):
            yield f"{expected.peer.connection_id} got no answer that its {expected.order_id} is another order"
        return
    missing = set(range(expected.after_seq + 1, order.state.seq + 1)) - set(
        expected.peer.seqs(str(expected.order_id))
    )
    if missing:
        yield f"{expected.peer.connection_id} never saw {sorted(missing)} of {expected.order_id}"


def _unacknowledged(simulator: Simulator, ledger: Ledger) -> Iterator[str]:
    for each in ledger.unacknowledged:
        row = simulator.tables.orders.get(each.order.order_id)
        is_same = row is not None and row.state.order.content_sha256 == each.order.content_sha256
        if each.peer.is_open and is_same and not each.peer.has("accepted", requestId=each.request_id):
            yield f"{each.peer.connection_id} never got that {each.order.order_id} was accepted"


def _leftovers(simulator: Simulator) -> Iterator[str]:
    if len(simulator.queue) or len(simulator.dead_letters):
        yield f"{len(simulator.queue)} messages and {len(simulator.dead_letters)} dead letters are left"
    if simulator.dead_letters.received - simulator.tables.dead_letters.keys():
        yield "a dead letter was not archived"
