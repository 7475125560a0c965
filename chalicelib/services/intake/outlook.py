"""What the market makes of an order now, in a sentence: pure.

It says what the consumer would do with the order in this moment. In the next one the market may be another,
which is why nothing here is a promise.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.domain.amounts import max_in_units, min_out_units
from chalicelib.domain.errors import Code, ExecutionError
from chalicelib.domain.launches import Sniper
from chalicelib.domain.lifetimes import Lifetime
from chalicelib.domain.previews import Check, CheckResult, Judgement, Outlook
from chalicelib.domain.rates import Bound, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, TimeInForce
from chalicelib.domain.triggers import IfAlreadyMet, PriceSource, Trigger
from chalicelib.services.intake.wording import Wording

Swapped = tuple[int, int]
"""What an order gives and gets, in base units."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What binds an order, and what it waits for.

    Attributes:
        slippage_bps: Of the quote at execution; None beside a limit.
        is_at_once: It executes now or never.
        until: When it expires; None if it waits until it is canceled.
        limit_price: As the client wrote it; None without a limit.
        bound: The worst that a limit accepts, for the order's amount.
    """

    slippage_bps: int | None
    is_at_once: bool
    until: datetime | None
    limit_price: str | None = None
    bound: Bound | None = None
    trigger: Trigger | None = None
    sniper: Sniper | None = None


@dataclass(frozen=True, slots=True)
class MarketSight:
    """The market at one moment.

    Attributes:
        swapped: What the order's size would give and get; or why no route fills it.
        mark: Of the pair, output per input; None if it has none now, or why it never has one.
        pools_of_pair: How many pools trade the two tokens already.
    """

    swapped: Swapped | ExecutionError
    mark: Rate | ExecutionError | None
    pools_of_pair: int


_QUOTE: Final = "liquidity"


def conditions_of(terms: OrderTerms, now: datetime) -> Conditions:
    """Return what binds an order that is accepted now.

    Raises:
        FieldError: It names a moment that is past, or too far ahead.
    """
    return Conditions(
        slippage_bps=terms.slippage_bps,
        is_at_once=terms.time_in_force is TimeInForce.IOC,
        until=Lifetime(terms.time_in_force, terms.valid_for_s, terms.expires_at).ends_at(now),
        limit_price=None if terms.limit is None else terms.limit.price,
        bound=terms.bound,
        trigger=terms.trigger,
        sniper=terms.sniper,
    )


def judged(terms: Conditions, seen: MarketSight, words: Wording) -> Judgement:
    """Return whether an order would rest, be executed or come to nothing, and why."""
    if terms.sniper is not None:
        return _of_sniper(terms, terms.sniper, seen, words)
    if terms.trigger is not None:
        return _of_trigger(terms, terms.trigger, seen, words)
    return _unconditional(terms, seen, words)


def _unconditional(terms: Conditions, seen: MarketSight, words: Wording) -> Judgement:
    if terms.bound is not None:
        return _of_limit(terms, terms.bound, seen, words)
    swapped = seen.swapped
    if isinstance(swapped, ExecutionError):
        check = Check(_QUOTE, CheckResult.FAILED, swapped.message, swapped.code)
        return Judgement(Outlook.REFUSED, f"Would fail: {swapped.message}.", (check,))
    worst = words.bound(_slippage_bound(terms, swapped, words.mode))
    sentence = (
        f"Would {words.action} now for about {words.other(swapped)}, and {worst}"
        f" ({terms.slippage_bps} bps of slippage)."
    )
    return Judgement(Outlook.EXECUTE_NOW, sentence, (_filled(swapped, words),))


def _of_limit(terms: Conditions, bound: Bound, seen: MarketSight, words: Wording) -> Judgement:
    swapped, limit = seen.swapped, f"the limit of {terms.limit_price} asks for {words.bound(bound)}"
    if isinstance(swapped, ExecutionError):
        now, filled = f"now {swapped.message}", Check(_QUOTE, CheckResult.WAITING, swapped.message)
    else:
        filled = _filled(swapped, words)
        if bound.is_kept_by(*swapped):
            sentence = f"Would {words.action} now for about {words.other(swapped)}: {limit}."
            return Judgement(
                Outlook.EXECUTE_NOW, sentence, (filled, Check("limit", CheckResult.PASSED, "is kept now"))
            )
        now = f"now it would be {words.other(swapped)}, {words.distance(bound, swapped)} % away"
    if terms.is_at_once:
        check = Check("limit", CheckResult.FAILED, f"{limit}; {now}", Code.LIMIT_NOT_MET)
        return Judgement(Outlook.REFUSED, f"Would expire at once: {limit}, and {now}.", (filled, check))
    sentence = f"Would rest {words.until(terms.until)} or until it can {words.action}: {limit}; {now}."
    return Judgement(Outlook.OPEN, sentence, (filled, Check("limit", CheckResult.WAITING, now)))


def _of_trigger(terms: Conditions, trigger: Trigger, seen: MarketSight, words: Wording) -> Judgement:
    what, rate = _watched(trigger, seen)
    if isinstance(rate, ExecutionError):
        check = Check("trigger", CheckResult.FAILED, rate.message, rate.code)
        return Judgement(Outlook.REFUSED, f"Would fail: {rate.message}.", (check,))
    wanted = f"at or {trigger.when.value} {trigger.price}"
    now = f"{what} is unknown" if rate is None else f"{what} is {words.price(rate)}"
    if rate is None or not trigger.is_met_by(rate):
        held = f" for {trigger.confirmations} blocks" if trigger.confirmations > 1 else ""
        sentence = (
            f"Would rest {words.until(terms.until)}, waiting for {what} to be {wanted}{held},"
            f" and then {_afterwards(terms, words)}; now {now}."
        )
        return Judgement(Outlook.OPEN, sentence, (Check("trigger", CheckResult.WAITING, f"now {now}"),))
    met = f"{now}, which is {wanted} already"
    if trigger.if_already_met is IfAlreadyMet.REFUSE:
        check = Check("trigger", CheckResult.FAILED, met, Code.TRIGGER_ALREADY_MET)
        return Judgement(Outlook.REFUSED, f"Would fail: {met}, and ifAlreadyMet is refuse.", (check,))
    after = _unconditional(terms, seen, words)
    check = Check("trigger", CheckResult.PASSED, met)
    held = f"if that holds for {trigger.confirmations} blocks" if trigger.confirmations > 1 else "at once"
    return Judgement(after.outlook, f"Triggered {held}: {met}. {after.sentence}", (check, *after.checks))


def _of_sniper(terms: Conditions, sniper: Sniper, seen: MarketSight, words: Wording) -> Judgement:
    where = f" on {sniper.venue}" if sniper.venue is not None else ""
    sentence = (
        f"Would rest {words.until(terms.until)}, waiting for a pool of {words.tokens} to open{where}"
        f"{words.filters(sniper)}, and then {_afterwards(terms, words)}."
    )
    if there := seen.pools_of_pair:
        sentence += f" {there} pools of the two are open already: what opened before it does not count."
    return Judgement(
        Outlook.OPEN, sentence, (Check("launch", CheckResult.WAITING, "no pool has opened yet"),)
    )


def _watched(trigger: Trigger, seen: MarketSight) -> tuple[str, Rate | ExecutionError | None]:
    if trigger.source is PriceSource.MARK:
        return "the mark", seen.mark
    swapped = seen.swapped
    rate = None if isinstance(swapped, ExecutionError) else Rate.of(swapped[1], swapped[0])
    return "the rate for its size", rate


def _afterwards(terms: Conditions, words: Wording) -> str:
    action = words.action if terms.sniper is None else words.purchase
    if terms.bound is not None:
        return f"{action} for {words.bound(terms.bound)} (limit {terms.limit_price})"
    return f"{action} at the market, within {terms.slippage_bps} bps of the quote then"


def _slippage_bound(terms: Conditions, swapped: Swapped, mode: SwapMode) -> Bound:
    assert terms.slippage_bps is not None, "an order without a limit has a slippage"
    if mode is SwapMode.EXACT_IN:
        return Bound(mode, min_out_units(swapped[1], terms.slippage_bps))
    return Bound(mode, max_in_units(swapped[0], terms.slippage_bps))


def _filled(swapped: Swapped, words: Wording) -> Check:
    return Check(_QUOTE, CheckResult.PASSED, f"the venues would fill it for {words.other(swapped)}")
