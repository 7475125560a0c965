"""Members that the engine does not read, but that were meant: told apart from those that mean nothing to us.

An order with ``stopPrice`` that is executed as if it had none costs its owner money. So a name that is nearly
a known one, or another system's word for it, is refused with the right one. All others are ignored: clients
send their own notes along, and connection URLs carry what gateways add.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from chalicelib.domain.errors import FieldProblem

# Words of Kraken, Binance, Coinbase, Hyperliquid, ccxt and Jupiter, and what they are called here.
OTHER_WORDS: Final[Mapping[str, str]] = {
    "price": "limitPrice",
    "limit": "limitPrice",
    "limitpx": "limitPrice",
    "maxprice": "limitPrice",
    "minprice": "limitPrice",
    "stop": "trigger",
    "stopprice": "trigger.price",
    "stoploss": "trigger",
    "stoplossprice": "trigger.price",
    "takeprofit": "trigger",
    "takeprofitprice": "trigger.price",
    "triggerprice": "trigger.price",
    "triggerpx": "trigger.price",
    "triggercondition": "trigger.when",
    "triggersource": "trigger.source",
    "tif": "timeInForce",
    "timeinforcetype": "timeInForce",
    "slippage": "slippageBps",
    "slippagetolerance": "slippageBps",
    "maxslippage": "slippageBps",
    "maxslippagebps": "slippageBps",
    "qty": "amount",
    "quantity": "amount",
    "volume": "amount",
    "size": "amount",
    "orderqty": "amount",
    "ordertype": "type",
    "ordtype": "type",
    "expires": "expiresAt",
    "expiry": "expiresAt",
    "expiration": "expiresAt",
    "expiredat": "expiresAt",
    "expiretime": "expiresAt",
    "expiretm": "expiresAt",
    "goodtilldate": "expiresAt",
    "validuntil": "expiresAt",
    "ttl": "validForSeconds",
    "validfor": "validForSeconds",
    "inputmint": "inputToken",
    "tokenin": "inputToken",
    "fromtoken": "inputToken",
    "outputmint": "outputToken",
    "tokenout": "outputToken",
    "totoken": "outputToken",
    "cloid": "clientOrderId",
    "clordid": "clientOrderId",
    "newclientorderid": "clientOrderId",
    "idempotencykey": "clientOrderId",
    "validate": "dryRun",
    "validateonly": "dryRun",
    "preview": "dryRun",
    "expectedseq": "ifSeq",
}

NOT_OFFERED: Final[Mapping[str, str]] = {
    "postonly": "orders take from pools, so none can be post-only",
    "reduceonly": "there are no positions to reduce",
    "trailingbps": "trailing stops do not exist here",
    "trailingdelta": "trailing stops do not exist here",
    "trailingstop": "trailing stops do not exist here",
    "attached": "an order cannot carry others",
    "contingency": "orders cannot be tied to each other",
    "atomic": "each order of a batch is accepted or refused by itself",
    "partialfill": "an order is filled as a whole or not at all",
    "minfill": "an order is filled as a whole or not at all",
}

_SEPARATORS: Final = re.compile(r"[_\-\s.]")
_NAMES_CHECKED_MAX: Final = 200
_LENGTH_MAX: Final = 40


def misspelt(
    members: Mapping[str, Any], known: Collection[str], *, prefix: str = ""
) -> Iterator[FieldProblem]:
    """Yield a problem for each member that is not known and was surely meant as one that is.

    A member without a value (null, false for what is not offered) meant nothing.

    Args:
        known: The names of this message, in the wire's spelling.
        prefix: Of an inner object: ``"trigger."``.
    """
    names = frozenset(known)
    for count, (name, value) in enumerate(members.items()):
        if count == _NAMES_CHECKED_MAX:
            return
        if value is None or name in names or len(name) > _LENGTH_MAX:
            continue
        plain = _plain(name)
        if plain in NOT_OFFERED:
            if value is not False:
                yield FieldProblem(prefix + name, f"is not offered: {NOT_OFFERED[plain]}")
        elif (meant := _meant(plain, names, prefix)) is not None:
            yield FieldProblem(prefix + name, f"is not a field; did you mean {prefix}{meant}?")


@lru_cache(maxsize=1_024)
def _meant(plain: str, known: frozenset[str], prefix: str) -> str | None:
    by_plain = {_plain(name): name for name in known}
    if plain in by_plain:
        return by_plain[plain]
    word = OTHER_WORDS.get(plain, "").removeprefix(prefix)
    if word.partition(".")[0] in known:
        return word
    # One slip in a short name could make it another word altogether: ``note`` and ``notes``.
    allowed = 2 if len(plain) >= 8 else 1 if len(plain) >= 4 else 0
    near = [(_distance(plain, other, allowed), name) for other, name in by_plain.items() if len(other) >= 4]
    best = min(near, default=(allowed + 1, ""))
    return best[1] if best[0] <= allowed else None


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name).lower()


def _distance(one: str, other: str, most: int) -> int:
    """Return how many letters are inserted, left out, replaced, or swapped with the next.

    Or more than ``most``.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, against in enumerate(other, 1):
            cost = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        before, last = last, now
    return last[-1]
