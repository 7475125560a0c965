"""The REST API. Chalice's own ``chalice.local`` matches routes and
answers pre-flights; authorizers are asked here.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chalice.local import LocalGatewayException

from chalice_offline.gateway.authorizer import Refusal, weigh
from chalice_offline.gateway.chalice_routes import INVOKE, local_gateway
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.events import request_time
from chalice_offline.gateway.proxy_response import proxy_response, response_of, wants_binary
from chalice_offline.gateway.refusals import (
    BAD_REQUEST,
    BY_AUTHORIZER,
    MALFORMED,
    NO_API_KEY,
    unknown_route,
)
from chalice_offline.gateway.responses import Headers, Response
from chalice_offline.gateway.user_pools import claims_in
from chalice_offline.invocation import Caller


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

    def header(self, name: str) -> str | None:
        """Return the last value of a header, by its name in lower case."""
        return dict(self.headers).get(name)

    @property
    def caller(self) -> Caller:
        """Return whose turn it is when this request's is: its credential's, or its address's without one."""
        # Who a credential stands for is known to the app alone.
        credential = self.header("authorization")
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
        if not self._knows_user(request, answer):
            return BY_AUTHORIZER[Refusal.UNAUTHORIZED]
        if request.method in manifest.http_api_keys.get(answer["resource"], ()):
            key = request.header("x-api-key")
            if not self._takes_key(key):
                return NO_API_KEY
            answer["requestContext"]["identity"]["apiKey"] = key
        if manifest.http_function is None:
            return MALFORMED
        outcome = await self._edge.invoke(manifest.http_function, answer, request.caller)
        return response_of(
            outcome,
            integration_timeout_s=self._edge.settings.limits.integration_timeout_s,
            sends_binary=wants_binary(request.header("accept"), manifest.http_binary_types),
        )

    def _knows_user(self, request: Request, event: dict[str, Any]) -> bool:
        """Add what a user pool's token says to the event; tell whether the request may go on.

        There is no user pool to have a token from, so a request without one is let in, and unknown.
        """
        header = self._edge.manifest.http_user_pools.get(event["resource"], {}).get(request.method)
        token = header and request.header(header.lower())
        if not token:
            return True
        claims = claims_in(token)
        if claims is not None:
            event["requestContext"]["authorizer"] = {"claims": dict(claims)}
        return claims is not None

    def _takes_key(self, key: str | None) -> bool:
        known = self._edge.settings.api_keys
        return bool(key) and (not known or key in known)

    def _admit(self, request: Request) -> dict[str, Any] | Response:
        """Return the event for the app, or the answer that API Gateway gives without asking it."""
        headers = dict(request.headers)
        try:
            answer = self._gateway.handle_request(
                request.method, request.target, headers, request.body or None
            )
        except LocalGatewayException:  # its only reason here: no route has that path
            return unknown_route(headers)
        except UnicodeError:  # a header that is not ASCII where LocalGateway quotes it
            return BAD_REQUEST
        if INVOKE not in answer:
            # Chalice deploys an OPTIONS method only where a route has CORS.
            has_preflight = "Access-Control-Allow-Origin" in answer["headers"]
            return proxy_response(answer, sends_binary=False) if has_preflight else unknown_route(headers)
        event = self._complete(answer[INVOKE], request)
        if request.method not in self._edge.manifest.http_routes[event["resource"]]:
            return unknown_route(headers)
        return event

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
        token = request.header(header)
        if not token:
            return BY_AUTHORIZER[Refusal.UNAUTHORIZED]  # the authorizer is not asked
        settings = self._edge.settings
        api = f"{settings.region}:{settings.account_id}:{settings.api_id}"
        method_arn = f"arn:aws:execute-api:{api}/{settings.rest_stage}/{request.method}{event['path']}"
        asked = {"type": "TOKEN", "methodArn": method_arn, "authorizationToken": token}
        decision = weigh(await self._edge.invoke(function_name, asked), method_arn=method_arn)
        if isinstance(decision, Refusal):
            return BY_AUTHORIZER[decision]
        event["requestContext"]["authorizer"] = dict(decision.context)
        return None


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
