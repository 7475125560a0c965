"""What API Gateway says in headers of whom a request came from, and how."""

import os
import re
from collections.abc import Iterable
from typing import Final

from chalice_offline.gateway.handshake import Headers
from chalice_offline.gateway.ids import new_trace_id

_TRACE_ID: Final = "x-amzn-trace-id"
_OURS: Final = frozenset({"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", _TRACE_ID})
_TRACE: Final = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;[A-Za-z]+=[A-Za-z0-9:-]*)*")


def with_forwarded(
    headers: Iterable[tuple[str, str]], *, source_ip: str, port: int, is_tls: bool, now_ms: int
) -> Headers:
    """Return a request's headers with those that API Gateway adds.

    Addresses that a client claims itself stay in front, and a trace that it began goes on, as recorded on AWS
    by localstack/localstack, ``test_invocation_trace_id``; port and protocol are the gateway's alone.
    """
    sent = list(headers)
    claimed = [value for name, value in sent if name.lower() == "x-forwarded-for"]
    begun = [value for name, value in sent if name.lower() == _TRACE_ID and _TRACE.fullmatch(value)]
    kept = [(name, value) for name, value in sent if name.lower() not in _OURS]
    return (
        *kept,
        ("X-Amzn-Trace-Id", begun[-1] if begun else new_trace_id(os.urandom, now_ms=now_ms)),
        ("X-Forwarded-For", ", ".join([*claimed, source_ip])),
        ("X-Forwarded-Port", str(port)),
        ("X-Forwarded-Proto", "https" if is_tls else "http"),
    )
