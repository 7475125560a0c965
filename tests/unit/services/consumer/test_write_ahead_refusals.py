"""What a chain refuses to sign for one order is that order's end, and no other's."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.errors import (
    Code,
    DayCapError,
    ExecutionError,
    KeyUnusableError,
    PlanOutdatedError,
    RefusedError,
    RetryableError,
)
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer.batch import Batch
from chalicelib.services.consumer.write_ahead import WriteAhead
from chalicelib.services.planning.venues import VenueAnswers
from tests.fakes.orders import advanced, an_order, changed
from tests.fakes.ports import FrozenClock

CLOCK = FrozenClock()
POOL = RoutablePool("pool", "raydium", ("SOL", "USDC"), CpmmPool(10**15, 10**14, CpmmFees(2500, 0, 0)))


def routing(order: Order) -> OrderState:
    return advanced(OrderState(order), OrderStatus.PENDING, OrderStatus.ROUTING)[0]


class Answered:
    """A quote request that one venue has answered."""

    def answers(self) -> VenueAnswers:
        now = CLOCK.now()
        return VenueAnswers((POOL,), ("raydium",), {}, now, now + timedelta(seconds=2))


class PickyChain:
    """Signs for some accounts, and says of the others what it was told to."""

    def __init__(self, error: Exception, *, of: str) -> None:
        self.error, self.of = error, of

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        if any(instruction.account_id == self.of for instruction in instructions):
            raise self.error
        return [SignedTransaction(f"sig {one.order_id}", b"", 150) for one in instructions]

    def send(self, transactions: Sequence[SignedTransaction]) -> None: ...

    def view(self, signatures: Sequence[str]) -> ChainView:
        del signatures
        return ChainView(0, {})

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        raise AssertionError(transactions, margin_blocks)


def transitions(error: Exception, states: Sequence[OrderState]) -> list[Transition]:
    write_ahead = WriteAhead(
        quote_collector=None,  # type: ignore[arg-type]  # the venues have been asked
        chain=PickyChain(error, of="poor"),
        tokens=load_tokens(),
        clock=CLOCK,
        attempts_max=3,
    )
    claimed = [ClaimedOrder(state, 1) for state in states]
    return write_ahead.transitions(claimed, Answered(), Batch({}, {}))  # type: ignore[arg-type]


def statuses(error: Exception, accounts: Sequence[str]) -> dict[str, tuple[OrderStatus | None, Any]]:
    made = transitions(error, [routing(an_order(account_id=account_id)) for account_id in accounts])
    return {one.state.order.account_id: (one.state.status, one.failure_code) for one in made}


def limited(time_in_force: TimeInForce) -> OrderState:
    """An order at its last attempt, with a limit that the pool offers."""
    order = changed(
        an_order(account_id="poor"), order_type=OrderType.LIMIT, slippage_bps=None,
        time_in_force=time_in_force, limit=Limit("1", Rate.of(1, 1_000)),
    )  # fmt: skip
    return replace(routing(order), attempt=3)


def test_order_that_its_wallet_cannot_pay_for_fails_with_the_reason_and_the_others_are_sent() -> None:
    error = RefusedError(Code.INSUFFICIENT_FUNDS, "the account does not hold enough SOL")
    found = statuses(error, ["rich", "poor", "other"])
    assert found["rich"][0] is found["other"][0] is OrderStatus.SUBMITTED
    assert found["poor"] == (OrderStatus.FAILED, Code.INSUFFICIENT_FUNDS)


@pytest.mark.parametrize("accounts", [["poor"], ["rich", "poor"]])
def test_node_that_does_not_answer_is_no_orders_end(accounts: list[str]) -> None:
    found = statuses(RetryableError("no node answered"), accounts)
    assert {status for status, _ in found.values()} == {OrderStatus.ROUTING}


def test_order_whose_pools_have_moved_is_planned_anew_and_the_others_are_sent() -> None:
    found = statuses(PlanOutdatedError("a pool of the plan has moved"), ["rich", "poor", "other"])
    assert found["rich"][0] is found["other"][0] is OrderStatus.SUBMITTED
    assert found["poor"] == (OrderStatus.ROUTING, None)


def test_key_that_does_not_sign_costs_no_other_accounts_orders_an_attempt() -> None:
    found = statuses(KeyUnusableError("the wallet's key cannot be used now"), ["rich", "poor", "other"])
    assert found["rich"][0] is found["other"][0] is OrderStatus.SUBMITTED
    assert found["poor"] == (OrderStatus.ROUTING, None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PlanOutdatedError("a pool of the plan has moved"), Code.RETRIES_EXHAUSTED),
        (RetryableError("no node answered in time"), Code.NO_ROUTE),
    ],
)
def test_last_attempt_for_which_nothing_is_signed_is_not_called_without_a_route_where_there_was_one(
    error: ExecutionError, code: Code
) -> None:
    (made,) = transitions(error, [replace(routing(an_order(account_id="poor")), attempt=3)])
    assert (made.state.status, made.failure_code) == (OrderStatus.FAILED, code)


NOT_NOW = [
    RetryableError("no node answered in time"),
    PlanOutdatedError("a pool of the plan has moved"),
    RefusedError(Code.SLIPPAGE_EXCEEDED, "a node that ran the transaction saw it fail"),
    RefusedError(Code.INSUFFICIENT_LIQUIDITY, "a leg of 0 units cannot be built"),
    DayCapError("SOL"),
    RefusedError(Code.NO_ROUTE, "no plan that fits into one transaction is within the order's threshold"),
]


@pytest.mark.parametrize("error", NOT_NOW)
def test_order_with_a_limit_rests_where_nothing_is_signed_for_it_now(error: ExecutionError) -> None:
    """As where no venue answers, or the chain refuses it at its limit: until filled or canceled."""
    (made,) = transitions(error, [limited(TimeInForce.GTC)])
    assert made.state.status is OrderStatus.OPEN
    assert made.state.attempt == 3
    assert [getattr(event.what, "reason", None) for event in made.events] == [error.message]
    assert made.watch is not None
    assert made.watch.wake_at is not None
    assert CLOCK.now() < made.watch.wake_at <= CLOCK.now() + timedelta(minutes=5)
    assert made.new_attempt is None


@pytest.mark.parametrize("code", [Code.INSUFFICIENT_FUNDS, Code.TRANSACTION_FAILED])
def test_order_with_a_limit_fails_where_no_price_would_change_what_refuses_it(code: Code) -> None:
    (made,) = transitions(RefusedError(code, "no"), [limited(TimeInForce.GTC)])
    assert (made.state.status, made.failure_code) == (OrderStatus.FAILED, code)


@pytest.mark.parametrize("error", NOT_NOW)
def test_order_that_is_to_be_filled_at_once_ends_with_its_attempts(error: ExecutionError) -> None:
    (made,) = transitions(error, [limited(TimeInForce.IOC)])
    assert made.state.status is OrderStatus.FAILED
