"""Connection, request and message ids: 11 bytes in URL-safe base64, hence 16 characters ending in ``=``.

The form is that of captured events (``TXzPWdnOjoECGjA=``), and it matters: the trailing ``=`` must be
percent-encoded in a management URL, and code that forgets to fails here as it fails on AWS.
"""

import base64
import os
import re
from collections.abc import Callable
from typing import Final

ID_BYTES: Final = 11
MADE_AT_ONCE: Final = 64
_spare: Final[list[str]] = []
# A child must not give out what its parent will.
os.register_at_fork(after_in_child=_spare.clear)
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_-]{15}=")

RandomBytes = Callable[[int], bytes]


def new_id() -> str:
    """Return a fresh random id."""
    try:
        return _spare.pop()
    except IndexError:
        _spare.extend(new_ids(os.urandom))
        return _spare.pop()


def new_ids(random_bytes: RandomBytes) -> list[str]:
    """Return ``MADE_AT_ONCE`` ids: to ask the system for random bytes takes longer than the rest."""
    drawn = random_bytes(ID_BYTES * MADE_AT_ONCE)
    parts = [drawn[start : start + ID_BYTES] for start in range(0, len(drawn), ID_BYTES)]
    return [base64.urlsafe_b64encode(part).decode("ascii") for part in parts]


def is_well_formed(connection_id: str) -> bool:
    """Tell an id that never was from one that may have been: AWS answers 400 to the one, 410 to the other."""
    return _WELL_FORMED.fullmatch(connection_id) is not None


def new_trace_id(random_bytes: RandomBytes, *, now_ms: int) -> str:
    """Return an ``X-Amzn-Trace-Id`` value (AWS X-Ray developer guide, "Tracing header")."""
    return f"Root=1-{now_ms // 1000:08x}-{random_bytes(12).hex()}"


def with_parent(trace_id: str, random_bytes: RandomBytes) -> str:
    """Return a trace as an answer names it, not sampled unless the client said otherwise."""
    has = {field.partition("=")[0] for field in trace_id.split(";")}
    trace_id += "" if "Parent" in has else f";Parent={random_bytes(8).hex()}"
    return trace_id if "Sampled" in has else f"{trace_id};Sampled=0"
