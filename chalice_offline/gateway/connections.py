"""One connection's life: connecting while ``$connect`` runs, open, closed.

Time is passed in, in milliseconds since the epoch, and nothing here does I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from chalice_offline.gateway.settings import GatewayLimits


class Phase(StrEnum):
    CONNECTING = "connecting"  # $connect has not returned: not yet a connection to any other caller
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Closure:
    """A close code (RFC 6455, 7.4) and reason, as ``$disconnect`` gets them."""

    code: int
    reason: str


# Codes and reasons as captured on AWS, except where a line says otherwise.
DELETED: Final = Closure(1000, "Connection Closed Normally")
IDLE: Final = Closure(1001, "Going away")
# It is not published what two hours end with; 1001 is what the other emulators chose.
EXPIRED: Final = Closure(1001, "Going away")
SHUT_DOWN: Final = Closure(1001, "Going away")  # ours alone: AWS does not stop
BINARY_FRAME: Final = Closure(
    1003, "Binary frames are not supported"
)  # the code is documented, the text is ours


_NO_STATUS: Final = 1005
_NO_STATUS_REASON: Final = "Client-side close frame status not set"


def closed_by_client(code: int | None, reason: str | None) -> Closure:
    """Return what ``$disconnect`` gets of the client's close frame, or of its silent end (1006)."""
    if code is None or code == _NO_STATUS:
        return Closure(_NO_STATUS, _NO_STATUS_REASON)
    return Closure(int(code), reason or "")


@dataclass(slots=True)
class Connection:
    """A client's connection; what AWS keeps about it.

    Attributes:
        authorizer: What the authorizer returned, for ``requestContext.authorizer`` of every event.
    """

    connection_id: str
    connected_at_ms: int
    last_active_ms: int
    source_ip: str
    user_agent: str | None
    authorizer: Mapping[str, Any] | None = None
    phase: Phase = Phase.CONNECTING

    @property
    def caller_key(self) -> str:
        """Return whose turn it is when this connection's is: its principal's,
        or its own if none is named.
        """
        principal = (self.authorizer or {}).get("principalId")
        return f"principal {principal}" if principal else f"connection {self.connection_id}"

    def opened(self, now_ms: int) -> None:
        self.phase = Phase.OPEN
        self.last_active_ms = now_ms

    def closed(self) -> None:
        self.phase = Phase.CLOSED

    def active(self, now_ms: int) -> None:
        """Note a message in either direction: both keep a connection from being idle."""
        self.last_active_ms = now_ms

    def expiry(self, limits: GatewayLimits) -> tuple[int, Closure]:
        """Return when the connection must end if nothing more happens, and how."""
        idle_at = self.last_active_ms + int(limits.idle_s * 1000)
        expires_at = self.connected_at_ms + int(limits.duration_s * 1000)
        return (idle_at, IDLE) if idle_at < expires_at else (expires_at, EXPIRED)
