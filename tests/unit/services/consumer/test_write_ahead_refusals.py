"""What a chain refuses to sign for one order is that order's end, and no other's."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.errors import Code, RefusedError, RetryableError
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer.batch import Batch
from chalicelib.services.consumer.write_ahead import WriteAhead
from chalicelib.services.planning.venues import VenueAnswers
from tests.fakes.orders import advanced, an_order
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


def statuses(error: Exception, accounts: Sequence[str]) -> dict[str, tuple[OrderStatus | None, Any]]:
    claimed = [ClaimedOrder(routing(an_order(account_id=account_id)), 1) for account_id in accounts]
    write_ahead = WriteAhead(
        quote_collector=None,  # type: ignore[arg-type]  # the venues have been asked
        chain=PickyChain(error, of="poor"),
        tokens=load_tokens(),
        clock=CLOCK,
        attempts_max=3,
    )
    made = write_ahead.transitions(claimed, Answered(), Batch({}, {}))  # type: ignore[arg-type]
    return {one.state.order.account_id: (one.state.status, one.failure_code) for one in made}


def test_order_that_its_wallet_cannot_pay_for_fails_with_the_reason_and_the_others_are_sent() -> None:
    error = RefusedError(Code.INSUFFICIENT_FUNDS, "the account does not hold enough SOL")
    found = statuses(error, ["rich", "poor", "other"])
    assert found["rich"][0] is found["other"][0] is OrderStatus.SUBMITTED
    assert found["poor"] == (OrderStatus.FAILED, Code.INSUFFICIENT_FUNDS)


@pytest.mark.parametrize("accounts", [["poor"], ["rich", "poor"]])
def test_node_that_does_not_answer_is_no_orders_end(accounts: list[str]) -> None:
    found = statuses(RetryableError("no node answered"), accounts)
    assert {status for status, _ in found.values()} == {OrderStatus.ROUTING}
