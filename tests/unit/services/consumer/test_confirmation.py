"""When the chain is asked again about what it has not decided."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from chalicelib.domain.errors import Code, RetryableError
from chalicelib.domain.events import Failed, Open, Routing
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import AttemptOutcome, ClaimedOrder, OpenAttempt
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.transactions import (
    ChainView,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
    TransactionStatus,
)
from chalicelib.services.consumer.confirmation import DOUBT_HOLDS_S, Confirmation, PollPolicy
from chalicelib.services.consumer.wait_policy import WaitPolicy
from chalicelib.services.ports import Chain
from chalicelib.services.resting.waiting import BACKOFF_BLOCKS, BACKOFF_BLOCKS_MAX
from tests.fakes.orders import LIFE, NOON, advanced, an_order, changed
from tests.fakes.ports import FrozenClock

POLLS_OFTEN = PollPolicy(wait_s=2.0, poll_s=0.05, again_s=1.0)


def confirming(
    chain: Chain, clock: FrozenClock, policy: PollPolicy, wait_policy: WaitPolicy | None = None
) -> Confirmation:
    return Confirmation(
        chain, clock, poll_policy=policy, wait_policy=wait_policy or WaitPolicy(clock), attempts_max=3
    )


def sent(order: Order | None = None) -> ClaimedOrder:
    attempt = OpenAttempt(SignedTransaction("5x", b"bytes", 10), 1, 1, 1, 1)
    return ClaimedOrder(OrderState(order or an_order()), 1, attempt)


@pytest.fixture
def wait_policy() -> WaitPolicy:
    return WaitPolicy(FrozenClock())


@pytest.fixture
def confirmation(wait_policy: WaitPolicy) -> Confirmation:
    nobody_asks = cast("Chain", None)
    return confirming(nobody_asks, FrozenClock(), POLLS_OFTEN, wait_policy)


def test_order_that_was_waited_for_is_looked_at_soon_and_then_ever_later(confirmation: Confirmation) -> None:
    assert confirmation.wait_s() == 2.0
    pauses = [confirmation.pause_s(delivery, waited_s=2.0) for delivery in range(1, 9)]
    assert pauses == [1, 1, 1, 2, 4, 8, 8, 8]


def test_order_of_a_slow_chain_is_left_alone_for_as_long_as_it_was_not_waited_for(
    confirmation: Confirmation, wait_policy: WaitPolicy
) -> None:
    wait_policy.waited(decided=0, undecided=10)
    assert confirmation.wait_s() == 0.0
    assert [confirmation.pause_s(delivery, waited_s=0.0) for delivery in range(1, 5)] == [3, 1, 1, 2]


class SlowSilence:
    """A chain whose node takes its time for each answer, and knows nothing."""

    def __init__(self, clock: FrozenClock, *, takes_s: float = 1.0) -> None:
        self._clock, self._takes_s = clock, takes_s
        self.asked_at: list[float] = []

    @property
    def asked(self) -> int:
        return len(self.asked_at)

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        raise AssertionError(instructions)

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        del transactions

    def view(self, signatures: Sequence[str]) -> ChainView:
        self.asked_at.append(self._clock.now().timestamp())
        self._clock.sleep(self._takes_s)
        unknown = TransactionStatus(SignatureStatus.UNKNOWN)
        return ChainView(0, dict.fromkeys(signatures, unknown))

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        view = self.view([each.signature for each in transactions])
        return view.dead(transactions, margin_blocks=margin_blocks)


def test_time_that_nodes_take_to_answer_counts_as_waiting() -> None:
    clock = FrozenClock()
    chain = SlowSilence(clock)
    confirmation, claimed = confirming(chain, clock, POLLS_OFTEN), sent()
    assert list(confirmation.decisions([], [claimed], wait_s=2.0)) == []
    assert chain.asked == 3


class Doubtful(SlowSilence):
    """A node that shows everything as dead, and others that will not have it so, or do not answer."""

    def __init__(self, clock: FrozenClock, *, is_silent: bool) -> None:
        super().__init__(clock, takes_s=0.0)
        self.searched_at: list[float] = []
        self._is_silent = is_silent

    def view(self, signatures: Sequence[str]) -> ChainView:
        return replace(super().view(signatures), height=1_000)

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        del transactions, margin_blocks
        self.searched_at.append(self._clock.now().timestamp())
        if self._is_silent:
            raise RetryableError("no node answers")
        return ()


@pytest.mark.parametrize("is_silent", [False, True])
def test_what_one_view_alone_proves_dead_stays_open_and_is_searched_for_now_and_then(
    is_silent: bool,
) -> None:
    clock = FrozenClock()
    chain = Doubtful(clock, is_silent=is_silent)
    policy = PollPolicy(wait_s=5.0, poll_s=0.5, again_s=1.0)
    confirmation, claimed = confirming(chain, clock, policy), sent()
    assert list(confirmation.decisions([], [claimed], wait_s=5.0)) == []
    assert chain.asked > 9
    assert [moment - chain.searched_at[0] for moment in chain.searched_at] == [0.0, 2.0, 4.0]


def test_doubted_order_is_searched_for_again_as_soon_after_the_clock_was_set_back() -> None:
    clock = FrozenClock()
    chain = Doubtful(clock, is_silent=False)
    policy = PollPolicy(wait_s=5.0, poll_s=0.5, again_s=1.0)
    confirmation, claimed = confirming(chain, clock, policy), sent()
    confirmation.look([claimed])
    clock.put(by=timedelta(hours=-1))
    clock.sleep(DOUBT_HOLDS_S)
    confirmation.look([claimed])
    assert len(chain.searched_at) == 2


class Ears(SlowSilence):
    """A node that notes what it is sent, and when."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock, takes_s=0.0)
        self.sent_at: list[float] = []

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        self.sent_at += [self._clock.now().timestamp()] * len(transactions)


