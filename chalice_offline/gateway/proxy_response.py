"""A function's answer to a REST request, as API Gateway sends it on.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html, and for
binary bodies api-gateway-payload-encodings.html. What an answer may lack or not have besides was recorded on
AWS by localstack/localstack, ``test_aws_proxy_response_payload_format_validation``.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any, Final

from chalice_offline.gateway.outcomes import (
    IntegrationFailure,
    Pairs,
    answer_headers,
    integration_answer,
    is_sendable,
)
from chalice_offline.gateway.policy import matches
from chalice_offline.gateway.refusals import MALFORMED, failed
from chalice_offline.gateway.responses import Response
from chalice_offline.invocation import Outcome

_FIELDS: Final = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
_DEFAULT_STATUS: Final = 200
# What a request is taken to accept, or to have, that does not say it.
_DEFAULT: Final = "application/json"
# They are the gateway's to say; a function's own reach the client under another name, among them what would
# have a browser ask for a password (api-gateway-known-issues.html).
_REMAPPED: Final = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "expect",
        "host",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "upgrade",
        "user-agent",
        "www-authenticate",
        "x-amzn-requestid",
    }
)
_DROPPED: Final = "transfer-encoding"


def response_of(outcome: Outcome, *, integration_timeout_s: float, sends_binary: bool) -> Response:
    """Turn the outcome of the REST function into an HTTP response; see ``proxy_response``."""
    answer = integration_answer(
        outcome, integration_timeout_s=integration_timeout_s, default_status=_DEFAULT_STATUS
    )
    if isinstance(answer, IntegrationFailure):
        return failed(answer.status, answer.message)
    return proxy_response(answer.payload, sends_binary=sends_binary)


def proxy_response(payload: Mapping[str, Any], *, sends_binary: bool) -> Response:
    """Convert a Lambda proxy response; one that cannot be sent is API Gateway's 502.

    Args:
        sends_binary: Whether a body in base64 is decoded; else it is sent as the text that it is.
    """
    found = answer_headers(payload)
    if found is None or not _FIELDS.issuperset(payload):
        return MALFORMED
    headers = _sent_on(_merged(*found))
    if not all(is_sendable(*header) for header in headers):
        return MALFORMED
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    body = payload.get("body") or ""
    try:
        is_decoded = payload.get("isBase64Encoded") and sends_binary
        # Half of a surrogate pair, which JSON lets a function return, is no text.
        raw = base64.b64decode(body) if is_decoded else body.encode(errors="replace")
    except (AttributeError, TypeError, binascii.Error):
        return MALFORMED
    return Response(int(payload.get("statusCode", _DEFAULT_STATUS)), raw, tuple(headers))


def _merged(single: Pairs, multiple: Pairs) -> Pairs:
    """Return all headers; one that both have with the same value is there once."""
    known = {(name.lower(), value) for name, value in multiple}
    return multiple + [pair for pair in single if (pair[0].lower(), pair[1]) not in known]


def _sent_on(headers: Pairs) -> Pairs:
    return [
        (f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name, value)
        for name, value in headers
        if name.lower() != _DROPPED
    ]


def is_binary(types: str | None, binary_types: Collection[str]) -> bool:
    """Return whether a body is binary, by ``Content-Type`` of one that comes, ``Accept`` of one that goes.

    Only the first type counts, without its parameters. A browser's first is ``text/html``, so an API that
    sends it binary bodies has ``*/*`` among its types.
    """
    first = (types or _DEFAULT).partition(",")[0].partition(";")[0].strip().lower()
    return any(matches(binary_type.lower(), first) for binary_type in binary_types)
