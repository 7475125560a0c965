"""What an order waits for, as a watch: its trigger or its pool first, then its limit.

A sniper order past its pool's opening is looked at by time as well: what other pools offer says nothing of
those that it buys from, which may make no rate at all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from chalicelib.domain.order_sizes import size_look
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.rates import Rate
from chalicelib.domain.terms import OrderTerms
from chalicelib.domain.tokens import NEW_MINT, is_mint
from chalicelib.domain.triggers import Direction, PriceSource, Trigger
from chalicelib.domain.watches import BY_LAUNCH, BY_MARGINAL_RATE, DirectedPair, Watch, moment_rate

BACKOFF_BLOCKS: Final = 5
"""After a refusal at the limit.

Doubled each time, up to ``BACKOFF_BLOCKS_MAX`` (five minutes at 400 ms a block).
"""

BACKOFF_BLOCKS_MAX: Final = 750

REFUSALS_AT_FIRST: Final = 8
REFUSALS_PER_DOUBLING: Final = 4
AGE_AT_FIRST: Final = timedelta(minutes=5)
"""So many of an order's transactions may be refused by this age, and so many more each time it doubles.

Each costs the network's fee, which the owner pays, or a desk. A price that is at the limit for a moment
now and then seldom takes as many, and what the chain would refuse for ever takes ever fewer.
"""

LEFT_ALONE_MAX: Final = timedelta(hours=6)
"""How long an order that took more is left alone at its limit: after that, another look is worth its fee."""

UNSEEN_MAX: Final = timedelta(minutes=30)
"""The same for a sniper order past its pool's opening: no better price of that pool wakes it sooner."""

MARGIN_BPS: Final = 1
"""How far beyond its limit the price has to be meanwhile: a move like that is worth another fee.

Doubled for each four of its transactions that were refused: so a price that is shown and not to be had is
tried ever less often as well.
"""

ELSEWHERE_FOR: Final = timedelta(minutes=5)
"""How long an order whose size did not fit is left alone at most: liquidity may change without a word."""

NO_VENUE_FOR: Final = timedelta(seconds=15)
"""How long an order with a limit is left alone after no venue answered."""

_LEFT_ALONE_MIN: Final = timedelta(seconds=2)
_DOUBLINGS_MAX: Final = 20

NEVER: Final = Rate(10**60, 1)
"""No rate: what waits for it is woken by time alone, or when its pools' liquidity changes."""

