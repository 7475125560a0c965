"""Identifiers: where they come from, and nothing about what they mean."""

import secrets
import uuid
from functools import lru_cache
from typing import Final

_CLIENT_ORDER_NAMESPACE: Final = uuid.UUID("6f1d5f0e-8a44-5d6e-9c53-0f7f5b9f2f11")

id_text: Final = lru_cache(maxsize=4_096)(str)
"""Returns an id's text: every step of an order asks for it, and Python makes it anew from the number."""


def new_order_id(now_ms: int) -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562, 5.7): 48 bits of Unix time in ms, then 74 random bits."""
    value = (now_ms & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def client_order_uuid(account_id: str, client_order_id: str) -> uuid.UUID:
    """Return the order id that a client's own id always leads to, in this account alone."""
    # The length keeps ("a", "b:c") and ("a:b", "c") apart.
    return uuid.uuid5(_CLIENT_ORDER_NAMESPACE, f"{len(account_id)}:{account_id}:{client_order_id}")
