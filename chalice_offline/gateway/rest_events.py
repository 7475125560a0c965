"""The event that a REST API's function receives, field for field as recorded on AWS.

Records: localstack/localstack ``tests/aws/services/apigateway/test_apigateway_lambda.snapshot.json``, made
there against AWS; https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html.
"""

import base64
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl
from zlib import crc32

from chalice_offline.gateway.events import ApiIdentity, Event, grouped, request_time
from chalice_offline.gateway.proxy_response import is_binary
from chalice_offline.gateway.resources import Match
from chalice_offline.gateway.responses import Headers
from chalice_offline.invocation import Caller

# They are about the connection to the gateway, or its own to say; an event has none of them.
_NOT_HANDED_ON: Final = frozenset(
    {
        "connection",
        "content-length",
        "content-md5",
        "expect",
        "keep-alive",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    }
)
_ALWAYS_NAMED: Final = {"authorization": "Authorization", "user-agent": "User-Agent"}
# Of a caller who signed, or came by an identity pool; there is neither here.
_UNKNOWN_CALLER: Final = {
    "accessKey": None,
    "accountId": None,
    "caller": None,
    "cognitoAuthenticationProvider": None,
    "cognitoAuthenticationType": None,
    "cognitoIdentityId": None,
    "cognitoIdentityPoolId": None,
    "principalOrgId": None,
    "user": None,
    "userArn": None,
}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request to the REST API.

    Attributes:
        target: Path and query as sent, without the stage or the base path.
        headers: Those that the gateway adds among them. Names are in the client's own case, and may repeat.
        request_id: A UUID.
        extended_id: The other id that a REST request has, as those of the other APIs.
        still_waits: Whether the client is still there.
        base_path: That of the custom domain which the request came by, empty for the root and without one.
        has_stage: Whether it came without one, hence with the stage in its path.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    source_ip: str
    request_id: str
    extended_id: str
    now_ms: int
    still_waits: Callable[[], bool] = lambda: True
    base_path: str = ""
    has_stage: bool = True

    @property
    def path(self) -> str:
        """The path that leads to a resource: of several slashes in front of it AWS keeps one."""
        return "/" + self.sent_path.lstrip("/")

    @property
    def sent_path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Return the last value of a header, by its name in lower case."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), None)

    def headers_by_name(self) -> dict[str, str]:
        """Return the headers by their names in lower case."""
        return {name.lower(): value for name, value in self.headers}

    @property
    def caller(self) -> Caller:
        """Return whose turn it is when this request's is: its credential's, or its address's without one."""
        # Who a credential stands for is known to the app alone.
        credential = self.header("authorization")
        key = f"address {self.source_ip}" if credential is None else f"credential {credential}"
        return Caller(key, self.still_waits)


def proxy_event(
    api: ApiIdentity,
    request: Request,
    match: Match,
    *,
    binary_types: Collection[str],
    stage_variables: Mapping[str, str],
) -> Event:
    """Return the event of a request; a body of a binary type is in it as base64."""
    # "Results in the data being split" (api-gateway-known-issues.html).
    query = request.target.partition("?")[2].replace(";", "&")
    headers = [(_named(name), value) for name, value in request.headers if name.lower() not in _NOT_HANDED_ON]
    asked = grouped(parse_qsl(query, keep_blank_values=True))
    return {
        "resource": match.resource,
        "path": request.base_path + request.path,
        "httpMethod": request.method,
        "headers": dict(headers),
        "multiValueHeaders": grouped(headers),
        "queryStringParameters": {name: values[-1] for name, values in asked.items()} or None,
        "multiValueQueryStringParameters": asked or None,
        "pathParameters": dict(match.parameters) or None,
        "stageVariables": dict(stage_variables) or None,
        "requestContext": _context(api, request, match.resource),
        **_body(request, binary_types),
    }


def _context(api: ApiIdentity, request: Request, resource: str) -> Event:
    return {
        "resourceId": _short_id(resource),
        "resourcePath": resource,
        "httpMethod": request.method,
        "extendedRequestId": request.extended_id,
        "requestTime": request_time(request.now_ms),
        "path": (f"/{api.stage}" if request.has_stage else request.base_path) + request.sent_path,
        "accountId": api.account_id,
        "protocol": "HTTP/1.1",
        "stage": api.stage,
        "domainPrefix": api.domain_name.partition(".")[0],
        "requestTimeEpoch": request.now_ms,
        "requestId": request.request_id,
        "identity": {
            **_UNKNOWN_CALLER,
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent"),
        },
        "domainName": api.domain_name,
        "deploymentId": _short_id(api.api_id),
        "apiId": api.api_id,
    }


def _short_id(text: str) -> str:
    return f"{crc32(text.encode()):08x}"[:6]


def _body(request: Request, binary_types: Collection[str]) -> dict[str, Any]:
    if not request.body:
        return {"body": None, "isBase64Encoded": False}
    if is_binary(request.header("content-type"), binary_types):
        return {"body": base64.b64encode(request.body).decode("ascii"), "isBase64Encoded": True}
    return {"body": request.body.decode("utf-8", errors="replace"), "isBase64Encoded": False}


def _named(name: str) -> str:
    """Return the name that a header has in events: the client's, but for two that are always the same."""
    return _ALWAYS_NAMED.get(name.lower(), name)
