"""Packed fields: an event's data as the record keeps it, a fifth of its JSON text in bytes.

What is packed is the canonical text whose hash the event carries, so the chain of an order's events is the
same packed or not. The first byte says which dictionary the rest was packed with; a dictionary that has ever
been written with stays as it is, and a better one gets the next number.
"""

import json
from typing import Final

from chalicelib.wire.deflated import deflated, inflated
from chalicelib.wire.json_text import JsonObject

FIELDS_BYTES_MAX: Final = 1_000_000
"""Of what is unpacked: far above any event, and far below what a crafted row could swell to."""

_VERSION: Final = b"\x01"

# What fields are made of, what comes most often last: deflate finds it at the shortest distance there.
_DICTIONARY: Final = (
    b'{"code":"SLIPPAGE_EXCEEDED","message":"","attempts":3,"networkFeeLamports":5000}'
    b'{"amended":{"limitPrice":"","triggerPrice":"","amount":"","expiresAt":"2026-12-"},"reason":"NO_ROUTE"}'
    b'"error":"VENUE_UNAVAILABLE","improvementBps":null,"bestSingleVenue":null,"meteora-damm_v2-meteora-damm-v2-'
    b'raydium-cpmm-"unspentInputAmount":"BONKJUPETHUSDTUSDCSOL'
    b'{"inputToken":"SOL","limitPrice":"","orderType":"limit","outputToken":"USDC","priceBase":"SOL","timeInForce":"gtc"'
    b',"trigger":{"confirmations":2,"ifAlreadyMet":"refuse","price":"","source":"mark","when":"below"}}'
    b'{"executedPrice":"0.0","feeAmount":"0.0","feeToken":"USDC","fees":[{"amount":"0.0","token":"SOL"},'
    b'{"amount":"0.0","token":"USDC"}],"inputAmount":"160","networkFeeLamports":5000,"outputAmount":"224.",'
    b'"priceImpactBps":"0.0","realizedSlippageBps":"0.00","slot":3,"txSignature":"'
    b'{"bestSingleVenue":{"inputAmount":"225","outputAmount":"1.","pool":"raydium-clmm-SOL-USDC-4","venue":"raydium"},'
    b'"feeAmount":"0.0","feeToken":"USDT","fees":[{"amount":"0.0","token":"USDC"},{"amount":"0.0","token":"USDT"}],'
    b'"improvementBps":"0.000000","inputAmount":"0.05","outputAmount":"160.0","price":"0.00","priceImpactBps":"0.03",'
    b'"quotes":[{"feeAmount":"0.","feeToken":"ETH","fees":[{"amount":"0.000","token":"ETH"}],"inputAmount":"1.5",'
    b'"outputAmount":"224.","pool":"meteora-dlmm-SOL-USDC-20","price":"149.","priceImpactBps":"19.96",'
    b'"validUntil":"2026-12-01T00:00:00.000Z","venue":"meteora"},{"feeAmount":"0.0","feeToken":"USDC","fees":['
    b'{"amount":"0.0","token":"USDC"}],"inputAmount":"225","outputAmount":"1.4","pool":"raydium-clmm-SOL-USDT-5",'
    b'"price":"0.00665","priceImpactBps":"0.0","validUntil":"2026-11-28T06:34:33.132Z","venue":"raydium"}],'
    b'"route":[{"inputAmount":"225","inputToken":"USDC","outputAmount":"1.49","outputToken":"SOL","pool":"'
    b'raydium-clmm-ETH-USDC-5","shareBps":10000,"venue":"raydium"}],"routeGapBps":"0.0000"}'
    b'{"inputToken":"SOL","orderType":"market","outputToken":"USDC","slippageBps":50}'
)


class UnreadableFieldsError(ValueError):
    """The bytes are no packed fields, or another release's."""


def packed(text: str) -> bytes:
    """Return fields, as their canonical JSON text, in as few bytes as that takes quickly."""
    return _VERSION + deflated(text.encode(), _DICTIONARY)


def unpacked(raw: bytes) -> JsonObject:
    """Return the fields again.

    Raises:
        UnreadableFieldsError: The bytes are damaged, too large, or of a dictionary that is not known.
    """
    fields, _ = _read(raw)
    return fields


def unpacked_text(raw: bytes) -> str:
    """Return the text that was packed: of an object, and on one line.

    Raises:
        UnreadableFieldsError: Likewise, or it has several lines.
    """
    _, text = _read(raw)
    if "\n" in text:
        raise UnreadableFieldsError("packed fields on several lines")
    return text


def _read(raw: bytes) -> tuple[JsonObject, str]:
    if raw[:1] != _VERSION:
        raise UnreadableFieldsError(f"packed fields of version {raw[:1].hex() or 'none'} are not known here")
    try:
        text = inflated(raw[1:], _DICTIONARY, bytes_max=FIELDS_BYTES_MAX).decode()
        fields = json.loads(text)
    except ValueError as error:
        raise UnreadableFieldsError(f"packed fields cannot be read: {error}") from error
    if not isinstance(fields, dict):
        raise UnreadableFieldsError("packed fields are no object")
    return fields, text
