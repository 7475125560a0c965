"""What becomes of signed transactions: sent, looked up, and the outcome of each once it is certain."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from chalicelib.domain.errors import OF_THE_MARKET, Code, ExecutionError, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.transactions import (
    ChainView,
    SignatureStatus,
    SignedTransaction,
    TransactionStatus,
)
from chalicelib.logs import logger
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.refusals import refusal
from chalicelib.services.consumer.transitions import InVain
from chalicelib.services.consumer.wait_policy import WaitPolicy
from chalicelib.services.isolation import is_of_all, one_by_one, together_or_alone
from chalicelib.services.ports import Chain, Clock

DEADNESS_MARGIN_BLOCKS: Final = 2
"""Blocks to wait past the last valid height: a safety margin, not part of the argument."""

RESEND_INTERVAL_S: Final = 1.0
"""Networks drop packets; the same bytes are sent again about this often until they are seen."""

DOUBT_HOLDS_S: Final = 2.0
"""What seemed dead, and was not so for sure, is searched for no sooner than after this."""

_UNLANDED: Final = "the transaction expired before it landed"
_LOOKS_IN_A_ROW: Final = 3
_DOUBLINGS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How long to wait for the chain within one invocation, and how often to ask.

    Attributes:
        again_s: The pause before another invocation asks; doubled
            from the fourth time on, up to eight times this.
        first_look_s: Before the first look at what has just been sent: no block can have ended sooner.
    """

    wait_s: float
    poll_s: float
    again_s: float
    first_look_s: float = 0.0