def test_bytes_are_sent_again_until_their_orders_end_and_never_after_it() -> None:
    clock = FrozenClock()
    chain = Ears(clock)
    policy = PollPolicy(wait_s=10.0, poll_s=0.5, again_s=1.0)
    confirmation = confirming(chain, clock, policy)
    order = an_order()
    assert order.valid_until is not None
    clock.sleep((order.valid_until - clock.now()).total_seconds() - 3)
    claimed = sent(order)
    confirmation.send([claimed])
    assert list(confirmation.decisions([], [claimed], wait_s=10.0)) == []
    confirmation.send([claimed])
    assert len(chain.sent_at) == 4
    assert max(chain.sent_at) <= order.valid_until.timestamp()


@pytest.mark.parametrize(
    ("sent_before", "wait_s", "looks_s"),
    [
        (False, 2.0, [0.5, 1.0, 1.5, 2.0]),
        (True, 2.0, [0.0, 0.5, 1.0, 1.5, 2.0]),
        (False, 0.0, [0.0]),
    ],
)
def test_what_was_just_sent_is_not_looked_for_before_a_block_can_have_ended(
    sent_before: bool, wait_s: float, looks_s: list[float]
) -> None:
    clock = FrozenClock()
    chain = SlowSilence(clock, takes_s=0.0)
    policy = PollPolicy(wait_s=2.0, poll_s=0.5, again_s=1.0, first_look_s=0.5)
    confirmation, claimed = confirming(chain, clock, policy), sent()
    before, now = ([claimed], []) if sent_before else ([], [claimed])
    began_s = clock.now().timestamp()
    assert list(confirmation.decisions(before, now, wait_s=wait_s)) == []
    assert [at_s - began_s for at_s in chain.asked_at] == looks_s


LIMIT = {"limit": Limit("155", Rate.of(155, 1_000)), "slippage_bps": None}
RESTING = LIMIT | {"time_in_force": TimeInForce.GTC, "valid_until": None}
AT_ONCE = LIMIT | {"time_in_force": TimeInForce.IOC}
ENDED = {"valid_until": NOON - timedelta(seconds=1)}
LATE = LIMIT | {"time_in_force": TimeInForce.GTD, "valid_until": NOON - timedelta(seconds=1)}


