"""The REST API. Chalice's own ``chalice.local`` matches routes and
answers pre-flights; authorizers are asked here.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalice.local import LocalGatewayException

from chalice_offline.gateway.authorizer import Refusal, weigh
from chalice_offline.gateway.chalice_routes import INVOKE, local_gateway
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.events import request_time
from chalice_offline.gateway.outcomes import INTERNAL_SERVER_ERROR, IntegrationFailure, integration_answer
from chalice_offline.gateway.responses import Headers, Response, error
from chalice_offline.invocation import Caller, Outcome

_ERROR_TYPES: Final = {502: "InternalServerErrorException", 504: "GatewayTimeoutException"}
_MALFORMED: Final = error(502, _ERROR_TYPES[502], INTERNAL_SERVER_ERROR)


def _denied(text: str) -> Response:
    refusal = error(403, "AccessDeniedException", "")
    return refusal._replace(body=json.dumps({"Message": text}).encode())


# The bodies as captured on AWS: https://dev.to/marcogrcr/api-gateway-lambda-authorizer-lambda-proxy-integration-failure-modes-52bc
_REFUSALS: Final = {
    Refusal.UNAUTHORIZED: error(401, "UnauthorizedException", "Unauthorized"),
    Refusal.DENIED: _denied("User is not authorized to access this resource"),
    Refusal.DENIED_EXPLICITLY: _denied(
        "User is not authorized to access this resource with an explicit deny"
    ),
    Refusal.FAILED: error(500, "AuthorizerConfigurationException", None),
}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to the REST API.

    Attributes:
        target: Path and query as sent, without the stage.
        headers: Names in lower case; a name may repeat.
        still_waits: Whether the client is still there.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    source_ip: str
    request_id: str
    now_ms: int
    still_waits: Callable[[], bool] = lambda: True

    @property
    def caller(self) -> Caller:
        """Return whose turn it is when this request's is: its credential's, or its address's without one."""
        # Who a credential stands for is known to the app alone.
        credential = next((value for name, value in self.headers if name == "authorization"), None)
        key = f"address {self.source_ip}" if credential is None else f"credential {credential}"
        return Caller(key, self.still_waits)


class RestApi:
    """Answers HTTP requests by way of the app's one REST function."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._gateway = local_gateway(edge.manifest)

    def read_routes(self) -> None:
        """Use the routes that the app's description has now."""
        self._gateway = local_gateway(self._edge.manifest)

    async def respond(self, request: Request) -> Response:
        """Answer one request; the app is asked only if route and authorizer let it through."""
        manifest = self._edge.manifest
        answer = self._admit(request)
        if isinstance(answer, Response):
            return answer
        by_method = manifest.http_authorizers.get(answer["resource"], {})
        if request.method in by_method:
            refusal = await self._authorize(request, answer, by_method[request.method])
            if refusal is not None:
                return refusal
        if manifest.http_function is None:
            return _MALFORMED
        outcome = await self._edge.invoke(manifest.http_function, answer, request.caller)
        return response_of(outcome, integration_timeout_s=self._edge.settings.limits.integration_timeout_s)

    def _admit(self, request: Request) -> dict[str, Any] | Response:
        """Return the event for the app, or the answer that API Gateway gives without asking it."""
        try:
            answer = self._gateway.handle_request(
                request.method, request.target, dict(request.headers), request.body or None
            )
        except LocalGatewayException as refusal:
            return Response(refusal.CODE, refusal.body or b"", tuple(refusal.headers.items()))
        except UnicodeError:  # a header that is not ASCII where LocalGateway quotes it
            return error(400, "BadRequestException", "Bad Request")
        if INVOKE in answer:
            return self._complete(answer[INVOKE], request)
        return _proxy_response(answer)

    def _complete(self, event: dict[str, Any], request: Request) -> dict[str, Any]:
        """Add what API Gateway sends and ``LocalGateway`` leaves out, and make the event fit for JSON."""
        path = request.target.split("?")[0]
        settings = self._edge.settings
        context = event["requestContext"]
        body = event["body"]
        query = event["multiValueQueryStringParameters"]
        identity = {"sourceIp": request.source_ip, "userAgent": event["headers"].get("user-agent")}
        return {
            **event,
            "resource": context["resourcePath"],
            "path": path,
            "httpMethod": request.method,
            "multiValueHeaders": _grouped(request.headers),
            "queryStringParameters": query and {name: values[-1] for name, values in query.items()},
            "requestContext": {
                **context,
                "identity": identity,
                "path": f"/{settings.rest_stage}{path}",
                "stage": settings.rest_stage,
                "apiId": settings.api_id,
                "accountId": settings.account_id,
                "domainName": self._edge.api.domain_name,
                "protocol": "HTTP/1.1",
                "requestId": request.request_id,
                "extendedRequestId": request.request_id,
                "requestTime": request_time(request.now_ms),
                "requestTimeEpoch": request.now_ms,
            },
            "isBase64Encoded": event.get("isBase64Encoded", False),
            "body": body.decode("utf-8", errors="replace") if isinstance(body, bytes) else body,
        }

    async def _authorize(
        self, request: Request, event: dict[str, Any], function_name: str
    ) -> Response | None:
        """Ask the route's TOKEN authorizer; add what it says of the caller to the event,
        or return the refusal.
        """
        header = self._edge.manifest.http_authorizer_headers.get(function_name, "Authorization").lower()
        token = dict(request.headers).get(header)
        if not token:
            return _REFUSALS[Refusal.UNAUTHORIZED]  # the authorizer is not asked
        settings = self._edge.settings
        api = f"{settings.region}:{settings.account_id}:{settings.api_id}"
        method_arn = f"arn:aws:execute-api:{api}/{settings.rest_stage}/{request.method}{event['path']}"
        asked = {"type": "TOKEN", "methodArn": method_arn, "authorizationToken": token}
        verdict = weigh(await self._edge.invoke(function_name, asked), method_arn=method_arn)
        if isinstance(verdict, Refusal):
            return _REFUSALS[verdict]
        event["requestContext"]["authorizer"] = dict(verdict.context)
        return None


def response_of(outcome: Outcome, *, integration_timeout_s: float) -> Response:
    """Turn the outcome of the REST function into an HTTP response."""
    answer = integration_answer(outcome, integration_timeout_s=integration_timeout_s)
    if isinstance(answer, IntegrationFailure):
        return error(answer.status, _ERROR_TYPES[answer.status], answer.message)
    return _proxy_response(answer.payload)


def _proxy_response(payload: Mapping[str, Any]) -> Response:
    """Convert a Lambda proxy response; one that cannot be sent is API Gateway's 502."""
    multiple = payload.get("multiValueHeaders") or {}
    single = {name: value for name, value in (payload.get("headers") or {}).items() if name not in multiple}
    headers = [(str(name), str(value)) for name, value in single.items()]
    headers += [(str(name), str(value)) for name, values in multiple.items() for value in values]
    if any(character in f"{name}{value}" for name, value in headers for character in "\r\n\0"):
        return _MALFORMED
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    body = payload.get("body") or ""
    try:
        raw = base64.b64decode(body) if payload.get("isBase64Encoded") else body.encode()
    except (AttributeError, TypeError, binascii.Error):
        return _MALFORMED
    return Response(int(payload["statusCode"]), raw, tuple(headers))


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
