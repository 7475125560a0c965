"""Names that were meant are refused with the right one; names that mean nothing to us are left alone."""

import pytest

from chalicelib.domain.errors import FieldProblem
from chalicelib.wire.known_names import misspelt

KNOWN = frozenset(
    {
        "clientOrderId", "type", "inputToken", "outputToken", "swapMode", "side", "baseAsset", "quoteAsset",
        "amount",
        "slippageBps", "validForSeconds", "expiresAt", "limitPrice", "timeInForce", "trigger", "sniper",
        "dryRun",
        "action", "requestId",
    }
)  # fmt: skip


def problems_of(name: str, value: object = "1") -> list[FieldProblem]:
    return list(misspelt({name: value}, KNOWN))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("slipageBps", "slippageBps"),
        ("slippage_bps", "slippageBps"),
        ("SlippageBPS", "slippageBps"),
        ("slippage", "slippageBps"),
        ("limit_price", "limitPrice"),
        ("limtiPrice", "limitPrice"),
        ("limitPrices", "limitPrice"),
        ("price", "limitPrice"),
        ("stopPrice", "trigger.price"),
        ("stop_price", "trigger.price"),
        ("triggers", "trigger"),
        ("triger", "trigger"),
        ("stopLoss", "trigger"),
        ("tif", "timeInForce"),
        ("time_in_force", "timeInForce"),
        ("expireAt", "expiresAt"),
        ("expires", "expiresAt"),
        ("validForSecond", "validForSeconds"),
        ("inputMint", "inputToken"),
        ("quantity", "amount"),
        ("ammount", "amount"),
        ("snipper", "sniper"),
        ("dryrun", "dryRun"),
        ("dry_run", "dryRun"),
        ("client-order-id", "clientOrderId"),
        ("minAmountOut", "limitPrice"),
        ("stopLimitPrice", "limitPrice"),
        ("good_til_date", "expiresAt"),
        ("validForSecs", "validForSeconds"),
        ("slippage_pct", "slippageBps"),
        ("ioc", "timeInForce"),
        ("symbol", "baseAsset"),
        ("confirmations", "trigger.confirmations"),
        ("if_already_met", "trigger.ifAlreadyMet"),
        ("venue", "sniper.venue"),
        ("maxFeeBps", "sniper.maxFeeBps"),
        ("amountOutMin", "limitPrice"),
        ("amountOutMinimum", "limitPrice"),
        ("amountInMaximum", "limitPrice"),
        ("minReturnAmount", "limitPrice"),
        ("price2", "limitPrice"),
        ("stop_trigger_price", "trigger.price"),
        ("triggerPriceUsd", "trigger.price"),
        ("slPriceUsd", "trigger.price"),
        ("tpPrice", "trigger.price"),
        ("sl", "trigger"),
        ("tpsl", "trigger"),
        ("stop_direction", "trigger.when"),
        ("end_time", "expiresAt"),
        ("validTo", "expiresAt"),
        ("goodTilTime", "expiresAt"),
        ("slippagePercentage", "slippageBps"),
        ("immediateOrCancel", "timeInForce"),
        ("base_size", "amount"),
    ],
)
def test_name_that_is_nearly_known_is_refused_with_the_right_one(name: str, meant: str) -> None:
    (problem,) = problems_of(name)
    assert problem == FieldProblem(name, f"is not a field; did you mean {meant}?")


@pytest.mark.parametrize(
    "name", [*sorted(KNOWN), "note", "memo", "tag", "strategy", "source", "batch", "x", "", "user", "v"]
)
def test_known_and_unrelated_names_are_left_alone(name: str) -> None:
    assert problems_of(name) == []


@pytest.mark.parametrize(("name", "value"), [("limit_price", None), ("stopPrice", None), ("postOnly", False)])
def test_member_without_a_meaning_is_left_alone(name: str, value: object) -> None:
    assert problems_of(name, value) == []


@pytest.mark.parametrize(
    "name",
    [
        "postOnly", "reduce_only", "trailingBps", "trail_price", "activationPrice", "conditional", "twap",
        "startAt", "effective_time", "numberOfOrders", "leverage", "minQty", "displayQty", "fillOrKill",
        "partiallyFillable", "maxPriceImpact",
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_with_the_reason(name: str) -> None:
    (problem,) = problems_of(name, value=True)
    assert problem.problem.startswith("is not offered: ")


def test_names_within_an_inner_object_are_told_with_its_own() -> None:
    inner = frozenset({"price", "when", "source", "confirmations", "ifAlreadyMet"})
    found = {
        p.field: p.problem
        for p in misspelt({"triggerPrice": 1, "confirmation": 2, "note": 3}, inner, prefix="trigger.")
    }
    assert found == {
        "trigger.triggerPrice": "is not a field; did you mean trigger.price?",
        "trigger.confirmation": "is not a field; did you mean trigger.confirmations?",
    }


def test_words_of_an_inner_object_that_belong_outside_of_it_are_told_so() -> None:
    inner = frozenset({"venue", "minLiquidity", "maxFeeBps", "maxDelayBlocks"})
    members = {"limitPrice": 1, "maxPrice": 2, "slippageBps": 3, "require": ["mintRenounced"], "note": 4}
    found = {p.field: p.problem for p in misspelt(members, inner, prefix="sniper.", outer=KNOWN)}
    assert found == {
        "sniper.limitPrice": "is not a field; did you mean limitPrice, outside of sniper?",
        "sniper.maxPrice": "is not a field; did you mean limitPrice, outside of sniper?",
        "sniper.slippageBps": "is not a field; did you mean slippageBps, outside of sniper?",
        "sniper.require": "is not offered: who may mint or freeze a token is not looked at",
    }


def test_checking_ends_after_more_members_than_any_order_has() -> None:
    members = {f"unknown {index}": 1 for index in range(100_000)} | {"stopPrice": 1}
    assert list(misspelt(members, KNOWN)) == []
