"""The @connections management API: which request does what, and how refusals look.

Statuses and error names are botocore's ``apigatewaymanagementapi`` model; 400 for a malformed id is not in it
but is what AWS answers (https://github.com/dherault/serverless-offline/issues/749).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from chalice_offline.gateway.connections import Connection, Phase
from chalice_offline.gateway.ids import is_well_formed
from chalice_offline.gateway.responses import Response, error
from chalice_offline.gateway.settings import MESSAGE_BYTES_MAX


class Deliver(NamedTuple):
    """Send ``text`` (``size`` bytes) to the client, then answer 200; 429 if too much waits for it already."""

    text: str
    size: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection, then answer 204."""


Command = Response | Deliver | Disconnect


OK: Final = Response(200)
NO_CONTENT: Final = Response(204)
GONE: Final = error(410, "GoneException", "The connection is gone")
INVALID_ID: Final = error(400, "BadRequestException", "Invalid connectionId")
TOO_LARGE: Final = error(413, "PayloadTooLargeException", "Message too long")
LIMIT_EXCEEDED: Final = error(429, "LimitExceededException", "Too Many Requests")


def no_such_method(method: str, route: str) -> Response:
    """Return the refusal of a method or a path below the stage that the API does not have.

    Text: https://github.com/aws-samples/simple-websockets-chat-app/issues/40.
    """
    return error(
        403, "ForbiddenException", f"No method found matching route {route} for http method {method}"
    )


def decide(method: str, connection_id: str, connection: Connection | None, body: bytes) -> Command:
    """Decide what a management request does.

    A connection whose ``$connect`` has not returned is gone to every caller, the ``$connect`` handler
    included (https://repost.aws/knowledge-center/410-gone-api-gateway).

    Args:
        connection_id: Percent-decoded, as are all paths in AWS's protocols.
        connection: The connection of that id, if there is one.
        body: The payload of a POST.
    """
    if connection is None or connection.phase is not Phase.OPEN:
        return GONE if is_well_formed(connection_id) else INVALID_ID
    match method:
        case "POST":
            too_large = len(body) > MESSAGE_BYTES_MAX
            return TOO_LARGE if too_large else Deliver(text_of(body), len(body))
        case "GET":
            return _description(connection)
        case "DELETE":
            return Disconnect()
    return no_such_method(method, f"@connections/{connection_id}")


def text_of(body: bytes) -> str:
    """Return a frame's text; bytes that are not UTF-8 arrive as replacement characters."""
    return body.decode("utf-8", errors="replace")


def _description(connection: Connection) -> Response:
    identity = {"sourceIp": connection.source_ip, "userAgent": connection.user_agent}
    document = {
        "connectedAt": _timestamp(connection.connected_at_ms),
        "identity": {name: value for name, value in identity.items() if value is not None},
        "lastActiveAt": _timestamp(connection.last_active_ms),
    }
    return Response(200, json.dumps(document).encode(), (("Content-Type", "application/json"),))


def _timestamp(epoch_ms: int) -> str:
    at = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
