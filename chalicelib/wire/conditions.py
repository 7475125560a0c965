"""What an order waits for and within which bounds, as its owner is shown it; nothing of a market order."""

from chalicelib.domain.amounts import format_units
from chalicelib.domain.terms import OrderTerms, TimeInForce
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.json_text import JsonObject


def condition_views(terms: OrderTerms, tokens: Tokens) -> JsonObject:
    """Return ``limitPrice``, ``trigger``, ``sniper`` and ``timeInForce``, as far as the order has them.

    An amount of a token whose decimals are not known is left out.
    """
    shown: JsonObject = {}
    if terms.limit is not None:
        shown["limitPrice"] = terms.limit.price
    if terms.trigger is not None:
        trigger = terms.trigger
        shown["trigger"] = {
            "price": trigger.price,
            "when": trigger.when,
            "source": trigger.source,
            "confirmations": trigger.confirmations,
            "ifAlreadyMet": trigger.if_already_met,
        }
    if terms.sniper is not None:
        sniper = terms.sniper
        filters = {
            "venue": sniper.venue,
            "minLiquidity": _least_held(terms, tokens),
            "maxFeeBps": sniper.max_fee_bps,
            "maxDelayBlocks": sniper.max_delay_blocks,
            "decimals": terms.output_decimals,
        }
        shown["sniper"] = {name: value for name, value in filters.items() if value is not None}
    if terms.time_in_force is not TimeInForce.IOC or terms.waits:
        shown["timeInForce"] = terms.time_in_force
    return shown


def _least_held(terms: OrderTerms, tokens: Tokens) -> str | None:
    assert terms.sniper is not None
    units, token = terms.sniper.min_liquidity_units, tokens.find(terms.input_token)
    return None if units is None or token is None else format_units(units, token.scale)