class Confirmation:
    """Sends open attempts and turns the chain's answers into transitions.

    Args:
        may_have_executed: Returns whether the record may lack later attempts of an order: one that is late
            goes back to routing then, where it is looked up before it ends.
        may_lack_later: Returns of a transaction whether the record may lack later ones of its order. Before
            those that were signed where the record is now, the order was looked up.
    """

    def __init__(
        self,
        chain: Chain,
        clock: Clock,
        *,
        poll_policy: PollPolicy,
        wait_policy: WaitPolicy,
        attempts_max: int,
        may_have_executed: Callable[[], bool] = lambda: False,
        may_lack_later: Callable[[SignedTransaction], bool] = lambda _: False,
    ) -> None:
        self._may_have_executed = may_have_executed
        self._may_lack_later = may_lack_later
        self._chain = chain
        self._clock = clock
        self._poll_policy = poll_policy
        self._wait_policy = wait_policy
        self._attempts_max = attempts_max
        self._silent_at_s = -math.inf
        self._doubted: dict[str, float] = {}  # by signature: until when it is not searched for again

    def pause_s(self, delivery: int, *, waited_s: float) -> int:
        """Return how long to leave an undecided order alone, after so many deliveries of its message.

        A slow chain that was not waited for need not be asked before it was worth waiting.
        """
        doublings = min(max(0, delivery - _LOOKS_IN_A_ROW), _DOUBLINGS_MAX)
        skipped_s = self._poll_policy.wait_s - waited_s if delivery == 1 else 0.0
        return math.ceil(self._poll_policy.again_s * (1 << doublings) + skipped_s)

    def send(self, orders: Sequence[ClaimedOrder]) -> None:
        """Send the bytes of open attempts, which are on record; whatever the answer, it proves nothing.

        Not those of orders whose end has come: what a consumer recorded and died before sending is never sent
        then, and ends once it is provably dead.
        """
        now = self._clock.now()
        timely = [claimed for claimed in orders if not claimed.state.order.is_late(now)]
        if not timely:
            return
        try:
            together_or_alone(
                timely, self._send, lambda claimed, error: _log_defect(claimed, error, "sending")
            )
        except RetryableError as error:
            logger.warning("send not answered", error_code=error.code, reason=error.message)

    def _send(self, orders: Sequence[ClaimedOrder]) -> None:
        self._chain.send([attempt.transaction for claimed in orders if (attempt := claimed.open_attempt)])

    def wait_s(self) -> float:
        """Return how long the chain is to be waited for now: not at all while it takes longer than that."""
        return self._poll_policy.wait_s if self._wait_policy.is_worth_waiting() else 0.0

    def decisions(
        self, sent_before: Sequence[ClaimedOrder], sent_now: Sequence[ClaimedOrder], *, wait_s: float
    ) -> Iterator[list[Transition]]:
        """Yield transitions as the chain decides, until all orders have theirs or the wait ends.

        All of them have an open attempt that has been sent, some of them a while ago. The wait is for all
        together: an invocation has only so much time, however many orders it has.
        """
        waiting = [*sent_before, *sent_now]
        began_s = self._clock.elapsed_s()
        waited = since_sent = 0.0
        if not sent_before and 0 < self._poll_policy.first_look_s <= wait_s:
            self._clock.sleep(self._poll_policy.first_look_s)
            waited = since_sent = self._poll_policy.first_look_s
        while waiting:
            decided, broken = self._decided(waiting)
            waiting = _without(broken, waiting)
            if decided:
                yield decided
                waiting = _without({transition.state.order.order_id for transition in decided}, waiting)
            elif waited >= wait_s:
                break
            else:
                self._clock.sleep(self._poll_policy.poll_s)
                before = waited
                # A node takes its time to answer, too: what counts is how long all of it takes.
                elapsed_s = self._clock.elapsed_s() - began_s
                waited = max(waited + self._poll_policy.poll_s, elapsed_s)
                since_sent += waited - before
            if since_sent >= RESEND_INTERVAL_S:
                self.send(waiting)
                since_sent = 0.0
        if wait_s:
            # What was sent before has had more time than that.
            undecided = sum(claimed in waiting for claimed in sent_now) if waiting else 0
            self._wait_policy.waited(decided=len(sent_now) - undecided, undecided=undecided)

    def _decided(self, waiting: Sequence[ClaimedOrder]) -> tuple[list[Transition], set[UUID]]:
        """Return the steps that the chain has decided by now, and the orders that no step can be made of."""
        broken: set[UUID] = set()

        def give_up(claimed: ClaimedOrder, error: Exception) -> None:
            broken.add(claimed.state.order.order_id)
            _log_defect(claimed, error, "confirming")

        decided: list[Transition] = []
        for looked_at, view in together_or_alone(waiting, lambda some: (some, self._view(some)), give_up):
            if view is not None:
                decisions = one_by_one(looked_at, partial(self.decision, view=view), give_up)
                decided += [transition for transition in decisions if transition is not None]
        return decided, broken

    def decision(self, claimed: ClaimedOrder, view: ChainView) -> Transition | None:
        """Return what one view of the chain means for an order; None if it leaves the matter open."""
        attempt = claimed.open_attempt
        assert attempt is not None
        status = view.statuses[attempt.transaction.signature]
        now = self._clock.now()
        # One view's height may be anything. By this one it landed, whichever nodes told of that, or died.
        height = min(view.height, attempt.transaction.last_valid_height)
        match status.signature_status:
            case SignatureStatus.LANDED:
                return transitions.confirmed(claimed, attempt, status, now)
            case SignatureStatus.REFUSED:
                return self._after_refusal(claimed, status, now, height)
            case SignatureStatus.UNKNOWN:
                if not view.proves_dead(attempt.transaction, margin_blocks=DEADNESS_MARGIN_BLOCKS):
                    return None
                return self._again(claimed, InVain("dead", _UNLANDED), now, height)

    def _after_refusal(
        self, claimed: ClaimedOrder, status: TransactionStatus, now: datetime, height: int
    ) -> Transition:
        """Return what becomes of an order of which nothing was moved, and this transaction is over for good.

        What only the market refused is no failure yet of an order with a limit, which nothing that it gets
        can be worse than; nor of a stop, which is to be out at what the price has come to; nor where one leg
        was refused alone: of the whole it is not known whether it would have kept its bound. What neither the
        price nor the wallet was the reason for lay in how this transaction was made, or in what others did to
        the accounts that it names: the next one is made anew, and no order ends for it before its last.
        """
        order, code = claimed.state.order, status.refusal or Code.TRANSACTION_FAILED
        error = refusal(
            code,
            order,
            status.refusal_name,
            is_of_a_leg=status.is_leg_refusal,
            is_for_a_fee=status.network_fee_lamports is not None,
            is_delegated=status.is_delegated,
        )
        last = InVain("refused", error.message, status.network_fee_lamports)
        if code in OF_THE_MARKET and order.terms.rests_at_limit and not self._ends_late(order, now):
            return self._rest_again(claimed, last, now, height)
        goes_on = order.terms.limit is not None or order.terms.is_stop_at_market
        if code in OF_THE_MARKET and (status.is_leg_refusal or goes_on):
            return self._again(claimed, last, now, height)
        is_last = claimed.state.used_attempts >= self._attempts_max and not order.terms.rests_at_limit
        if code is Code.TRANSACTION_FAILED and not is_last:
            return self._again(claimed, last, now, height)
        return transitions.failed(claimed, error, now, last)

    def _again(self, claimed: ClaimedOrder, last: InVain, now: datetime, height: int) -> Transition:
        """Return the beginning of another attempt, or what becomes of an order without one left, or without
        time: one with a limit waits on, since its price may be there later.
        """
        order, used = claimed.state.order, claimed.state.used_attempts
        if self._ends_late(order, now):
            return transitions.late(claimed, now, last)
        if used < self._attempts_max:
            return transitions.next_attempt(claimed, last.reason, now, last)
        if order.terms.rests_at_limit:
            return self._rest_again(claimed, last, now, height)
        message = f"{used} attempts came to nothing; of the last one: {last.reason}"
        return transitions.failed(claimed, ExecutionError(Code.RETRIES_EXHAUSTED, message), now, last)

    def _rest_again(self, claimed: ClaimedOrder, last: InVain, now: datetime, height: int) -> Transition:
        """Return an order put to rest; one whose later attempts the record may lack is looked up at once, as
        what rested then has been by now.
        """
        rests = transitions.rest_again(claimed, last, now, height=height)
        attempt = claimed.open_attempt
        if rests.watch is None or attempt is None or not self._may_lack_later(attempt.transaction):
            return rests
        return replace(rests, watch=replace(rests.watch, wake_at=now, within=timedelta(0)))

    def _ends_late(self, order: Order, now: datetime) -> bool:
        return order.is_late(now) and not self._may_have_executed()

    def look(self, orders: Sequence[ClaimedOrder]) -> ChainView:
        """Return what the chain knows of open attempts; what seems dead is looked up by all means there are.

        Raises:
            RetryableError: The chain does not answer.
        """
        sent = [attempt.transaction for claimed in orders if (attempt := claimed.open_attempt)]
        view = self._chain.view([each.signature for each in sent])
        dead = view.dead(sent, margin_blocks=DEADNESS_MARGIN_BLOCKS)
        if not dead:
            return view
        unsure = dead - self._sure([each for each in sent if each.signature in dead])
        return replace(view, doubted=unsure.union(view.doubted))

    def _sure(self, transactions: Sequence[SignedTransaction]) -> frozenset[str]:
        """Return those that can be given up; a search costs many calls, and is not made with every look."""
        now_s = self._clock.elapsed_s()
        self._doubted = {each: until_s for each, until_s in self._doubted.items() if until_s > now_s}
        wanted = [each for each in transactions if each.signature not in self._doubted]
        if not wanted:
            return frozenset()
        try:
            sure = frozenset(self._chain.surely_dead(wanted, margin_blocks=DEADNESS_MARGIN_BLOCKS))
        except RetryableError as error:
            logger.warning("not known whether dead", error_code=error.code, reason=error.message)
            sure = frozenset()
        left = {each.signature for each in wanted} - sure
        self._doubted |= dict.fromkeys(left, now_s + DOUBT_HOLDS_S)
        return sure

    def _view(self, waiting: Sequence[ClaimedOrder]) -> ChainView | None:
        try:
            return self.look(waiting)
        except RetryableError as error:
            if not is_of_all(error):
                raise
            now_s = self._clock.elapsed_s()
            if now_s - self._silent_at_s >= RESEND_INTERVAL_S:  # it is asked many times a second
                self._silent_at_s = now_s
                logger.warning("chain not answering", error_code=error.code, reason=error.message)
            return None


def _without(order_ids: Collection[UUID], claimed: list[ClaimedOrder]) -> list[ClaimedOrder]:
    if not order_ids:
        return claimed
    if len(order_ids) == len(claimed):  # all of them, as nearly always
        return []
    return [each for each in claimed if each.state.order.order_id not in order_ids]


def _log_defect(claimed: ClaimedOrder, error: Exception, doing: str) -> None:
    logger.error("defect", exc_info=error, order_id=str(claimed.state.order.order_id), doing=doing)
