"""What each status says: the same in rows, in frames and in the documents."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, get_args

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.chosen_route import ChosenRoute, PoolQuote, RouteLeg, VenueRefusal
from chalicelib.domain.errors import Code
from chalicelib.domain.events import (
    Building,
    Canceled,
    Confirmed,
    Expired,
    Failed,
    Happened,
    Launched,
    Open,
    OrderEvent,
    Pending,
    Recorded,
    Routed,
    Routing,
    Submitted,
    Triggered,
)
from chalicelib.domain.ids import new_order_id
from chalicelib.domain.launches import Sniper
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.wire.answers import OrderEventFrame, Quote
from chalicelib.wire.event_views import EventViews
from chalicelib.wire.json_text import canonical
from chalicelib.wire.moments import rfc3339
from chalicelib.wire.server_frames import json_text
from tests.fakes.orders import NOON, terms

ORDER_ID: Final = new_order_id(0)
POOL: Final = PoolQuote("raydium", "p1", 10**9, 150 * 10**6, {"SOL": 25 * 10**5}, "0.01")
ROUTE: Final = ChosenRoute(
    "SOL",
    "USDC",
    "SOL",
    (POOL, VenueRefusal("meteora", "no answer"), VenueRefusal("raydium", "dynamic_fee", "p2")),
    NOON + timedelta(seconds=10),
    10**9,
    150 * 10**6,
    {"SOL": 25 * 10**5},
    "0.01",
    (RouteLeg("raydium", "p1", "SOL", "USDC", 10**9, 150 * 10**6, 10_000, "0.00"),),
    Decimal("0.000000"),
    POOL,
    Decimal("0.000000"),
)
FEE: Final = {"feeAmount": "0.0025", "feeToken": "SOL", "fees": [{"token": "SOL", "amount": "0.0025"}]}
AMOUNTS: Final = {"inputAmount": "1", "outputAmount": "150"}
LIMIT: Final = Limit("138", Rate.of(138, 1_000))

SAID: Final[list[tuple[Happened, dict[str, Any]]]] = [
    (
        Pending(terms()),
        {"orderType": "market", "inputToken": "SOL", "outputToken": "USDC", "slippageBps": 50},
    ),
    (
        Pending(replace(terms(), order_type=OrderType.LIMIT, slippage_bps=None, limit=LIMIT)),
        {
            "orderType": "limit",
            "inputToken": "SOL",
            "outputToken": "USDC",
            "slippageBps": None,
            "limitPrice": "138",
            "timeInForce": "ioc",
        },
    ),
    (Routing(), {}),
    (
        Pending(
            replace(
                terms(),
                order_type=OrderType.LIMIT,
                slippage_bps=None,
                limit=LIMIT,
                trigger=Trigger(
                    "140", When.BELOW, Rate.of(140, 1_000), Direction.AT_MOST, PriceSource.MARK, 2,
                    IfAlreadyMet.REFUSE
                ),
                sniper=Sniper("meteora", 2_500_000_000, 100, 5),
                time_in_force=TimeInForce.GTC,
                output_decimals=6,
            )
        ),
        {
            "orderType": "limit", "inputToken": "SOL", "outputToken": "USDC", "slippageBps": None,
            "limitPrice": "138", "trigger": {
                "price": "140", "when": "below", "source": "mark", "confirmations": 2,
                "ifAlreadyMet": "refuse",
            },
            "sniper": {
                "venue": "meteora", "minLiquidity": "2.5", "maxFeeBps": 100, "maxDelayBlocks": 5,
                "decimals": 6,
            },
            "timeInForce": "gtc",
        },
    ),
    (Open(), {}),
    (Open("moved", {"limitPrice": "156"}), {"reason": "moved", "amended": {"limitPrice": "156"}}),
    (
        Triggered(Rate.of(139, 1_000), PriceSource.MARK, 28, 2, "140", "SOL", "USDC", "SOL"),
        {"observedPrice": "139", "triggerPrice": "140", "source": "mark", "height": 28, "confirmations": 2},
    ),
    (
        Launched("launch", "meteora", 25, 28, 5_000_000_000, 2_500_000, "USDC"),
        {
            "pool": "launch",
            "venue": "meteora",
            "openedHeight": 25,
            "height": 28,
            "liquidity": "5000",
            "feeBps": "25.00",
        },
    ),
    (Routing("none answered"), {"reason": "none answered"}),
    (
        Routed(ROUTE),
        {
            "quotes": [
                {
                    "venue": "raydium", "pool": "p1", **AMOUNTS, "price": "150", **FEE,
                    "priceImpactBps": "0.01",
                    "validUntil": "2026-01-01T12:00:10.000Z",
                },
                {"venue": "meteora", "error": "no answer"},
                {"venue": "raydium", "pool": "p2", "error": "dynamic_fee"},
            ],
            **AMOUNTS,
            "price": "150",
            **FEE,
            "priceImpactBps": "0.01",
            "route": [
                {
                    "venue": "raydium", "pool": "p1", "inputToken": "SOL", "outputToken": "USDC", **AMOUNTS,
                    "shareBps": 10_000,
                }
            ],
            "routeGapBps": "0.000000",
            "bestSingleVenue": {"venue": "raydium", "pool": "p1", **AMOUNTS},
            "improvementBps": "0.000000",
        },
    ),
    (Building(), {}),
    (Submitted("5x"), {"txSignature": "5x"}),
    (
        Confirmed("5x", 28, "SOL", "USDC", "SOL", 10**9, 150 * 10**6, {"SOL": 25 * 10**5}, "0.01", "-1.00"),
        {
            "txSignature": "5x", "slot": 28, **AMOUNTS, "executedPrice": "150", **FEE,
            "priceImpactBps": "0.01",
            "realizedSlippageBps": "-1.00",
        },
    ),
    (
        Confirmed(
            "5x", 28, "SOL", "USDC", "SOL", 10**9, 150 * 10**6, {"SOL": 25 * 10**5}, "0.01", "-1.00",
            unspent_input_units=5, network_fee_lamports=5_000,
        ),
        {
            "txSignature": "5x", "slot": 28, **AMOUNTS, "executedPrice": "150", **FEE,
            "priceImpactBps": "0.01", "realizedSlippageBps": "-1.00", "unspentInputAmount": "0.000000005",
            "networkFeeLamports": 5_000,
        },
    ),
    (Failed(Code.NO_ROUTE, "none", 2), {"code": "NO_ROUTE", "message": "none", "attempts": 2}),
    (
        Failed(Code.SLIPPAGE_EXCEEDED, "moved", 1, network_fee_lamports=5_000),
        {"code": "SLIPPAGE_EXCEEDED", "message": "moved", "attempts": 1, "networkFeeLamports": 5_000},
    ),
    (Canceled(), {}),
    (Expired(Code.DEADLINE_EXCEEDED, "late"), {"code": "DEADLINE_EXCEEDED", "message": "late"}),
]  # fmt: skip
_ENVELOPE: Final = {"type", "orderId", "clientOrderId", "seq", "status", "attempt", "at", "requestId"}


def views() -> EventViews:
    return EventViews(load_tokens())


def an_event(what: Happened | Recorded) -> OrderEvent:
    return OrderEvent(ORDER_ID, 3, 1, NOON, what)


@pytest.mark.parametrize(("what", "said"), SAID, ids=lambda each: getattr(each, "status", ""))
def test_event_says_what_its_status_says_in_token_units(what: Happened, said: dict[str, Any]) -> None:
    assert views().fields(an_event(what)) == said


@pytest.mark.parametrize(("what", "said"), SAID, ids=lambda each: getattr(each, "status", ""))
def test_text_of_every_status_is_canonical(what: Happened, said: dict[str, Any]) -> None:
    """Hashes are taken of it, and found again from the fields alone."""
    assert views().text(an_event(what)) == canonical(said)


@pytest.mark.parametrize("what", [what for what, _ in SAID], ids=lambda what: what.status)
def test_frame_of_every_status_is_as_documented(what: Happened) -> None:
    event = an_event(what)
    frame = json.loads(views().frame_texts('m"iné', [event])[0])
    assert frame == json.loads(json_text(views().frame('m"iné', event)))
    parsed = OrderEventFrame.model_validate_json(json.dumps(frame))
    assert (parsed.status, parsed.seq) == (what.status, 3)
    assert parsed.model_dump(mode="json", by_alias=True, exclude_unset=True) == frame


def test_frames_of_one_moment_have_each_their_own_attempt() -> None:
    events = [replace(an_event(Routing()), seq=number, attempt=number) for number in (1, 2)]
    frames = [json.loads(text) for text in views().frame_texts(None, events)]
    assert [(frame["seq"], frame["attempt"]) for frame in frames] == [(1, 1), (2, 2)]


def test_frames_of_one_attempt_have_each_their_own_moment() -> None:
    events = [replace(an_event(Routing()), at=NOON + timedelta(seconds=number)) for number in range(3)]
    frames = [json.loads(text) for text in views().frame_texts(None, events)]
    assert [frame["at"] for frame in frames] == [rfc3339(event.at) for event in events]


def test_no_member_is_documented_that_no_status_has() -> None:
    documented = {field.alias for field in OrderEventFrame.model_fields.values()}
    assert documented - _ENVELOPE == {name for _, said in SAID for name in said}


def test_every_status_that_an_order_can_reach_has_its_event() -> None:
    said = {type(what) for what, _ in SAID}
    assert said == set(get_args(Happened))
    assert {what.status for what in said} == set(OrderStatus)


def test_quote_shows_what_a_routed_event_shows() -> None:
    quote = views().routes.quote(ROUTE, at=NOON, valid_until=ROUTE.quotes_valid_until)
    assert views().fields(an_event(Routed(ROUTE))).items() <= quote.items()
    Quote.model_validate(quote)


def test_event_is_rendered_once_for_its_row_and_its_frames() -> None:
    view, event = views(), an_event(Routed(ROUTE))
    assert view.text(event) is view.text(event)
    (frame,) = view.frame_texts(None, [event])
    assert view.text(event)[1:] in frame


def test_equal_events_are_told_apart_when_one_is_gone() -> None:
    view = views()
    for number in range(2_000):
        assert view.text(an_event(Submitted(f"{number}"))) == f'{{"txSignature":"{number}"}}'


def test_recorded_event_is_shown_as_it_was_stored_whatever_it_says() -> None:
    stored = {"code": "OF_ANOTHER_RELEASE", "more": [1, None, {"é": "x"}]}
    assert views().fields(an_event(Recorded(OrderStatus.FAILED, stored))) == stored


def test_amount_in_a_token_that_is_not_listed_is_not_guessed() -> None:
    gone = Confirmed("5x", 28, "GONE", "USDC", "GONE", 10**9, 150 * 10**6, {}, "0.00", "0.00")
    fields = views().fields(an_event(gone))
    assert (fields["inputAmount"], fields["executedPrice"], fields["outputAmount"]) == (None, None, "150")
