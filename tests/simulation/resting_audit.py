"""What must hold of orders that wait when a run has come to rest.

Each rule is stated anew, by the path alone.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final
from uuid import UUID

from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, TimeInForce
from chalicelib.domain.transactions import SignatureStatus, TransactionStatus
from chalicelib.domain.triggers import PriceSource
from tests.fakes.tables import OrderRow
from tests.simulation.chain import height_at
from tests.simulation.engine import TOKENS
from tests.simulation.openings import DECIMALS, MINT, is_misled, of_mint, opened
from tests.simulation.prices import best_rate
from tests.simulation.simulator import Simulator
from tests.simulation.world import EPOCH

_LOOKED_AT_FOR: Final = timedelta(seconds=30)
"""From when the venues were asked to when the event was written, at most."""


def resting_violations(simulator: Simulator, accepted: Mapping[UUID, Order]) -> list[str]:
    """Return every broken promise, in words.

    Args:
        accepted: What clients asked for, as far as they know that it was taken.
    """
    return [
        *simulator.watches.unfounded,
        *simulator.uncommitted,
        *(
            problem
            for order_id, row in simulator.tables.orders.items()
            for problem in _order(simulator, order_id, row)
        ),
        *(
            f"{order_id} was told to be open twice for the same reason"
            for order_id, events in simulator.tables.events.items()
            if any(_says_the_same(*two) for two in pairwise(events))
        ),
        *_executed(simulator),
        *(
            f"{landed.instruction.order_id} bought a mint of other decimals than it says"
            for landed in simulator.chain.landed.values()
            if landed.status.signature_status is SignatureStatus.LANDED
            and (asked := accepted.get(landed.instruction.order_id)) is not None
            and is_misled(asked.terms)
        ),
    ]


def _order(simulator: Simulator, order_id: UUID, row: OrderRow) -> Iterator[str]:
    watch = simulator.watches.rows.get(order_id)
    if row.state.status is not OrderStatus.OPEN:
        if watch is not None:
            yield f"{order_id} is {row.state.status} and is still watched for"
    elif watch is None or watch.fired is not None:
        yield f"{order_id} is open and nothing is armed for it"
    elif row.state.order.is_late(simulator.world.now()):
        yield f"{order_id} is open after its end"
    elif simulator.waits_in_vain(row.state):
        yield f"{order_id} is open, and what it waits for is there"
    if row.state.order.terms.time_in_force is TimeInForce.IOC and any(
        event.status is OrderStatus.OPEN for event in simulator.tables.events[order_id]
    ):
        yield f"{order_id} rested, and was to execute at once or never"
    triggered = [
        event for event in simulator.tables.events[order_id] if event.status is OrderStatus.TRIGGERED
    ]
    if len(triggered) > 1:
        yield f"{order_id} was triggered {len(triggered)} times"
    for event in triggered:
        if not _has_evidence(simulator, row, event):
            yield f"{order_id} was triggered, and nothing that was seen says why"


def _says_the_same(one: OrderEvent, next_one: OrderEvent) -> bool:
    """Return whether an order went from rest to rest, and was neither amended nor tried in between.

    As when an amendment meets a firing that comes to nothing: the consumer that took it up writes nothing. A
    client that says an amendment twice is answered twice.
    """
    are_open = one.status is next_one.status is OrderStatus.OPEN
    assert isinstance(one.what, Recorded)
    assert isinstance(next_one.what, Recorded)
    return are_open and one.what.fields == next_one.what.fields and "amended" not in one.what.fields


def _has_evidence(simulator: Simulator, row: OrderRow, event: OrderEvent) -> bool:
    trigger = row.state.order.terms.trigger
    if trigger is None:
        return any(
            one.suits(row.state)
            and isinstance(event.what, Recorded)
            and one.pool.pool_id == event.what.fields["pool"]
            for one in opened(simulator.new_pools, height_at((event.at - EPOCH).total_seconds()))
        )
    if trigger.source is PriceSource.MARK:
        height = event.what.fields["height"] if isinstance(event.what, Recorded) else None
        return any(
            (one.order_id, one.height, one.look) == (event.order_id, height, trigger.confirmations)
            for one in simulator.watches.fires
        )
    first, last = (
        height_at((moment - EPOCH).total_seconds()) for moment in (event.at - _LOOKED_AT_FOR, event.at)
    )
    paid = (
        best_rate(pool, row.state.order.terms.input_token) for pool in simulator.path.between(first, last)
    )
    return any(trigger.is_met_by(rate) for rate in paid)


def _executed(simulator: Simulator) -> Iterator[str]:
    for landed in simulator.chain.landed.values():
        order_id, status = landed.instruction.order_id, landed.status
        row = simulator.tables.orders.get(order_id)
        if row is None or status.signature_status is not SignatureStatus.LANDED:
            continue
        terms = row.state.order.terms
        if terms.limit is not None and not _keeps(terms, status.input_units, status.output_units):
            yield f"{order_id} was executed past its limit"
        was_triggered = any(
            event.status is OrderStatus.TRIGGERED for event in simulator.tables.events[order_id]
        )
        if (terms.trigger is not None or terms.sniper is not None) and not was_triggered:
            yield f"{order_id} was executed, and its trigger was not met"
        if (
            status.input_units if terms.swap_mode is SwapMode.EXACT_IN else status.output_units
        ) != terms.amount_units:
            yield f"{order_id} was executed with another amount than was asked for"
        bought_from = {fill.pool_id for fill in status.legs}
        if terms.sniper is not None and bought_from - {
            one.pool.pool_id for one in opened(simulator.new_pools, landed.height) if one.suits(row.state)
        }:
            yield f"{order_id} bought from {sorted(bought_from)}, which is not what it waited for"
        pools = {one.pool.pool_id for one in of_mint(simulator.new_pools, landed.height)}
        if bought_from - pools if MINT in (terms.input_token, terms.output_token) else bought_from & pools:
            yield f"{order_id} went through {sorted(bought_from)}, which is not its way"
        if row.state.status is OrderStatus.CONFIRMED:
            yield from _untold(simulator, order_id, status)


def _untold(simulator: Simulator, order_id: UUID, status: TransactionStatus) -> Iterator[str]:
    """Yield what the last event says otherwise than the ledger, in whole tokens."""
    terms, told = (
        simulator.tables.orders[order_id].state.order.terms,
        simulator.tables.events[order_id][-1].what,
    )
    assert isinstance(told, Recorded)
    for name, units, token in (
        ("inputAmount", status.input_units, terms.input_token),
        ("outputAmount", status.output_units, terms.output_token),
    ):
        said = told.fields.get(name)
        if said is None or Fraction(str(said)) != Fraction(units, 10 ** scale_of(token)):
            yield f"{order_id} was told {name} as {said}, and it is {units} units"


def scale_of(token: str) -> int:
    """Return a token's decimals as they are."""
    return DECIMALS if token == MINT else TOKENS[token].scale


def _keeps(terms: OrderTerms, given_units: int, got_units: int) -> bool:
    """Compare prices as a trader does, in whole tokens, with no use of the engine's rates."""
    assert terms.limit is not None
    given = Fraction(given_units, 10 ** scale_of(terms.input_token))
    got = Fraction(got_units, 10 ** scale_of(terms.output_token))
    price = Fraction(terms.limit.price)
    return got >= given * price if terms.price_base == terms.input_token else got * price >= given
