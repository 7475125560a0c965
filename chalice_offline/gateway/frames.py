"""Text frames that API Gateway itself sends to a client.

Texts as captured on AWS; a client tells them from the app's frames by ``connectionId`` and ``requestId``.
"""

import json

from chalice_offline.gateway.outcomes import INTERNAL_SERVER_ERROR, IntegrationFailure, integration_answer
from chalice_offline.gateway.settings import MESSAGE_BYTES_MAX
from chalice_offline.invocation import Outcome


def error_frame(message: str, *, connection_id: str, request_id: str) -> str:
    """Return the frame that reports a failure to the sender of a message."""
    return json.dumps({"message": message, "connectionId": connection_id, "requestId": request_id})


def reply_frame(
    outcome: Outcome,
    *,
    connection_id: str,
    request_id: str,
    integration_timeout_s: float,
    has_route_response: bool,
) -> str | None:
    """Return what the sender of a message gets to see of its handler's outcome, if anything.

    A handler's body reaches the sender only over a route response
    (apigateway-websocket-api-route-response.html), whatever its status, and up to the size of a message.
    """
    answer = integration_answer(outcome, integration_timeout_s=integration_timeout_s)
    if isinstance(answer, IntegrationFailure):
        return error_frame(answer.message, connection_id=connection_id, request_id=request_id)
    body = answer.payload.get("body")
    if body is None or not has_route_response:
        return None
    # Half of a surrogate pair, which JSON lets a handler return, is no text that a frame can hold.
    text = (body if isinstance(body, str) else json.dumps(body)).encode(errors="replace")
    if len(text) > MESSAGE_BYTES_MAX:
        return error_frame(INTERNAL_SERVER_ERROR, connection_id=connection_id, request_id=request_id)
    return text.decode()
