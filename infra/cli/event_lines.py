"""One line for each event of an order, as people read it."""

from collections.abc import Mapping
from typing import Any, Final

from infra.cli.order_ids import both_ends

_SIGNATURE_SHOWN: Final = 16


def event_line(event: Mapping[str, Any], terms: Mapping[str, Any]) -> str:
    """Return a line such as ``01a21f69…6388 confirmed  1.5 SOL → 225.015154 USDC``.

    Args:
        event: The event's frame.
        terms: What is known of the order: ``inputToken`` and ``outputToken``, from its first event.
    """
    words = [f"{both_ends(event['orderId'])} {event['status']:<10}"]
    if "inputAmount" in event and "outputAmount" in event:
        given, got = terms.get("inputToken", ""), terms.get("outputToken", "")
        words.append(f"{event['inputAmount']} {given} → {event['outputAmount']} {got}".strip())
    elif "inputToken" in event:
        words.append(f"{event['inputToken']} → {event['outputToken']}")
    if event["status"] == "submitted":
        words.append(str(event.get("txSignature", ""))[:_SIGNATURE_SHOWN])
    words += [str(event[name]) for name in ("code", "reason", "message") if event.get(name)]
    if event.get("observedPrice"):
        words.append(f"at {event['observedPrice']}")
    if event.get("attempt", 1) > 1:
        words.append(f"(attempt {event['attempt']})")
    return " ".join(words).rstrip()
