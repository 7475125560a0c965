"""Identifiers: where they come from, and nothing about what they mean."""

import hashlib
import secrets
import uuid
from functools import lru_cache
from typing import Final

_CLIENT_ORDER_NAMESPACE: Final = uuid.UUID("6f1d5f0e-8a44-5d6e-9c53-0f7f5b9f2f11")
_UNMARKED: Final = (2**128 - 1) & ~(0xF << 76) & ~(0x3 << 62)

id_text: Final = lru_cache(maxsize=4_096)(str)
"""Returns an id's text: every step of an order asks for it, and Python makes it anew from the number."""


def new_order_id(now_ms: int) -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562, 5.7): 48 bits of Unix time in ms, then 74 random bits."""
    value = (now_ms & (2**48 - 1)) << 80 | secrets.randbits(80)
    return _uuid(value, version=7)


def new_random_id() -> uuid.UUID:
    """Return a UUIDv4 (RFC 9562, 5.4): random but for what says so."""
    return _uuid(secrets.randbits(128), version=4)


def client_order_uuid(account_id: str, client_order_id: str) -> uuid.UUID:
    """Return the order id that a client's own id always leads to, in this account alone."""
    # The length keeps ("a", "b:c") and ("a:b", "c") apart.
    name = f"{len(account_id)}:{account_id}:{client_order_id}"
    digest = hashlib.sha1(_CLIENT_ORDER_NAMESPACE.bytes + name.encode(), usedforsecurity=False).digest()
    return _uuid(int.from_bytes(digest[:16], "big"), version=5)


def _uuid(value: int, *, version: int) -> uuid.UUID:
    """Return the UUID of 128 bits, six of which say what it is (RFC 9562, 4). Python's own functions take
    each apart and put it together again.
    """
    return uuid.UUID(int=value & _UNMARKED | version << 76 | 0x2 << 62)