NEVER_SO_LITTLE: Final = Rate(1, 10**61)
"""The same for stops."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """When an order is looked at again that was looked at in vain.

    Attributes:
        wake_rate: At which its size may fit, or is worth another fee; None to look whenever its own rate is
            there.
        since_height: Not before this block.
        at: At the latest; None to leave that to its end, or for a sniper order to its age.
    """

    wake_rate: Rate | None = None
    since_height: int = 0
    at: datetime | None = None


AT_ITS_RATE: Final = LookAgain()


def watch_of(state: OrderState, now: datetime, again: LookAgain = AT_ITS_RATE) -> Watch:
    """Return what an order waits for as it stands."""
    order, terms = state.order, state.order.terms
    at = now + left_alone(order, now) if again.at is None and _waits_by_time(state) else again.at
    ends = [moment for moment in (order.valid_until, at) if moment is not None]
    direction, look, rate = _waited_for(state)
    output_token = NEW_MINT if look == BY_LAUNCH and is_mint(terms.output_token) else terms.output_token
    return Watch(
        order.order_id,
        DirectedPair(terms.input_token, output_token),
        direction,
        look,
        rate,
        order.accepted_at,
        wake_at=min(ends, default=None),
        since_height=again.since_height,
        wake_rate=again.wake_rate,
        within=None if at is None else at - now,
    )


def watch_of_amended(state: OrderState, now: datetime) -> Watch:
    """Return what an order waits for that has just been amended: all prices are looked at then."""
    return watch_of(state, now, LookAgain(at=now) if _waits_by_time(state) else AT_ITS_RATE)


def backed_off(state: OrderState, now: datetime, *, height: int, was_free: bool = False) -> LookAgain:
    """Return when an order is looked at again of which a transaction came to nothing at a block.

    After more refusals than its age allows, its limit alone brings no further one: a better price does, or
    time.

    Args:
        was_free: It never landed, and the chain took nothing for it: where a network drops what is sent, for
            hours, no price has to be better afterwards, and the next refusal is no longer pause either.
    """
    since = backoff_height(height, state.refused_at_bound if was_free else state.paid_refusals)
    pause = ELSEWHERE_FOR * (since - height) / BACKOFF_BLOCKS_MAX
    left = timedelta(0) if was_free else _until_allowed(state, now)
    if _waits_by_time(state):
        # What other pools offer must not wake it while it pauses: it buys from none of them.
        rate = NEVER if left > pause else None
        at = now + max(pause, min(left, UNSEEN_MAX), left_alone(state.order, now))
        return LookAgain(rate, since, at)
    if left <= pause:
        return LookAgain(since_height=since)
    return LookAgain(_beyond(_waited_for(state)[2], margin_bps(state)), since, now + left)


def told_of_pause(state: OrderState, again: LookAgain, now: datetime) -> str:
    """Return what an owner is told of a pause that is longer than any price is left alone for; or nothing."""
    if again.at is None or again.at - now <= ELSEWHERE_FOR:
        return ""
    end, ways = state.order.valid_until, list[str]()
    if again.wake_rate not in {None, NEVER}:
        ways.append(f"at a price {margin_bps(state)} bps beyond its limit, ")
    if end is None or again.at < end:
        ways.append(f"in some {round((again.at - now) / timedelta(minutes=1))} minutes, ")
    return (
        f"; the chain refused {state.paid_refusals} of its transactions, so it is tried again "
        f"{''.join(ways)}{'or ' if ways else ''}when it is amended"
    )


def margin_bps(state: OrderState) -> int:
    """Return how far beyond its limit a price has to be for an order that was refused too often for its age.

    Basis points of the limit.
    """
    return MARGIN_BPS << _doublings(state)


def _until_allowed(state: OrderState, now: datetime) -> timedelta:
    """Return how long it takes until an order is old enough for another transaction at its limit."""
    if state.paid_refusals < REFUSALS_AT_FIRST:
        return timedelta(0)
    allowed_at = state.order.accepted_at + AGE_AT_FIRST * (1 << _doublings(state))
    return min(max(timedelta(0), allowed_at - now), LEFT_ALONE_MAX)


def _doublings(state: OrderState) -> int:
    """Return how often its age has to have doubled, within reason: twenty are ten years."""
    return min((state.paid_refusals - REFUSALS_AT_FIRST) // REFUSALS_PER_DOUBLING, _DOUBLINGS_MAX)


def _beyond(rate: Rate, bps: int) -> Rate:
    return Rate.of(rate.output_units * (10_000 + bps), rate.input_units * 10_000)


def left_alone(order: Order, now: datetime) -> timedelta:
    """Return how long to leave a sniper order alone whose pool is there and beyond its limit.

    Longer as it gets older.
    """
    return min(max(_LEFT_ALONE_MIN, (now - order.accepted_at) / 8), ELSEWHERE_FOR)


def _waits_by_time(state: OrderState) -> bool:
    return state.order.terms.sniper is not None and not state.waits_for_trigger


def _waited_for(state: OrderState) -> tuple[Direction, int, Rate]:
    terms = state.order.terms
    if terms.trigger is not None and state.waits_for_trigger:
        return terms.trigger.direction, _look_of(terms.trigger, terms), terms.trigger.rate
    if terms.sniper is not None and (terms.limit is None or state.waits_for_trigger):
        return Direction.AT_LEAST, BY_LAUNCH, moment_rate(state.order.accepted_at)
    assert terms.limit is not None, "an order that waits has a trigger, a limit or a pool to wait for"
    return Direction.AT_LEAST, BY_MARGINAL_RATE, terms.limit.rate


def _look_of(trigger: Trigger, terms: OrderTerms) -> int:
    """Return what a trigger looks at.

    A take-profit's size gets no more than the marginal rate, a stop's no less than its class of sizes.
    """
    if trigger.source is PriceSource.MARK:
        return trigger.confirmations
    return size_look(terms.swap_mode, terms.amount_units) if trigger.is_stop else BY_MARGINAL_RATE


def backoff_height(height: int, refusals: int) -> int:
    """Return the block from which an order is looked at again, by how often it was refused at its limit."""
    doublings = min(max(0, refusals - 1), BACKOFF_BLOCKS_MAX.bit_length())
    return height + min(BACKOFF_BLOCKS << doublings, BACKOFF_BLOCKS_MAX)


def rate_that_may_fit(wanted: Rate, marginal: Rate, offered: Rate) -> Rate | None:
    """Return the marginal rate to wait for, for an order whose size was offered less than it wants.

    A size loses so much of the marginal rate to its own impact; if it always did, it would get what it wants
    at ``wanted * marginal / offered``. Half the way there is waited for, since liquidity differs from price
    to price: so the order is looked at a few times on the way and not at every price.
    """
    best, got, least = _fraction(marginal), _fraction(offered), _fraction(wanted)
    if not got < least <= best:
        return None
    found = (best + least * best / got) / 2
    return Rate(found.numerator, found.denominator)


def _fraction(rate: Rate) -> Fraction:
    return Fraction(rate.output_units, rate.input_units)
