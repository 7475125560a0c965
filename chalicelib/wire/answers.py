"""The frames that the engine sends, as models, with what REST answers in the same words.

For the specifications, and for tests that hold real frames against them.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from chalicelib.domain.errors import Code
from chalicelib.domain.previews import CheckResult, Outlook
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.triggers import IfAlreadyMet, PriceSource, When

Amount = Annotated[
    str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$", description="In token units.", examples=["1.5"])
]
Signed = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Moment = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", examples=["2026-11-21T08:30:00.000Z"])
]
Seq = Annotated[int, Field(ge=1, description="1, 2, 3 … per order, without gaps.")]
Attempt = Annotated[int, Field(ge=1)]


class Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Problem(Answer):
    field: str
    problem: str


class ErrorBody(Answer):
    code: Code
    message: str
    details: list[Problem]
    order_id: Annotated[UUID | None, Field(description="With OUTCOME_UNKNOWN: the order to ask for.")] = None


class Fee(Answer):
    token: str
    amount: Amount


class Leg(Answer):
    venue: str
    pool: str
    input_token: str
    output_token: str
    input_amount: Amount
    output_amount: Amount
    share_bps: Annotated[int, Field(ge=0, le=10_000)]


class BestSingleVenue(Answer):
    venue: str
    pool: str
    input_amount: Amount
    output_amount: Amount


class VenueProblem(Answer):
    venue: str
    error: str


class VenueQuote(Answer):
    """What one venue's best pool alone would give, or why it cannot; or why one pool of it is left alone."""

    venue: str
    error: str | None = None
    pool: str | None = None
    input_amount: Amount | None = None
    output_amount: Amount | None = None
    price: Amount | None = None
    fee_amount: Amount | None = None
    fee_token: str | None = None
    fees: list[Fee] | None = None
    price_impact_bps: Signed | None = None
    valid_until: Moment | None = None


class Routing(Answer):
    """Every venue asked, and the route that was chosen."""

    quotes: list[VenueQuote]
    input_amount: Amount
    output_amount: Amount
    price: Amount
    fee_amount: Amount
    fee_token: str
    fees: list[Fee]
    price_impact_bps: Signed | None = None
    route: list[Leg]
    route_gap_bps: Annotated[Signed, Field(description="How far from optimal the route can be at most.")]
    best_single_venue: BestSingleVenue | None
    improvement_bps: Annotated[Signed | None, Field(description="Over the best single venue.")]


class Trigger(Answer):
    """What an order waits for."""

    price: Amount
    when: When
    source: PriceSource
    confirmations: int
    if_already_met: IfAlreadyMet


class LaunchFilters(Answer):
    """Which opening of a pool an order buys."""

    venue: str | None = None
    min_liquidity: Amount | None = None
    max_fee_bps: int | None = None
    max_delay_blocks: int | None = None
    decimals: int | None = None


class Amended(Answer):
    """What an order's owner changed while it rested."""

    limit_price: Amount | None = None
    trigger_price: Amount | None = None
    amount: Amount | None = None
    expires_at: Moment | None = None


class OrderEventFrame(Answer):
    """One committed event of an order; the fields after ``requestId`` are its status's own."""

    type: Literal["order"]
    order_id: UUID
    client_order_id: str | None
    seq: Seq
    status: OrderStatus
    attempt: Attempt
    at: Moment
    request_id: Annotated[str | None, Field(description="Of the cancel or amend frame that it answers.")] = (
        None
    )
    order_type: OrderType | None = None
    input_token: str | None = None
    output_token: str | None = None
    slippage_bps: Annotated[int | None, Field(description="Null beside a limit price.")] = None
    limit_price: Amount | None = None
    trigger: Trigger | None = None
    sniper: LaunchFilters | None = None
    time_in_force: TimeInForce | None = None
    realized_slippage_bps: Signed | None = None
    reason: str | None = None
    amended: Amended | None = None
    observed_price: Annotated[Amount | None, Field(description="What met the trigger.")] = None
    trigger_price: Amount | None = None
    source: PriceSource | None = None
    height: Annotated[int | None, Field(description="Of the block in which the price was seen.")] = None
    confirmations: int | None = None
    pool: Annotated[str | None, Field(description="The pool that opened, for a sniper order.")] = None
    venue: str | None = None
    opened_height: int | None = None
    liquidity: Annotated[Amount | None, Field(description="What it held of the input token.")] = None
    fee_bps: Annotated[Amount | None, Field(description="What a first unit in paid as a fee.")] = None
    quotes: list[VenueQuote] | None = None
    route: list[Leg] | None = None
    route_gap_bps: Signed | None = None
    best_single_venue: BestSingleVenue | None = None
    improvement_bps: Signed | None = None
    input_amount: Amount | None = None
    output_amount: Amount | None = None
    price: Amount | None = None
    executed_price: Amount | None = None
    price_impact_bps: Signed | None = None
    fee_amount: Amount | None = None
    fee_token: str | None = None
    fees: list[Fee] | None = None
    tx_signature: str | None = None
    slot: int | None = None
    unspent_input_amount: Annotated[
        Amount | None,
        Field(description="Of an exact-in order over two hops on Solana: what no hop needed, and stayed."),
    ] = None
    network_fee_lamports: Annotated[
        int | None,
        Field(ge=0, description="On Solana: what the network took, also for a transaction that it refused."),
    ] = None
    code: Code | None = None
    message: str | None = None
    attempts: int | None = None


