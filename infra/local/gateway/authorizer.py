"""The REQUEST authorizer of ``$connect``: may this client open a connection?

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html;
the result is described in api-gateway-lambda-authorizer-output.html.
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from infra.local.gateway.handshake import Handshake, Refuse
from infra.local.gateway.outcomes import FORBIDDEN, INTERNAL_SERVER_ERROR
from infra.local.invocation import Outcome, Returned

UNAUTHORIZED: Final = Refuse(401, "Unauthorized")
DENIED: Final = Refuse(403, FORBIDDEN)
FAILED: Final = Refuse(500, INTERNAL_SERVER_ERROR)
_ACTION: Final = "execute-api:Invoke"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The ``requestContext.authorizer`` of every later event of the connection."""

    context: Mapping[str, Any]


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


def judge(outcome: Outcome, *, method_arn: str) -> Allowed | Refuse:
    """Turn the authorizer's outcome into leave or refusal.

    An exception whose message is ``Unauthorized`` is its way to ask for 401; any other failure, and a result
    that is no policy, is 500.
    """
    if not isinstance(outcome, Returned):
        unauthorized = getattr(outcome, "error_message", None) == "Unauthorized"
        return UNAUTHORIZED if unauthorized else FAILED
    payload = outcome.payload
    if not isinstance(payload, dict) or not isinstance(payload.get("principalId"), str):
        return FAILED
    try:
        allowed = _allows(payload["policyDocument"]["Statement"], method_arn)
    except (KeyError, TypeError):
        return FAILED
    if not allowed:
        return DENIED
    context = payload.get("context") or {}
    if not all(isinstance(value, str | int | float | bool) for value in context.values()):
        return FAILED  # "You can't set a JSON object or array as a valid value of any key in context"
    return Allowed({"principalId": payload["principalId"], **{k: _as_text(v) for k, v in context.items()}})


def _as_text(value: Any) -> str:
    """Return a context value as the backend sees it: AWS hands numbers and booleans on as strings."""
    return value if isinstance(value, str) else json.dumps(value)


def _allows(statements: Any, method_arn: str) -> bool:
    """Evaluate a policy as IAM does: allowed by one statement and denied by none."""
    effects = {
        statement["Effect"]
        for statement in _listed(statements)
        if any(_matches(pattern, _ACTION) for pattern in _listed(statement["Action"]))
        and any(_matches(pattern, method_arn) for pattern in _listed(statement["Resource"]))
    }
    return "Allow" in effects and "Deny" not in effects


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))