@pytest.mark.parametrize(
    ("terms", "refusal", "status"),
    [
        (RESTING, Code.SLIPPAGE_EXCEEDED, OrderStatus.OPEN),
        (RESTING, Code.INSUFFICIENT_LIQUIDITY, OrderStatus.OPEN),
        (RESTING, Code.INSUFFICIENT_FUNDS, OrderStatus.FAILED),
        # What it gets is never worse than its limit, so the next plan tells whether that is still offered.
        (AT_ONCE, Code.SLIPPAGE_EXCEEDED, OrderStatus.ROUTING),
        (AT_ONCE | ENDED, Code.SLIPPAGE_EXCEEDED, OrderStatus.EXPIRED),
        (LATE, Code.SLIPPAGE_EXCEEDED, OrderStatus.EXPIRED),
        (LATE, Code.INSUFFICIENT_LIQUIDITY, OrderStatus.EXPIRED),
        (LATE, Code.INSUFFICIENT_FUNDS, OrderStatus.FAILED),
        ({}, Code.SLIPPAGE_EXCEEDED, OrderStatus.FAILED),
        # A market order that has waited for its trigger.
        ({"time_in_force": TimeInForce.GTC, "valid_until": None}, Code.SLIPPAGE_EXCEEDED, OrderStatus.FAILED),
        # Neither the price nor the wallet was at fault: another transaction may well be taken.
        ({}, None, OrderStatus.ROUTING),
        (RESTING, None, OrderStatus.ROUTING),
        (LATE, None, OrderStatus.EXPIRED),
    ],
)
def test_refusal_puts_an_order_to_rest_that_may_wait_for_its_price_and_ends_any_other(
    terms: dict[str, Any], refusal: Code | None, status: OrderStatus, confirmation: Confirmation
) -> None:
    claimed = sent(changed(an_order(), **terms))
    claimed = replace(claimed, state=advanced(claimed.state, *LIFE[:5])[0])
    refused = TransactionStatus(SignatureStatus.REFUSED, refusal=refusal)
    decided = confirmation.decision(claimed, ChainView(1, {"5x": refused}))
    assert decided is not None
    assert (decided.state.status, decided.outcome) == (status, AttemptOutcome("5x", "refused"))
    if status is OrderStatus.FAILED:
        assert decided.failure_code == refusal


@pytest.mark.parametrize(
    ("attempt", "terms", "status"),
    [
        (1, {}, OrderStatus.ROUTING),
        (2, {}, OrderStatus.ROUTING),
        (3, {}, OrderStatus.FAILED),
        (1, ENDED, OrderStatus.FAILED),
        (2, RESTING, OrderStatus.ROUTING),
        (3, RESTING, OrderStatus.OPEN),
        (3, AT_ONCE, OrderStatus.FAILED),
        (1, LATE, OrderStatus.EXPIRED),
        (3, LATE, OrderStatus.EXPIRED),
    ],
)
def test_dead_transaction_is_noted_as_that_whether_another_follows_it_or_not(
    attempt: int, terms: dict[str, Any], status: OrderStatus, confirmation: Confirmation
) -> None:
    claimed = sent(changed(an_order(), **terms))
    state = replace(advanced(claimed.state, *LIFE[:5])[0], attempt=attempt)
    unknown = TransactionStatus(SignatureStatus.UNKNOWN)
    decided = confirmation.decision(replace(claimed, state=state), ChainView(1_000, {"5x": unknown}))
    assert decided is not None
    assert (decided.state.status, decided.outcome) == (status, AttemptOutcome("5x", "dead"))