class AcceptedFrame(Answer):
    """The order is in the queue: durable, and will reach a final status."""

    type: Literal["accepted"]
    request_id: str | None
    order_id: UUID
    client_order_id: str | None
    at: Moment


class Quote(Routing):
    input_token: str
    output_token: str
    at: Moment
    valid_until: Moment


class QuoteFrame(Quote):
    type: Literal["quote"]
    request_id: str | None


class SubscribedFrame(Answer):
    """The events asked for follow, then live ones; without an order: those of the whole account."""

    type: Literal["subscribed"]
    request_id: str | None
    order_id: UUID | None
    more_rest: Annotated[
        bool | None,
        Field(description="More orders rest than the 100 that follow: GET /orders?status=open lists them."),
    ] = None


class UnsubscribedFrame(Answer):
    type: Literal["unsubscribed"]
    request_id: str | None
    order_id: UUID | None


class PongFrame(Answer):
    type: Literal["pong"]
    request_id: str | None


class ErrorFrame(ErrorBody):
    """Refused, or with OUTCOME_UNKNOWN perhaps not; the connection stays open,
    unless its credential has expired.
    """

    type: Literal["error"]
    request_id: str | None
    order_id: Annotated[UUID | None, Field(description="The order that the error is about.")] = None


class BatchFrame(Answer):
    """Frames that fell together, in their order, for a connection that was opened with ``batch=1``."""

    type: Literal["batch"]
    frames: Annotated[
        list[Annotated[AcceptedFrame | OrderEventFrame, Field(discriminator="type")]], Field(min_length=1)
    ]


class BatchResult(Answer):
    """What became of one order of a batch: its id, or a code that says why it has none.

    With OUTCOME_UNKNOWN both: it may be accepted.
    """

    order_id: UUID | None = None
    client_order_id: str | None = None
    code: Code | None = None
    message: str | None = None
    details: list[Problem] | None = None


class BatchResults(Answer):
    results: Annotated[list[BatchResult], Field(description="In the order of the batch.", min_length=1)]


class AcceptedBatchFrame(BatchResults):
    """Each order of a batch is accepted, or refused, by itself."""

    type: Literal["acceptedBatch"]
    request_id: str | None


class Canceled(Answer):
    canceled: Annotated[int, Field(ge=0, description="How many orders were canceled.")]
    already_sent: Annotated[
        list[UUID], Field(description="Unfinished orders of which something was handed to a venue.")
    ]
    more: Annotated[bool, Field(description="Some are left that can be canceled: ask again.")]
    accepted_until: Annotated[
        Moment,
        Field(description="What fits, was accepted until then and is in the queue still ends as canceled."),
    ]


class CanceledAllFrame(Canceled):
    """What became of the account's orders that fit; each that was canceled shows it as an event too."""

    type: Literal["canceledAll"]
    request_id: str | None


class PreviewCheck(Answer):
    check: str
    result: CheckResult
    message: str
    code: Code | None = None


class Preview(Answer):
    """What would become of an order; nothing is stored."""

    verdict: Outlook
    summary: Annotated[str, Field(description="For people: what would happen, and why.")]
    code: Annotated[Code | None, Field(description="What it would be refused with, or end with.")] = None
    checks: list[PreviewCheck]
    quote: Quote | None
    at: Moment
    order_id: Annotated[UUID | None, Field(description="Of the order that it is, if it is accepted already.")]


class PreviewFrame(Preview):
    type: Literal["preview"]
    request_id: str | None


SERVER_FRAMES: tuple[type[Answer], ...] = (
    AcceptedFrame,
    OrderEventFrame,
    QuoteFrame,
    SubscribedFrame,
    UnsubscribedFrame,
    AcceptedBatchFrame,
    CanceledAllFrame,
    PreviewFrame,
    PongFrame,
    ErrorFrame,
    BatchFrame,
)
