"""Lambda's Invoke for the app's own functions, on the gateway's port: boto3's ``lambda`` client comes here.

Statuses, headers and error names are those of botocore's ``lambda`` model and of
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html. Who asks must sign with the instance's
credentials, as on AWS, also where the gateway itself is open: this runs functions that no API leads to.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from chalice_offline.callers import is_made_by_a_browser
from chalice_offline.gateway.edge import GIVEN_UP, Edge
from chalice_offline.gateway.responses import Response, error
from chalice_offline.gateway.signatures import SignedRequest, refuse_unverified
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut

INVOKE_PATH: Final = "/2015-03-31/functions/"
PAYLOAD_BYTES_MAX: Final = 6 * 1024 * 1024
_EVENT_BYTES_MAX: Final = 1024 * 1024
_INVOCATIONS: Final = re.compile(re.escape(INVOKE_PATH) + r"([^/]+)/invocations")
# A name, or an ARN whole or in part, and a version or an alias, of which there is one here.
_FUNCTION: Final = re.compile(
    r"(?:(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:)?\d{12}:function:)?(?P<name>[A-Za-z0-9_-]{1,140})"
    r"(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
_VERSION: Final = ("X-Amz-Executed-Version", "$LATEST")
_JSON: Final = ("Content-Type", "application/json")
_FROM_A_BROWSER: Final = error(403, "AccessDeniedException", "functions are not invoked from a browser")
_UNKNOWN_PATH: Final = error(404, "UnknownOperationException", "only Invoke is served here")
_TOO_LARGE: Final = error(
    413,
    "RequestTooLargeException",
    f"Request must be smaller than {PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation",
)
_NO_JSON: Final = error(400, "InvalidRequestContentException", "Could not parse request body into json")


class InvokeRequest(NamedTuple):
    """A request below ``INVOKE_PATH``.

    Attributes:
        target: Path and query as sent.
        headers: Names in any case.
        body: Complete, or its beginning if it is longer than ``PAYLOAD_BYTES_MAX``: one byte more at least.
    """

    method: str
    target: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Invocations:
    """Answers Invoke requests."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def respond(self, request: InvokeRequest) -> Response:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        refusal = self._refusal(request, headers)
        if refusal is not None:
            return refusal
        path, _, query = request.target.partition("?")
        found = _INVOCATIONS.fullmatch(path)
        if found is None or request.method != "POST":
            return _UNKNOWN_PATH
        name = self._function_name(unquote(found[1]), query)
        if name is None:
            shown = f"Function not found: {unquote(found[1])}"
            return error(404, "ResourceNotFoundException", shown)
        kind = headers.get("x-amz-invocation-type", "RequestResponse")
        if kind == "Event" and len(request.body) > _EVENT_BYTES_MAX:
            shown = f"{len(request.body)} byte payload is too large for the Event invocation type"
            limit = f"(limit {_EVENT_BYTES_MAX} bytes)"
            return error(413, "RequestEntityTooLargeException", f"{shown} {limit}")
        try:
            event = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            return _NO_JSON
        return await self._invoke(name, event, kind)

    async def _invoke(self, name: str, event: Any, kind: str) -> Response:
        functions = self._edge.functions
        match kind:
            case "RequestResponse":
                invoking = functions.invoke(name, event)
                return _answer(await self._edge.unless_given_up(invoking) or GIVEN_UP)
            case "Event":
                self._run_soon(name, event, self._edge.settings.limits.event_retries_s)
                return Response(202, headers=(_VERSION,))
            case "DryRun":
                return Response(204, headers=(_VERSION,))
        return error(400, "InvalidParameterValueException", f"Unknown invocation type: {kind}")

    def _run_soon(self, name: str, event: Any, retries_s: Sequence[float]) -> None:
        """Run a function whose outcome no client waits for, unless the gateway stops."""
        if not self._edge.stopping:
            self._edge.spawn(self._run(name, event, retries_s))

    async def _run(self, name: str, event: Any, retries_s: Sequence[float]) -> None:
        """Run it once, and if it fails again after each of these pauses. A stop waits for no pause."""
        outcome = await self._edge.functions.invoke(name, event)
        if retries_s and not isinstance(outcome, Returned):
            pause_s, *others = retries_s
            asyncio.get_running_loop().call_later(pause_s, self._run_soon, name, event, others)

    def _function_name(self, asked: str, query: str) -> str | None:
        """Return the function that a request names, None if there is no such function or version."""
        found = _FUNCTION.fullmatch(asked)
        if found is None or (found["qualifier"] or "$LATEST") != "$LATEST":
            return None
        if query.startswith("Qualifier=") and unquote(query.removeprefix("Qualifier=")) != "$LATEST":
            return None
        return self._edge.manifest.deployed_names.get(found["name"])

    def _refusal(self, request: InvokeRequest, headers: dict[str, str]) -> Response | None:
        edge = self._edge
        if is_made_by_a_browser(request.headers):
            return _FROM_A_BROWSER
        stranger = edge.stranger(request.headers)
        if stranger is not None:
            return error(403, "AccessDeniedException", stranger)
        if len(request.body) > PAYLOAD_BYTES_MAX:
            return _TOO_LARGE
        settings = edge.settings
        signed = SignedRequest(request.method, request.target, headers, request.body)
        now = datetime.fromtimestamp(edge.now_ms() / 1000, UTC)
        return refuse_unverified(
            signed, secrets=settings.credentials, region=settings.region, now=now, service="lambda"
        )


def _answer(outcome: Outcome) -> Response:
    """Return what Invoke says of an outcome: a function's failure is a success of Lambda's."""
    failure: dict[str, Any]
    match outcome:
        case Returned(payload):
            return Response(200, json.dumps(payload).encode(), (_JSON, _VERSION))
        case Raised(error_type, error_message, request_id, stack_trace):
            failure = {"errorMessage": error_message, "errorType": error_type}
            if request_id:
                failure |= {"requestId": request_id, "stackTrace": list(stack_trace)}
        case TimedOut(after_s):
            failure = {
                "errorMessage": f"Task timed out after {after_s:.2f} seconds",
                "errorType": "Sandbox.Timedout",
            }
    headers = (_JSON, _VERSION, ("X-Amz-Function-Error", "Unhandled"))
    return Response(200, json.dumps(failure).encode(), headers)
