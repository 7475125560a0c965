"""Connection, request and message ids: 11 bytes in URL-safe base64, hence 16 characters ending in ``=``.

The form is that of captured events (``TXzPWdnOjoECGjA=``), and it matters: the trailing ``=`` must be
percent-encoded in a management URL, and code that forgets to fails here as it fails on AWS.
"""

import base64
import re
from collections.abc import Callable
from typing import Final

ID_BYTES: Final = 11
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9_-]{15}=")

RandomBytes = Callable[[int], bytes]


def new_id(random_bytes: RandomBytes) -> str:
    """Return a fresh id made of ``ID_BYTES`` random bytes."""
    return base64.urlsafe_b64encode(random_bytes(ID_BYTES)).decode("ascii")


def is_well_formed(connection_id: str) -> bool:
    """Tell an id that never was from one that may have been: AWS answers 400 to the one, 410 to the other."""
    return _WELL_FORMED.fullmatch(connection_id) is not None


def new_trace_id(random_bytes: RandomBytes, *, now_ms: int) -> str:
    """Return an ``X-Amzn-Trace-Id`` value (AWS X-Ray developer guide, "Tracing header")."""
    return f"Root=1-{now_ms // 1000:08x}-{random_bytes(12).hex()}"
