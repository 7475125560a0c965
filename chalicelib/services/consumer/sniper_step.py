"""What becomes of a sniper order once it is looked at: which pools it buys from, if any."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from chalicelib.domain.amounts import format_units
from chalicelib.domain.errors import Code, ExecutionError
from chalicelib.domain.launches import Filter, Launch, LaunchDecision, SeenOpenings, Sniper, judge
from chalicelib.domain.prices import bps_text
from chalicelib.domain.progress import ClaimedOrder, Transition
from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import Token, Tokens
from chalicelib.domain.watches import DirectedPair, moment_rate
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.consumer import transitions
from chalicelib.services.planning.planner import Planner
from chalicelib.services.ports import ChainTime
from chalicelib.services.resting.launching import (
    FEE_PRECISION,
    index_of,
    launches_of,
    seconds_until_fee,
)
from chalicelib.services.resting.waiting import AT_ITS_RATE, ELSEWHERE_FOR, NEVER, LookAgain, left_alone

_RATE_PER_BPS: Final = FEE_PRECISION // 10_000
_NOT_YET: Final = timedelta(milliseconds=200)
_DECIMALS_WITHIN: Final = timedelta(seconds=2)


def sniper_step(
    order: ClaimedOrder, planner: Planner, seen: SeenOpenings, tokens: Tokens, now: datetime
) -> Transition:
    """Return the order triggered by a launch, at rest, or failed because its filters refuse what opened."""
    looked = looked_at(order, planner, seen, tokens, now)
    return looked if isinstance(looked, Transition) else transitions.launched(order, looked[0], now)


def looked_at(
    order: ClaimedOrder, planner: Planner, seen: SeenOpenings, tokens: Tokens, now: datetime
) -> Sequence[Launch] | Transition:
    """Return the launches that an order buys from, oldest first, or what becomes of it if there is none.

    Pools of another venue than the one it names are not what it waits for, and are passed over; a launch that
    fails any other filter for good ends the order, unless a later one may still do. With other decimals than
    the order says, the mint is not what its limit was made for: no pool of it ever is.
    """
    terms = order.state.order.terms
    assert terms.sniper is not None, "it is a sniper order"
    sniper, pair = terms.sniper, DirectedPair(terms.input_token, terms.output_token)
    found = launches_of(planner.pools, pair, seen, planner.moment, since=order.state.order.accepted_at)
    judged = [(launch, judge(sniper, launch)) for launch in found]
    judged = [each for each in judged if each[1].filter is not Filter.VENUE]
    if judged and terms.output_decimals is not None:
        token = tokens.find(terms.output_token)
        if token is None:  # its pool was seen before it was
            return transitions.rest(order, now, LookAgain(NEVER, at=now + _DECIMALS_WITHIN))
        if token.scale != terms.output_decimals:
            problem = _other_decimals(token, terms.output_decimals, judged[0][0])
            return transitions.failed(order, ExecutionError(Code.LAUNCH_FILTERED, problem), now)
    buys = [launch for launch, judgement in judged if judgement.decision is LaunchDecision.BUY]
    if buys:
        return buys
    waits = [launch for launch, judgement in judged if judgement.decision is LaunchDecision.WAIT]
    if waits:
        moments = [
            now + _pause(sniper, launch, planner.pools, pair, planner.moment)
            if launch.is_open
            else max(seen.by_pool[launch.pool_id].at, now + _NOT_YET)
            for launch in waits
        ]
        return transitions.rest(order, now, LookAgain(_after(order, planner, seen), at=min(moments)))
    if judged:
        launch, judgement = judged[0]
        assert judgement.filter is not None, "a refusal names its filter"
        problem = _problem(judgement.filter, sniper, launch, pair.input_token, tokens)
        return transitions.failed(order, ExecutionError(Code.LAUNCH_FILTERED, problem), now)
    return transitions.rest(order, now, _again(order, planner, found, seen, now))


def _again(
    order: ClaimedOrder, planner: Planner, found: Sequence[Launch], seen: SeenOpenings, now: datetime
) -> LookAgain:
    """Return when to look again at an order for which nothing has opened."""
    since = order.state.order.accepted_at
    if any(each.at > since and pool_id not in planner.pools for pool_id, each in seen.by_pool.items()):
        return AT_ITS_RATE  # its venue does not answer: no such opening may be slept through
    if order.state.is_triggered:  # what opened is gone
        return LookAgain(NEVER, at=now + left_alone(order.state.order, now))
    fired = order.fired
    if not found and fired is not None and fired.height is not None and seen.height < fired.height:
        return AT_ITS_RATE  # what fired it may not be there yet for the node that was asked
    return LookAgain(_after(order, planner, seen))


def _after(order: ClaimedOrder, planner: Planner, seen: SeenOpenings) -> Rate | None:
    """Return what the next opening meets, and none of those that were looked at; None if there was none.

    What has yet to open is none of them: others may open before it.
    """
    pair = {order.state.order.terms.input_token, order.state.order.terms.output_token}
    met = [
        moment_rate(opening.noticed_at).output_units
        for pool_id, opening in seen.by_pool.items()
        if opening.height <= seen.height
        and opening.noticed_at > order.state.order.accepted_at  # older ones wake it by no rate
        and (pool := planner.pools.get(pool_id)) is not None
        and set(pool.tokens) == pair
    ]
    if order.fired is not None and order.fired.seen is not None:  # by another mint's pool, as it may be
        met.append(order.fired.seen.output_units)
    return Rate(max(met) + 1, 1) if met else None


def _pause(
    sniper: Sniper, launch: Launch, market: Mapping[str, RoutablePool], pair: DirectedPair, now: ChainTime
) -> timedelta:
    """Return when a fee is down to what an order asks for, or its time for that is up, whichever is first."""
    assert sniper.max_fee_bps is not None, "of an open pool only a fee is waited for"
    pool = market[launch.pool_id]
    wanted = sniper.max_fee_bps * _RATE_PER_BPS
    seconds = seconds_until_fee(pool.state, index_of(pool, pair.input_token), wanted, now)
    pauses = [ELSEWHERE_FOR]
    if seconds is not None:
        pauses.append(timedelta(seconds=seconds))
    if sniper.max_delay_blocks is not None:
        left = launch.opened_height + sniper.max_delay_blocks + 1 - launch.height
        pauses.append(timedelta(seconds=left * now.block_s))
    return min(pauses)


def _other_decimals(token: Token, said: int, launch: Launch) -> str:
    opened = f"the pool {launch.pool_id} opened and does not pass sniper.{Filter.DECIMALS.value}"
    return f"{opened}: {token.mint} has {token.scale} decimals, not {said}"


def _problem(failed: Filter, sniper: Sniper, launch: Launch, input_token: str, tokens: Tokens) -> str:
    opened = f"the pool {launch.pool_id} opened and does not pass sniper.{failed.value}"
    match failed:
        case Filter.MIN_LIQUIDITY:
            assert sniper.min_liquidity_units is not None
            scale = tokens[input_token].scale
            held = format_units(launch.liquidity_units, scale)
            wanted = format_units(sniper.min_liquidity_units, scale)
            return f"{opened}: it holds {held} {input_token}, less than {wanted}"
        case Filter.MAX_DELAY:
            age, fee = launch.height - launch.opened_height, bps_text(launch.fee_rate, FEE_PRECISION)
            late = f"that was {age} blocks ago, more than {sniper.max_delay_blocks}"
            return f"{opened}: {late} (its fee: {fee} bps)"
        case Filter.VENUE | Filter.MAX_FEE | Filter.DECIMALS:
            return opened
