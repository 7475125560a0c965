"""What an order waits for and within which bounds, as its owner is shown it; nothing of a market order."""

from chalicelib.domain.terms import OrderTerms, TimeInForce
from chalicelib.wire.json_text import JsonObject


def condition_views(terms: OrderTerms) -> JsonObject:
    """Return ``limitPrice``, ``trigger``, ``sniper`` and ``timeInForce``, as far as the order has them."""
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
            "maxFeeBps": sniper.max_fee_bps,
            "maxDelayBlocks": sniper.max_delay_blocks,
            "decimals": terms.output_decimals,
        }
        shown["sniper"] = {name: value for name, value in filters.items() if value is not None}
    if terms.time_in_force is not TimeInForce.IOC or terms.waits:
        shown["timeInForce"] = terms.time_in_force
    return shown
