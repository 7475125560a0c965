"""An order: what was asked for, and where it stands."""

import hashlib
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from chalicelib.amm.swaps import SwapMode
from chalicelib.domain.statuses import FINAL, OrderStatus, check_transition

JsonObject = dict[str, Any]


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    SNIPER = "sniper"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class TimeInForce(StrEnum):
    IOC = "ioc"
    GTC = "gtc"
    GTD = "gtd"


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What a client chose, in the engine's terms; the same terms again are the same wish.

    Attributes:
        amount_units: Of the input token (exact in) or the output token (exact out).
        price_base: The token that prices are per: the base asset if the client named one,
            else the input token.
    """

    client_order_id: str | None
    order_type: OrderType
    swap_mode: SwapMode
    input_token: str
    output_token: str
    amount_units: int
    price_base: str
    slippage_bps: int
    valid_for_s: int

    @property
    def sha256(self) -> str:
        """Digest of every choice: tells a retry from another order under the same id."""
        return hashlib.sha256(repr(_choices(self)).encode()).hexdigest()


_choices: Final = attrgetter(*(field.name for field in fields(OrderTerms)))


@dataclass(frozen=True, slots=True)
class Order:
    """What an account asked for; it never changes once accepted.

    Attributes:
        amount_units: Of the input token (exact in) or the output token (exact out).
        price_base: The token that prices of this order are per: the base asset if the client
            named one, else the input token.
        content_sha256: Digest of all that the client chose; tells a retry from a conflict.
        valid_until: Past this moment the order is not sent any more.
        submission_id: Of the one request that this order was made from; another one for the same
            order, under the same client order id, has another. None from before there was one.
    """

    order_id: UUID
    account_id: str
    client_order_id: str | None
    order_type: OrderType
    swap_mode: SwapMode
    input_token: str
    output_token: str
    amount_units: int
    price_base: str
    slippage_bps: int
    accepted_at: datetime
    valid_until: datetime
    content_sha256: str
    submission_id: UUID | None = None

    @property
    def price_quote(self) -> str:
        """The token that prices of this order are expressed in."""
        return self.output_token if self.price_base == self.input_token else self.input_token


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One event of one order, as it is stored and as its frame shows it.

    Attributes:
        seq: 1, 2, 3 … per order, without gaps.
        attempt: Which try this belongs to, from 1.
        data: The fields that only this status has, in wire form.
    """

    order_id: UUID
    seq: int
    status: OrderStatus
    attempt: int
    at: datetime
    data: JsonObject


@dataclass(frozen=True, slots=True)
class OrderState:
    """Where an order stands: the last event's status, seq and attempt.

    Attributes:
        was_sent: Some attempt was handed to a venue, or may have been.
        published_seq: Events up to this one are known to have been published to all
            subscribers; of later ones it is not known. A connection that did not take them is
            marked as behind, and counts as served.
    """

    order: Order
    status: OrderStatus | None = None
    seq: int = 0
    attempt: int = 1
    was_sent: bool = False
    published_seq: int = 0

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def transition_to(
        self, status: OrderStatus, at: datetime, *, data: JsonObject | None = None, attempt: int | None = None
    ) -> tuple["OrderState", OrderEvent]:
        """Return the state after one more event, and that event.

        Raises:
            InvalidTransitionError: The status may not follow the present one.
        """
        check_transition(self.status, status)
        # Not ``replace``, which goes through the fields by name: every event of every order comes by here.
        after = OrderState(
            self.order,
            status,
            self.seq + 1,
            attempt or self.attempt,
            self.was_sent or status is OrderStatus.SUBMITTED,
            self.published_seq,
        )
        event = OrderEvent(self.order.order_id, after.seq, status, after.attempt, at, data or {})
        return after, event
