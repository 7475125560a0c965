"""What clients are shown of a plan: the plan's own amounts, in token units, and nothing else."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.amm.damm_v2_curve import CompoundingCurve
from chalicelib.amm.damm_v2_fee import BaseFee, DammCollectFeeMode, DammV2Fees
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Token, TokenPair, Tokens
from chalicelib.routing.market import Market
from chalicelib.routing.plan import Plan, RoutablePool
from chalicelib.routing.router import best_plan
from chalicelib.routing.swap_order import SwapOrder
from chalicelib.services.planning.chosen_route import chosen_route
from chalicelib.services.planning.venues import VenueAnswers
from chalicelib.wire.route_views import RouteViews

NOW_S = 1_700_000_000
TOKENS = Tokens(
    [Token("A", "mint-a", 9, 2**63, 0), Token("B", "mint-b", 6, 2**63, 0), Token("M", "mint-m", 6, 2**63, 0)],
    TokenPair("A", "B"),
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANSWERS = VenueAnswers(
    (), ("raydium", "meteora", "orca"), {"orca": "no answer"}, NOON, NOON + timedelta(seconds=10)
)
# At 150 B for an A: 150 x 10^6 units for 10^9.
DIRECT = RoutablePool("direct", "raydium", ("A", "B"), CpmmPool(10**15, 150 * 10**12, CpmmFees(2_500, 0, 0)))
FEE_OUT = RoutablePool(
    "fee-out",
    "meteora",
    ("A", "B"),
    DammV2Pool(
        CompoundingCurve(10**15, 150 * 10**12), DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH)
    ),
)
FIRST = RoutablePool("first", "raydium", ("A", "M"), CpmmPool(10**15, 152 * 10**12, CpmmFees(100, 0, 0)))
SECOND = RoutablePool("second", "meteora", ("M", "B"), CpmmPool(10**15, 10**15, CpmmFees(100, 0, 0)))


def shown(
    pools: list[RoutablePool], amount: int, mode: SwapMode = SwapMode.EXACT_IN, *, base: str = "A"
) -> tuple[Plan, dict[str, Any]]:
    market = Market(pools, NOW_S)
    plan = best_plan(market, SwapOrder(mode, "A", "B", amount, leg_cost=0))
    return plan, RouteViews(TOKENS).route(chosen_route(plan, market.pools, ANSWERS, base=base))


def test_order_that_one_pool_fills_shows_what_that_pool_quotes() -> None:
    plan, view = shown([DIRECT], 10**9)
    (leg,) = view["route"]
    quote, missing, down = view["quotes"]
    assert plan.amount_out == 149_624_850
    shared = ("inputAmount", "outputAmount", "price", "feeAmount", "feeToken", "fees", "priceImpactBps")
    assert {key: view[key] for key in shared} == {key: quote[key] for key in shared}
    assert {key: quote[key] for key in shared} == {
        "inputAmount": "1",
        "outputAmount": "149.62485",
        "price": "149.62485",
        "feeAmount": "0.0025",
        "feeToken": "A",
        "fees": [{"token": "A", "amount": "0.0025"}],
        "priceImpactBps": "0.01",
    }
    assert quote | {"venue": "raydium", "pool": "direct", "validUntil": "2026-01-01T12:00:10.000Z"} == quote
    assert (leg["inputAmount"], leg["outputAmount"], leg["shareBps"]) == ("1", "149.62485", 10_000)
    assert view["bestSingleVenue"]["outputAmount"] == "149.62485"
    assert missing == {"venue": "meteora", "error": "no pool of it can fill the order alone"}
    assert down == {"venue": "orca", "error": "no answer"}


def test_two_hop_path_shows_both_legs_and_the_pool_it_beats() -> None:
    plan, view = shown([DIRECT, FIRST, SECOND], 10**9)
    first, second = view["route"]
    assert [(leg["pool"], leg["inputToken"], leg["outputToken"]) for leg in view["route"]] == [
        ("first", "A", "M"),
        ("second", "M", "B"),
    ]
    assert first["outputAmount"] == second["inputAmount"]
    assert view["outputAmount"] == second["outputAmount"] == "151.969425"
    assert view["fees"] == [{"token": "A", "amount": "0.0001"}, {"token": "M", "amount": "0.015199"}]
    assert view["bestSingleVenue"]["outputAmount"] == view["quotes"][0]["outputAmount"] == "149.62485"
    assert plan.improvement_bps == Decimal(view["improvementBps"]) > 150


def test_split_adds_up_the_fees_of_both_tokens_and_never_across() -> None:
    plan, view = shown([DIRECT, FEE_OUT], 10**14)
    assert {leg["pool"] for leg in view["route"]} == {"direct", "fee-out"}
    assert sum(leg["shareBps"] for leg in view["route"]) == 10_000
    assert [fee["token"] for fee in view["fees"]] == ["A", "B"]
    assert (view["feeToken"], view["feeAmount"]) == ("A", view["fees"][0]["amount"])
    assert [quote.get("feeToken") for quote in view["quotes"]] == ["A", "B", None]
    assert plan.best_single is not None
    whole_legs = [quote["priceImpactBps"] for quote in view["quotes"][:2]]
    assert all(Decimal(view["priceImpactBps"]) < Decimal(impact) for impact in whole_legs)


@pytest.mark.parametrize(("base", "price"), [("A", "149.624850000000"), ("B", "0.00668338180496408")])
def test_price_is_per_unit_of_the_base(base: str, price: str) -> None:
    _, view = shown([DIRECT], 10**9, base=base)
    assert Decimal(view["price"]) == pytest.approx(Decimal(price), rel=Decimal("1e-11"))


@pytest.mark.parametrize("amount", [10**3, 10**9, 10**14])
@pytest.mark.parametrize("mode", SwapMode)
def test_basis_points_are_plain_decimals_with_six_places(amount: int, mode: SwapMode) -> None:
    plan, view = shown([DIRECT, FEE_OUT, FIRST, SECOND], amount, mode)
    for text, figure in (
        (view["routeGapBps"], plan.gap_bps),
        (view["improvementBps"], plan.improvement_bps),
    ):
        assert text == format(figure, "f")
        assert len(text.partition(".")[2]) == 6
