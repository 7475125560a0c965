"""What happens to an order: one type per status, with what only that status says.

A status that is added gets a type here, a case in ``wire/event_views.py``, and its place in ``statuses.py``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from chalicelib.domain.chosen_route import ChosenRoute, FeeUnits
from chalicelib.domain.errors import Code
from chalicelib.domain.rates import Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderTerms
from chalicelib.domain.triggers import PriceSource
from chalicelib.values import value


@value
class Pending:
    """A consumer has claimed the order for the first time."""

    status: ClassVar[Literal[OrderStatus.PENDING]] = OrderStatus.PENDING
    terms: OrderTerms


@value
class Open:
    """The order rests.

    Attributes:
        reason: Why it rests again, after a transaction.
        amended: What its owner changed, by name on the wire.
        network_fee_lamports: What the chain took for refusing that transaction, None if it took nothing.
    """

    status: ClassVar[Literal[OrderStatus.OPEN]] = OrderStatus.OPEN
    reason: str | None = None
    amended: Mapping[str, object] | None = None
    network_fee_lamports: int | None = None


@value
class Triggered:
    """What the order's trigger waits for was seen: the evidence.

    Attributes:
        observed: The rate that was seen, output per input in base units.
        height: The block in which it was seen; None if the venues were asked for the order's own size.
        confirmations: For how many blocks it held.
        trigger_price: As the client wrote it.
        price_base: The token that prices are per, one of the two.
    """

    status: ClassVar[Literal[OrderStatus.TRIGGERED]] = OrderStatus.TRIGGERED
    observed: Rate
    source: PriceSource
    height: int | None
    confirmations: int
    trigger_price: str
    input_token: str
    output_token: str
    price_base: str


@value
class Launched:
    """A pool opened that a sniper order buys: the evidence.

    Attributes:
        opened_height: The block in which it opened; ``height`` is where the chain stood when it was judged.
        liquidity_units: What it held of the order's input token, in base units.
        fee_rate: That a first unit in paid, in parts per 10^9.
    """

    status: ClassVar[Literal[OrderStatus.TRIGGERED]] = OrderStatus.TRIGGERED
    pool_id: str
    venue: str
    opened_height: int
    height: int
    liquidity_units: int
    fee_rate: int
    input_token: str


@value
class Routing:
    """Venues are being asked; again, for a reason, from the second attempt on.

    Attributes:
        network_fee_lamports: What the chain took for refusing the attempt before, None if it took nothing.
    """

    status: ClassVar[Literal[OrderStatus.ROUTING]] = OrderStatus.ROUTING
    reason: str | None = None
    network_fee_lamports: int | None = None


@value
class Routed:
    """A route is chosen."""

    status: ClassVar[Literal[OrderStatus.ROUTED]] = OrderStatus.ROUTED
    route: ChosenRoute


@value
class Building:
    """The transaction is being built and signed."""

    status: ClassVar[Literal[OrderStatus.BUILDING]] = OrderStatus.BUILDING


@value
class Submitted:
    """The signed transaction is on record, and may be sent any time now."""

    status: ClassVar[Literal[OrderStatus.SUBMITTED]] = OrderStatus.SUBMITTED
    tx_signature: str


@value
class Confirmed:
    """The transaction landed: what it exchanged, in base units.

    Attributes:
        price_base: The token that the executed price is per, one of the two.
        price_impact_bps: A decimal with two places.
        realized_slippage_bps: How much worse than the quote; negative if better.
        unspent_input_units: Of an exact-in order, what no hop needed: it never left the account.
        network_fee_lamports: What the chain took besides, None on one without such fees.
    """

    status: ClassVar[Literal[OrderStatus.CONFIRMED]] = OrderStatus.CONFIRMED
    tx_signature: str
    slot: int | None
    input_token: str
    output_token: str
    price_base: str
    input_units: int
    output_units: int
    fees: FeeUnits
    price_impact_bps: str
    realized_slippage_bps: str
    unspent_input_units: int = 0
    network_fee_lamports: int | None = None


@value
class Failed:
    """The order ended without a fill.

    Attributes:
        network_fee_lamports: What the chain took for refusing the last transaction, None if it took nothing.
    """

    status: ClassVar[Literal[OrderStatus.FAILED]] = OrderStatus.FAILED
    code: Code
    message: str
    attempts: int
    network_fee_lamports: int | None = None


@value
class Canceled:
    """The account canceled the order before anything of it was sent."""

    status: ClassVar[Literal[OrderStatus.CANCELED]] = OrderStatus.CANCELED


@value
class Expired:
    """The order's time was up before anything of it was sent."""

    status: ClassVar[Literal[OrderStatus.EXPIRED]] = OrderStatus.EXPIRED
    code: Code
    message: str


@value
class Recorded:
    """An event as its row has it, whichever release wrote it: nothing but to be shown again.

    Attributes:
        fields: What the status said, as it was shown then.
    """

    status: OrderStatus
    fields: Mapping[str, object]


Happened = (
    Pending
    | Open
    | Triggered
    | Launched
    | Routing
    | Routed
    | Building
    | Submitted
    | Confirmed
    | Failed
    | Canceled
    | Expired
)
"""What an event says by its status."""


@value
class OrderEvent:
    """One event of one order.

    Attributes:
        seq: 1, 2, 3 … per order, without gaps.
        attempt: Which try this belongs to, from 1.
    """

    order_id: UUID
    seq: int
    attempt: int
    at: datetime
    what: Happened | Recorded

    @property
    def status(self) -> OrderStatus:
        return self.what.status
