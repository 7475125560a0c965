"""Whether what a resting order waits for is there, by what anybody may ask the instance: quotes and marks."""

from fractions import Fraction
from typing import Any, Final

import httpx

from tests.chaos.waiting import Frame, is_beyond, keeps_limit

_TRADE: Final = ("inputToken", "outputToken", "swapMode", "side", "baseAsset", "quoteAsset", "amount")


def is_there(rest: httpx.Client, terms: Frame, *, is_triggered: bool) -> bool:
    """Return whether the market offers now what an order rests for.

    Of a pool's opening nothing is known here.

    Raises:
        httpx.HTTPError: The instance does not answer, or has no price.
    """
    if terms.get("type") == "sniper":
        return False
    trigger = None if is_triggered else terms.get("trigger")
    if trigger is not None and trigger.get("source") != "executable":
        mark = _mark(rest)
        return mark is not None and is_beyond(trigger, Fraction(mark))
    quote = _asked(rest, "POST", "/quotes", {name: terms[name] for name in _TRADE if name in terms})
    paid, got = Fraction(quote["inputAmount"]), Fraction(quote["outputAmount"])
    if trigger is not None:
        return is_beyond(trigger, got / paid if terms["side"] == "sell" else paid / got)
    return keeps_limit(terms, paid, got)


def _mark(rest: httpx.Client) -> str | None:
    markets = _asked(rest, "GET", "/markets", None)["markets"]
    found: str | None = next(each["mark"] for each in markets if each["pair"] == "SOL/USDC")
    return found


def _asked(rest: httpx.Client, method: str, path: str, body: object) -> dict[str, Any]:
    answer = rest.request(method, path, json=body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def cancel_all(rest: httpx.Client) -> bool:
    """Cancel what is left; return whether nothing was."""
    answer = rest.delete("/orders")
    nothing = {"canceled": 0, "alreadySent": [], "more": False}
    return answer.is_success and answer.json().items() >= nothing.items()
