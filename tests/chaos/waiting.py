"""Orders that wait, as clients ask for them, and what their owner can hold each against once it has ended.

Nothing here knows how the engine compares prices: a trader's own arithmetic, in whole tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any, Final

Frame = dict[str, Any]

OPENING_PRICE: Final = 150
"""Of SOL in USDC, about which the market of a run moves."""

NEW_MINT: Final = "CHaosNewMint1111111111111111111111111111111"
LISTED: Final = "RAY"
LAUNCHED: Final = (LISTED, NEW_MINT)
"""What pools of a run open for."""

LOOSE_BPS: Final = 5_000
"""A market order that allows so much is never refused for its price: no run moves it by half at a time."""

_SLIPPAGE_BPS: Final = 50
"""Of an order that does not say."""

_OF_CHAOS: Final = frozenset({"RETRIES_EXHAUSTED", "DEADLINE_EXCEEDED"})
"""Why any order may fail in a run: transactions are dropped, and what sends them is killed."""

_GIVEN_UP: Final = "was given up"
"""Of an order whose message was received too often."""

_PER_MILLE: Final = (-30, -15, -6, -2, 2, 6, 15, 30)


def a_waiting_order(dice: Random) -> Frame:
    """Return an order that waits, or would if the market did not offer what it asks for."""
    kind = dice.choice(["limit", "limit", "limit", "token form", "stop", "profit", "stop limit", "sniper"])
    if kind == "sniper":
        return _a_sniper(dice)
    side = dice.choice(["sell", "buy"])
    order: Frame = {"side": side, "baseAsset": "SOL", "quoteAsset": "USDC", "amount": _amount(dice)}
    if kind == "token form":
        order = {"inputToken": "USDC", "outputToken": "SOL", "swapMode": "exactOut", "amount": _amount(dice)}
    if kind in {"limit", "token form", "stop limit"}:
        order |= {"type": "limit", "limitPrice": _price(dice, order)}
    if kind in {"stop", "profit", "stop limit"}:
        order["trigger"] = _trigger(dice, side, is_stop=kind != "profit")
    ends = dice.choice(["never", "soon", "later", "tomorrow", "at once"])
    if ends == "at once" and kind == "limit":
        return order | {"timeInForce": "ioc"}
    seconds = {"soon": 2, "later": 15, "tomorrow": 86_400}
    return order | ({"validForSeconds": seconds[ends]} if ends in seconds else {})


def _a_sniper(dice: Random) -> Frame:
    filters: list[Frame] = [
        {},
        {"venue": "meteora"},
        {"minLiquidity": "40000"},
        {"maxFeeBps": 100},
        {"maxDelayBlocks": 50},
    ]
    bounds: list[Frame] = [{}, {"validForSeconds": 10}, {"validForSeconds": 86_400}]
    order = {"type": "sniper", "inputToken": "USDC", "outputToken": dice.choice(LAUNCHED), "amount": "20"}
    return order | {"sniper": dice.choice(filters)} | dice.choice(bounds)


def _trigger(dice: Random, side: str, *, is_stop: bool) -> Frame:
    found: Frame = {
        "price": _price(dice, {"side": side}),
        "when": "below" if (side == "sell") == is_stop else "above",
        "ifAlreadyMet": dice.choice(["refuse", "execute"]),
    }
    if is_stop:
        return found | {"confirmations": dice.choice([1, 2, 3])}
    return found | {"source": "executable"}


def a_change(dice: Random, order: Mapping[str, Any]) -> Frame:
    """Return what its owner wants to have changed of an order."""
    changes: list[Frame] = [{"amount": _amount(dice)}]
    if "limitPrice" in order:
        changes.append({"limitPrice": _price(dice, order)})
    if "trigger" in order:
        changes.append({"triggerPrice": _price(dice, order)})
    return dice.choice(changes)


def _amount(dice: Random) -> str:
    return f"0.{dice.randint(1, 99):02}"


def _price(dice: Random, order: Mapping[str, Any]) -> str:
    dollars = OPENING_PRICE * (1 + dice.choice(_PER_MILLE) / 1_000)
    # To releases that are older than this one, superfluous zeros were other terms (tests.skew).
    return (f"{dollars:.2f}" if "side" in order else f"{1 / dollars:.7f}").rstrip("0").rstrip(".")


def terms_before(order: Frame, events: Sequence[Frame]) -> Frame:
    """Return the terms that were in force after some events."""
    terms = dict(order)
    for event in events:
        changed = event.get("amended", {})
        terms |= {name: changed[name] for name in ("limitPrice", "amount") if name in changed}
        if "triggerPrice" in changed:
            terms["trigger"] = terms["trigger"] | {"price": changed["triggerPrice"]}
    return terms


def broken_promises(order: Frame, events: Sequence[Frame]) -> Iterator[str]:
    """Yield what an order got that its terms do not allow.

    Args:
        events: All of them, by ``seq``.
    """
    statuses = [event["status"] for event in events]
    triggered = [place for place, status in enumerate(statuses) if status == "triggered"]
    waits = "trigger" in order or order.get("type") == "sniper"
    if len(triggered) > 1:
        yield f"triggered {len(triggered)} times"
    if waits and "routing" in statuses and not (triggered and triggered[0] < statuses.index("routing")):
        yield "routed before it was triggered"
    for place in triggered:
        yield from _unfounded(terms_before(order, events[:place]), events[place])
    if statuses[-1:] == ["confirmed"]:
        sent = len(statuses) - 1 - statuses[::-1].index("submitted")
        yield from _misfilled(terms_before(order, events[:sent]), events[-1])
    if statuses[-1:] == ["failed"] and not _may_fail(terms_before(order, events), events):
        yield f"failed with {events[-1]['code']}, which nothing of it allows: {events[-1]['message']}"
    if order.get("timeInForce") == "ioc" and "open" in statuses:
        yield "rested, and was to execute at once or never"


def _may_fail(terms: Frame, events: Sequence[Frame]) -> bool:
    """Return whether an order's own terms, or what is done to a run, let it fail as it did.

    There is money enough, and a pool for each pair.
    """
    code, message = events[-1]["code"], events[-1]["message"]
    match code:
        case "NO_ROUTE":
            # Of a chain that is down no node answers, and three tries take a few seconds.
            return "no node answered" in message
        case "SLIPPAGE_EXCEEDED" | "DEADLINE_EXCEEDED" | "RETRIES_EXHAUSTED" if "limitPrice" in terms:
            # It rests again, or expires.
            is_tried_out = terms.get("timeInForce") == "ioc" or _GIVEN_UP in message
            return code == "RETRIES_EXHAUSTED" and is_tried_out
        case "SLIPPAGE_EXCEEDED":
            return int(terms.get("slippageBps", _SLIPPAGE_BPS)) < LOOSE_BPS
        case "TRIGGER_ALREADY_MET":
            return "trigger" in terms and terms["trigger"].get("ifAlreadyMet") != "execute"
        case "LAUNCH_FILTERED":
            return terms.get("type") == "sniper"
    return code in _OF_CHAOS


def _unfounded(terms: Frame, event: Frame) -> Iterator[str]:
    if terms.get("type") == "sniper":
        filters, shown = terms["sniper"], str(event)
        if event["height"] < event["openedHeight"]:
            yield f"bought before the pool opened: {shown}"
        if filters.get("venue", event["venue"]) != event["venue"]:
            yield f"bought at another venue: {shown}"
        if Fraction(event["liquidity"]) < Fraction(filters.get("minLiquidity", 0)):
            yield f"bought from too thin a pool: {shown}"
        if Fraction(str(event["feeBps"])) > filters.get("maxFeeBps", 10_000):
            yield f"bought at too high a fee: {shown}"
        if event["height"] - event["openedHeight"] > filters.get("maxDelayBlocks", 10**9):
            yield f"bought too late: {shown}"
    elif not is_beyond(terms["trigger"], Fraction(event["observedPrice"])):
        yield f"triggered at {event['observedPrice']} by {terms['trigger']}"


def _misfilled(terms: Frame, event: Frame) -> Iterator[str]:
    paid, got = Fraction(event["inputAmount"]), Fraction(event["outputAmount"])
    if "limitPrice" in terms and not keeps_limit(terms, paid, got):
        yield f"gave {paid} and got {got}, at a limit of {terms['limitPrice']}"
    is_exact_out = terms.get("side") == "buy" or terms.get("swapMode") == "exactOut"
    moved = got if is_exact_out else paid + Fraction(event.get("unspentInputAmount", 0))
    if moved != Fraction(terms["amount"]):
        yield f"moved {moved} in place of {terms['amount']}"


def keeps_limit(terms: Frame, paid: Fraction, got: Fraction) -> bool:
    """Return whether a trade is no worse than an order's limit price."""
    price = Fraction(terms["limitPrice"])
    return paid <= price * got if terms.get("side") == "buy" else got >= price * paid


def is_beyond(trigger: Frame, price: Fraction) -> bool:
    """Return whether a price, quoted as the trigger's is, lies where it fires."""
    wanted = Fraction(trigger["price"])
    return price >= wanted if trigger["when"] == "above" else price <= wanted
