"""What REST alone answers, as models: for the specifications, and for tests that hold real bodies to them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chalicelib.domain.terms import OrderType
from chalicelib.wire.answers import Amount, Answer, Moment, OrderEventFrame, VenueProblem
from chalicelib.wire.order_fields import WireSwapMode


class OrderAccepted(Answer):
    order_id: UUID
    client_order_id: str | None
    status: Literal["accepted"]


class OrderBody(OrderEventFrame):
    """An order's terms, where it stands, and the fields of its last event."""

    type: OrderType  # type: ignore[assignment]  # an order's type here, a frame's type there
    at: Moment | None = None  # type: ignore[assignment]  # an event happens, an order is updated
    swap_mode: WireSwapMode
    amount: Annotated[
        Amount | None,
        Field(description="Null if its token is not listed any more: its decimals are not known."),
    ]
    price_base: Annotated[
        str | None,
        Field(description="The token that its prices are per: of the other one, so much for one of it."),
    ] = None
    accepted_at: Moment
    valid_until: Annotated[Moment | None, Field(description="Null if it waits until it is canceled.")]
    updated_at: Moment
    archived: Annotated[
        bool | None,
        Field(
            description="True if it ended long ago: its events, and the last one's fields, are in an archive."
        ),
    ] = None


class OrderPage(Answer):
    orders: list[OrderBody]
    next_cursor: str | None


class OrderEvents(Answer):
    events: list[OrderEventFrame]


class PoolBody(Answer):
    pool: str
    tokens: list[str]
    error: Annotated[str | None, Field(description="Why it is not traded with, if it is not.")] = None


class VenueBody(Answer):
    venue: str
    pools: list[PoolBody]
    error: str | None = None


class TokenBody(Answer):
    symbol: str
    mint: str
    decimals: int


class Venues(Answer):
    venues: list[VenueBody]
    tokens: list[TokenBody]


class BestRates(Answer):
    """What a first unit gets and costs over all routes, fees included, as quote per base."""

    sell: Annotated[Amount | None, Field(description="Paid for the base asset.")]
    buy: Annotated[Amount | None, Field(description="Asked for the base asset.")]


class MarketBody(Answer):
    pair: Annotated[str, Field(examples=["SOL/USDC"])]
    base_asset: str
    quote_asset: str
    mark: Annotated[
        Amount | None, Field(description="What triggers look at; null without a pool of any depth.")
    ]
    best_rates: BestRates
    pools: Annotated[int, Field(ge=1)]
    at: Moment
    age_ms: Annotated[int, Field(ge=0, description="How old the pools' states were when this was answered.")]
    height: Annotated[int, Field(ge=0, description="The block at which the chain stood.")]


class Markets(Answer):
    markets: list[MarketBody]
    problems: Annotated[list[VenueProblem], Field(description="Venues that are left out.")]


class Health(Answer):
    status: Literal["ok"]


class Readiness(Answer):
    status: Literal["ok", "unavailable"]
    database: Literal["ok", "unavailable"]
    queue: Literal["ok", "unavailable"]
    prices: Annotated[
        Literal["ok", "missing", "unknown"],
        Field(description="Missing: nothing shows a mark that triggers wait for, so none of them fires."),
    ]
    missing_migrations: Annotated[
        list[str] | None,
        Field(description="Of a database that is older than the engine: what it lacks. Nothing is executed."),
    ] = None
    market: Annotated[
        Literal["unavailable"] | None,
        Field(description="Of a simulated market without pools, where every order would fail."),
    ] = None
    chain: Annotated[
        Literal["ok", "unavailable"] | None,
        Field(description="On Solana, with what follows: as of the last read of the pools."),
    ] = None
    slot: int | None = None
    slot_age_seconds: Annotated[int | None, Field(ge=0, description="By the chain's own clock.")] = None
    pools: Annotated[int | None, Field(ge=0, description="So many can be traded with.")] = None
    pools_refused: Annotated[int | None, Field(ge=0, description="So many cannot.")] = None