@pytest.mark.parametrize(
    ("attempt", "terms", "refusal", "status", "code"),
    [
        (1, {}, Code.SLIPPAGE_EXCEEDED, OrderStatus.ROUTING, None),
        (2, {}, Code.INSUFFICIENT_LIQUIDITY, OrderStatus.ROUTING, None),
        (1, {}, Code.INSUFFICIENT_FUNDS, OrderStatus.FAILED, Code.INSUFFICIENT_FUNDS),
        (1, {}, Code.TRANSACTION_FAILED, OrderStatus.ROUTING, None),
        (3, {}, Code.TRANSACTION_FAILED, OrderStatus.FAILED, Code.TRANSACTION_FAILED),
        (3, AT_ONCE, Code.TRANSACTION_FAILED, OrderStatus.FAILED, Code.TRANSACTION_FAILED),
        (3, RESTING, Code.TRANSACTION_FAILED, OrderStatus.OPEN, None),
        (3, {}, Code.SLIPPAGE_EXCEEDED, OrderStatus.FAILED, Code.RETRIES_EXHAUSTED),
        (1, ENDED, Code.SLIPPAGE_EXCEEDED, OrderStatus.FAILED, Code.DEADLINE_EXCEEDED),
        (1, AT_ONCE, Code.SLIPPAGE_EXCEEDED, OrderStatus.ROUTING, None),
        (3, RESTING, Code.SLIPPAGE_EXCEEDED, OrderStatus.OPEN, None),
    ],
)
def test_leg_that_was_refused_is_another_attempt_and_never_called_the_orders_own_slippage(
    attempt: int,
    terms: dict[str, Any],
    refusal: Code,
    status: OrderStatus,
    code: Code | None,
    confirmation: Confirmation,
) -> None:
    claimed = sent(changed(an_order(), **terms))
    state = replace(advanced(claimed.state, *LIFE[:5])[0], attempt=attempt)
    refused = TransactionStatus(
        SignatureStatus.REFUSED, refusal=refusal, network_fee_lamports=5_000, is_leg_refusal=True
    )
    decided = confirmation.decision(replace(claimed, state=state), ChainView(1, {"5x": refused}))
    assert decided is not None
    assert (decided.state.status, decided.outcome) == (status, AttemptOutcome("5x", "refused"))
    assert decided.failure_code == code
    (what,) = [event.what for event in decided.events]
    assert isinstance(what, Routing | Open | Failed)
    assert what.network_fee_lamports == 5_000
    if refusal is Code.SLIPPAGE_EXCEEDED and code is not Code.DEADLINE_EXCEEDED:
        told = what.message if isinstance(what, Failed) else what.reason
        assert "in one pool the price moved" in str(told)


def test_order_with_a_limit_waits_on_for_as_often_as_nothing_of_it_lands(confirmation: Confirmation) -> None:
    claimed = sent(changed(an_order(), **RESTING))
    state = replace(advanced(claimed.state, *LIFE[:5])[0], attempt=3)
    last, since = claimed.open_attempt, []
    assert last is not None
    for _ in range(3):
        unknown = TransactionStatus(SignatureStatus.UNKNOWN)
        rested = confirmation.decision(replace(claimed, state=state), ChainView(10**9, {"5x": unknown}))
        assert rested is not None
        assert rested.watch is not None
        assert (rested.state.status, rested.state.used_attempts) == (OrderStatus.OPEN, 3)
        since.append(rested.watch.since_height - last.transaction.last_valid_height)
        state, _ = advanced(rested.state, *LIFE[1:5])
    assert since == [BACKOFF_BLOCKS, 2 * BACKOFF_BLOCKS, 4 * BACKOFF_BLOCKS]


class FarAhead(SlowSilence):
    """Refuses at the bound, and puts the chain where it will never be."""

    def view(self, signatures: Sequence[str]) -> ChainView:
        refused = TransactionStatus(SignatureStatus.REFUSED, 5, refusal=Code.SLIPPAGE_EXCEEDED)
        return ChainView(10**17, dict.fromkeys(signatures, refused))


def test_order_refused_at_its_limit_rests_no_longer_for_a_height_that_one_node_made_up() -> None:
    """It landed, so that was within the height up to which it could: more nodes than one have told that."""
    clock = FrozenClock()
    order = changed(
        an_order(), slippage_bps=None, time_in_force=TimeInForce.GTC, limit=Limit("1", Rate.of(1, 1_000))
    )
    claimed = replace(sent(), state=advanced(OrderState(replace(order, valid_until=None)), *LIFE[:5])[0])
    confirmation = confirming(FarAhead(clock, takes_s=0.0), clock, POLLS_OFTEN)
    ((transition,),) = confirmation.decisions([], [claimed], wait_s=2.0)
    assert transition.watch is not None
    assert claimed.open_attempt is not None
    last = claimed.open_attempt.transaction.last_valid_height
    assert transition.watch.since_height <= last + BACKOFF_BLOCKS_MAX
