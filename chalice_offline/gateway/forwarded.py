"""What API Gateway says in headers of whom a request came from, and how."""

import os
from collections.abc import Iterable
from typing import Final

from chalice_offline.gateway.handshake import Headers
from chalice_offline.gateway.ids import new_trace_id

_OURS: Final = frozenset({"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"})


def with_forwarded(
    headers: Iterable[tuple[str, str]], *, source_ip: str, port: int, is_tls: bool, now_ms: int
) -> Headers:
    """Return a request's headers with those that API Gateway adds.

    Addresses that a client claims itself stay in front; port, protocol and trace are the gateway's alone.
    """
    sent = list(headers)
    claimed = [value for name, value in sent if name.lower() == "x-forwarded-for"]
    kept = [(name, value) for name, value in sent if name.lower() not in _OURS]
    return (
        *kept,
        ("X-Amzn-Trace-Id", new_trace_id(os.urandom, now_ms=now_ms)),
        ("X-Forwarded-For", ", ".join([*claimed, source_ip])),
        ("X-Forwarded-Port", str(port)),
        ("X-Forwarded-Proto", "https" if is_tls else "http"),
    )
