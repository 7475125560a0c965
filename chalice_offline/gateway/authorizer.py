"""Lambda authorizers: what one answered decides whether a client may open a connection, or call a route.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html;
the result is described in api-gateway-lambda-authorizer-output.html.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from chalice_offline.gateway.handshake import Handshake, Refuse
from chalice_offline.gateway.outcomes import FORBIDDEN, INTERNAL_SERVER_ERROR
from chalice_offline.gateway.policy import Decision, PolicyError, evaluate
from chalice_offline.invocation import Outcome, Returned
from chalice_offline.json_text import encoded

UNAUTHORIZED: Final = Refuse(401, "Unauthorized", "UnauthorizedException")
DENIED: Final = Refuse(403, FORBIDDEN, "ForbiddenException")
FAILED: Final = Refuse(500, INTERNAL_SERVER_ERROR, "AuthorizerConfigurationException")
NO_POLICY: Final = "an authorizer's answer is no policy, its principalId no text or its context not flat: 500"
_ACTION: Final = "execute-api:Invoke"
# limits.html and apigateway-execution-service-websocket-limits-table.html
_RESULT_BYTES_MAX: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class Allowed:
    """The ``requestContext.authorizer`` of the request, or of every later event of the connection."""

    context: Mapping[str, Any]

    def after(self, latency_ms: int) -> dict[str, Any]:
        """Return it with how long the authorizer took, as in captured events of REST requests and of opened
        connections: the one value that is no text, and 0 where an answer was kept.

        https://github.com/aws-powertools/powertools-lambda-python, ``APIGatewayEventAuthorizer``.
        """
        return {**self.context, "integrationLatency": latency_ms}


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """Where a request must carry something for the authorizer to be asked at all."""

    place: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``route.request.header.NAME`` or ``route.request.querystring.NAME``.

        Raises:
            ValueError: The text names neither a header nor a query parameter.
        """
        match text.split(".", 3):
            case ["route", "request", ("header" | "querystring") as place, name] if name:
                return cls(place, name)
        raise ValueError(f"not an identity source: {text!r}")

    def value(self, handshake: Handshake) -> str | None:
        if self.place == "header":
            return handshake.header(self.name)
        return dict(handshake.query()).get(self.name)


def missing_identity(sources: Iterable[IdentitySource], handshake: Handshake) -> bool:
    """Tell whether the request lacks one of the authorizer's identity sources, or has it empty."""
    return any(not source.value(handshake) for source in sources)


class Refusal(StrEnum):
    """Why an authorizer's answer lets no client in."""

    UNAUTHORIZED = "unauthorized"
    DENIED = "denied"
    DENIED_EXPLICITLY = "denied explicitly"
    FAILED = "failed"


def weigh(outcome: Outcome, *, method_arn: str) -> Allowed | Refusal:
    """Turn an authorizer's outcome into leave or refusal, the same for both kinds of API.

    An exception whose message is ``Unauthorized`` is its way to ask for 401; any other failure, and a result
    that is no policy or too long, counts as failed.
    """
    if not isinstance(outcome, Returned):
        is_unauthorized = getattr(outcome, "error_message", None) == "Unauthorized"
        return Refusal.UNAUTHORIZED if is_unauthorized else Refusal.FAILED
    payload = outcome.payload
    context = _context(payload)
    if context is None:
        return Refusal.FAILED
    try:
        decision = evaluate(payload.get("policyDocument"), action=_ACTION, resource=method_arn)
    except PolicyError:
        return Refusal.FAILED
    return Allowed(context) if decision is Decision.ALLOWED else Refusal(decision.value)


def judge(outcome: Outcome, *, method_arn: str) -> Allowed | Refuse:
    """Return what an authorizer's outcome means to a client that wants to open a connection."""
    decision = weigh(outcome, method_arn=method_arn)
    return _REFUSALS[decision] if isinstance(decision, Refusal) else decision


def _context(payload: Any) -> dict[str, str] | None:
    """Return what the backend gets to know of the caller; None if the result is not an authorizer's."""
    if not isinstance(payload, dict) or not isinstance(payload.get("principalId"), str):
        return None
    context = payload.get("context") or {}
    if not isinstance(context, dict) or len(encoded(payload)) > _RESULT_BYTES_MAX:
        return None
    if not all(isinstance(value, str | int | float | bool) for value in context.values()):
        return None  # "You can't set a JSON object or array as a valid value of any key in context"
    return {
        "principalId": payload["principalId"],
        **{name: _as_text(value) for name, value in context.items()},
    }


def _as_text(value: Any) -> str:
    """Return a context value as the backend sees it: AWS hands numbers and booleans on as strings."""
    return value if isinstance(value, str) else json.dumps(value)


_REFUSALS: Final = {
    Refusal.UNAUTHORIZED: UNAUTHORIZED,
    Refusal.DENIED: DENIED,
    Refusal.DENIED_EXPLICITLY: DENIED,
    Refusal.FAILED: FAILED,
}
