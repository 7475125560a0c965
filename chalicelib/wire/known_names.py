"""Members that the engine does not read, but that were meant: told apart from those that mean nothing to us.

An order with ``stopPrice`` that is executed as if it had none costs its owner money. So a name that is nearly
a known one, or another system's word for it, is refused with the right one. All others are ignored: clients
send their own notes along, and connection URLs carry what gateways add.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from chalicelib.domain.errors import FieldProblem, InvalidRequestError

# Words of Kraken, Binance, Coinbase, Hyperliquid, dYdX, ccxt, Jupiter, CoW, 1inch and Uniswap, and what they
# are called here; and words that belong into an inner object. With the prefix of an inner object, only there.
OTHER_WORDS: Final[Mapping[str, str]] = {
    "price": "limitPrice",
    "limit": "limitPrice",
    "limitpx": "limitPrice",
    "maxprice": "limitPrice",
    "minprice": "limitPrice",
    "stoplimitprice": "limitPrice",
    "minout": "limitPrice",
    "minoutput": "limitPrice",
    "minoutputamount": "limitPrice",
    "minamountout": "limitPrice",
    "minreceived": "limitPrice",
    "otheramountthreshold": "limitPrice",
    "takingamount": "limitPrice",
    "amountoutmin": "limitPrice",
    "amountoutminimum": "limitPrice",
    "minimumamountout": "limitPrice",
    "minreturn": "limitPrice",
    "minreturnamount": "limitPrice",
    "minimumreceived": "limitPrice",
    "sqrtpricelimit": "limitPrice",
    "sqrtpricelimitx96": "limitPrice",
    "pricelimit": "limitPrice",
    "worstprice": "limitPrice",
    "price2": "limitPrice",
    "maxin": "limitPrice",
    "maxinput": "limitPrice",
    "maxinputamount": "limitPrice",
    "maxamountin": "limitPrice",
    "amountinmax": "limitPrice",
    "amountinmaximum": "limitPrice",
    "maximumamountin": "limitPrice",
    "stop": "trigger",
    "trigger": "trigger",
    "stopprice": "trigger.price",
    "stoploss": "trigger",
    "stoplossprice": "trigger.price",
    "takeprofit": "trigger",
    "takeprofitprice": "trigger.price",
    "sl": "trigger",
    "slprice": "trigger.price",
    "slpriceusd": "trigger.price",
    "tp": "trigger",
    "tpprice": "trigger.price",
    "tppriceusd": "trigger.price",
    "tpsl": "trigger",
    "triggerprice": "trigger.price",
    "triggerpx": "trigger.price",
    "triggerpriceusd": "trigger.price",
    "stoptriggerprice": "trigger.price",
    "stopdirection": "trigger.when",
    "triggercondition": "trigger.when",
    "triggersource": "trigger.source",
    "trigger.direction": "trigger.when",
    "trigger.condition": "trigger.when",
    "confirmations": "trigger.confirmations",
    "ifalreadymet": "trigger.ifAlreadyMet",
    "venue": "sniper.venue",
    "minliquidity": "sniper.minLiquidity",
    "maxfeebps": "sniper.maxFeeBps",
    "maxdelayblocks": "sniper.maxDelayBlocks",
    "sniper.scale": "sniper.decimals",
    "sniper.mintdecimals": "sniper.decimals",
    "sniper.tokendecimals": "sniper.decimals",
    "sniper.outputdecimals": "sniper.decimals",
    "tif": "timeInForce",
    "timeinforcetype": "timeInForce",
    "gtc": "timeInForce",
    "gtd": "timeInForce",
    "ioc": "timeInForce",
    "immediateorcancel": "timeInForce",
    "slippage": "slippageBps",
    "slippagetolerance": "slippageBps",
    "slippagepct": "slippageBps",
    "slippagepercent": "slippageBps",
    "maxslippage": "slippageBps",
    "maxslippagebps": "slippageBps",
    "slippagebasispoints": "slippageBps",
    "slippagepercentage": "slippageBps",
    "qty": "amount",
    "quantity": "amount",
    "volume": "amount",
    "size": "amount",
    "orderqty": "amount",
    "basesize": "amount",
    "ordertype": "type",
    "typ": "type",
    "ordtype": "type",
    "expires": "expiresAt",
    "expiry": "expiresAt",
    "expiration": "expiresAt",
    "expiredat": "expiresAt",
    "expiretime": "expiresAt",
    "expiretm": "expiresAt",
    "deadline": "expiresAt",
    "goodtill": "expiresAt",
    "goodtilldate": "expiresAt",
    "goodtildate": "expiresAt",
    "goodtilltime": "expiresAt",
    "goodtiltime": "expiresAt",
    "goodtiltimeinseconds": "expiresAt",
    "gtt": "expiresAt",
    "endtime": "expiresAt",
    "validto": "expiresAt",
    "validuntil": "expiresAt",
    "ttl": "validForSeconds",
    "validfor": "validForSeconds",
    "validforsecs": "validForSeconds",
    "validseconds": "validForSeconds",
    "ttlseconds": "validForSeconds",
    "mode": "swapMode",
    "exactin": "swapMode",
    "exactout": "swapMode",
    "base": "baseAsset",
    "quote": "quoteAsset",
    "symbol": "baseAsset",
    "pair": "baseAsset",
    "market": "baseAsset",
    "instrument": "baseAsset",
    "productid": "baseAsset",
    "inputmint": "inputToken",
    "tokenin": "inputToken",
    "fromtoken": "inputToken",
    "outputmint": "outputToken",
    "tokenout": "outputToken",
    "totoken": "outputToken",
    "cloid": "clientOrderId",
    "clordid": "clientOrderId",
    "clientoid": "clientOrderId",
    "newclientorderid": "clientOrderId",
    "idempotencykey": "clientOrderId",
    "validate": "dryRun",
    "validateonly": "dryRun",
    "preview": "dryRun",
    "simulate": "dryRun",
    "expectedseq": "ifSeq",
    "afterseq": "ifSeq",
    "seq": "ifSeq",
    "newamount": "amount",
    "newprice": "limitPrice",
}

NOT_OFFERED: Final[Mapping[str, str]] = {
    "postonly": "orders take from pools, so none can be post-only",
    "reduceonly": "there are no positions to reduce",
    "trailingbps": "trailing stops do not exist here",
    "trailingdelta": "trailing stops do not exist here",
    "trailingstop": "trailing stops do not exist here",
    "trailing": "trailing stops do not exist here",
    "trailingamount": "trailing stops do not exist here",
    "trailingpercent": "trailing stops do not exist here",
    "trailamount": "trailing stops do not exist here",
    "trailpercent": "trailing stops do not exist here",
    "trailprice": "trailing stops do not exist here",
    "trailingtriggerprice": "trailing stops do not exist here",
    "activationprice": "trailing stops do not exist here",
    "callbackrate": "trailing stops do not exist here",
    "fok": "each order is filled as a whole or not at all, so ioc is that",
    "fillorkill": "each order is filled as a whole or not at all, so ioc is that",
    "allornone": "an order is filled as a whole or not at all",
    "oco": "orders cannot be tied to each other",
    "bracket": "orders cannot be tied to each other",
    "conditional": "orders cannot be tied to each other",
    "attachedorderconfiguration": "an order cannot carry others",
    "iceberg": "an order is filled as a whole or not at all",
    "icebergqty": "an order is filled as a whole or not at all",
    "displayqty": "an order is filled as a whole or not at all",
    "minqty": "an order is filled as a whole or not at all",
    "partiallyfillable": "an order is filled as a whole or not at all",
    "ispartiallyfillable": "an order is filled as a whole or not at all",
    "twap": "an order is executed as one",
    "dca": "an order is executed as one",
    "numberoforders": "an order is executed as one",
    "startat": "an order is looked at as soon as it is accepted",
    "starttime": "an order is looked at as soon as it is accepted",
    "starttm": "an order is looked at as soon as it is accepted",
    "effectivetime": "an order is looked at as soon as it is accepted",
    "notbefore": "an order is looked at as soon as it is accepted",
    "executeat": "an order is looked at as soon as it is accepted",
    "autoslippage": "slippageBps says how much is tolerated",
    "dynamicslippage": "slippageBps says how much is tolerated",
    "leverage": "orders swap what the account holds",
    "maxpriceimpact": "limitPrice bounds what an order gets, its impact on the price included",
    "priceimpactmax": "limitPrice bounds what an order gets, its impact on the price included",
    "sniper.require": "who may mint or freeze a token is not looked at",
    "sniper.on": "a sniper order waits for a pool to open",
    "attached": "an order cannot carry others",
    "contingency": "orders cannot be tied to each other",
    "atomic": "each order of a batch is accepted or refused by itself",
    "partialfill": "an order is filled as a whole or not at all",
    "minfill": "an order is filled as a whole or not at all",
}

_TRIGGER: Final = frozenset({"trigger", "trigger.price"})
_SEPARATORS: Final = re.compile(r"[_\-\s.]")
_NAMES_CHECKED_MAX: Final = 200
_LENGTH_MAX: Final = 40


def misspelt(
    members: Mapping[str, Any], known: Collection[str], *, prefix: str = "", outer: Collection[str] = ()
) -> Iterator[FieldProblem]:
    """Yield a problem for each member that is not known and was surely meant as one that is.

    A member without a value (null, false for what is not offered) meant nothing.

    Args:
        known: The names of this message, in the wire's spelling.
        prefix: Of an inner object: ``"trigger."``.
        outer: The names of the message that the inner object is in.
    """
    names, outer_names = frozenset(known), frozenset(outer)
    for count, (name, value) in enumerate(members.items()):
        if count == _NAMES_CHECKED_MAX:
            return
        if value is None or name in names or len(name) > _LENGTH_MAX:
            continue
        plain = plain_name(name)
        if (why := NOT_OFFERED.get(prefix + plain) or NOT_OFFERED.get(plain)) is not None:
            if value is not False:
                yield FieldProblem(prefix + name, f"is not offered: {why}")
        elif (meant := _meant(plain, names, prefix)) is not None:
            yield FieldProblem(prefix + name, f"is not a field; did you mean {prefix}{meant}?")
        elif (meant := _meant(plain, outer_names, "")) is not None:
            problem = f"is not a field; did you mean {meant}, outside of {prefix.removesuffix('.')}?"
            yield FieldProblem(prefix + name, problem)


@lru_cache(maxsize=1_024)
def _meant(plain: str, known: frozenset[str], prefix: str) -> str | None:
    by_plain = {plain_name(name): name for name in known}
    if plain in by_plain:
        return by_plain[plain]
    word = (OTHER_WORDS.get(prefix + plain) or OTHER_WORDS.get(plain, "")).removeprefix(prefix)
    if word.partition(".")[0] in known:
        return word
    if word in _TRIGGER and "triggerPrice" in known:
        return "triggerPrice"  # of an amendment, which is flat
    # One slip in a short name could make it another word altogether: ``note`` and ``notes``.
    allowed = 2 if len(plain) >= 8 else 1 if len(plain) >= 4 else 0
    near = [(_distance(plain, other, allowed), name) for other, name in by_plain.items() if len(other) >= 4]
    best = min(near, default=(allowed + 1, ""))
    return best[1] if best[0] <= allowed else None


@cache
def plain_words(names: frozenset[str]) -> frozenset[str]:
    """Return names, and other systems' words for them or what is inside, each as ``plain_name`` has it."""
    words = {word for word, name in OTHER_WORDS.items() if name.partition(".")[0] in names}
    return frozenset(map(plain_name, names)) | words


def refuse_words(members: Mapping[str, Any], words: Collection[str], problem: str) -> None:
    """Refuse members that mean something elsewhere, and that were meant here although nothing reads them.

    Args:
        words: As ``plain_words`` has them.

    Raises:
        InvalidRequestError: With the problem, for each of them that has a value.
    """
    problems = tuple(
        FieldProblem(name, problem)
        for name, value in members.items()
        if value is not None and len(name) <= _LENGTH_MAX and plain_name(name) in words
    )
    if problems:
        raise InvalidRequestError.of(problems)


def plain_name(name: str) -> str:
    """Return a name in lower case and without separators, as names are compared."""
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
