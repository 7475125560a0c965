"""What API Gateway answers itself to a REST request: status, body, and the type of error in a header.

Bodies and types as captured on AWS, authorizers' by
https://dev.to/marcogrcr/api-gateway-lambda-authorizer-lambda-proxy-integration-failure-modes-52bc; the cases
are those of gateway-response types (supported-gateway-response-types.html).
"""

import json
from typing import Final

from chalice_offline.gateway.authorizer import Refusal
from chalice_offline.gateway.outcomes import INTERNAL_SERVER_ERROR
from chalice_offline.gateway.responses import Response, error

_ERROR_TYPES: Final = {502: "InternalServerErrorException", 504: "GatewayTimeoutException"}


def failed(status: int, message: str) -> Response:
    """Return the answer for an integration that gave no usable response: 502 or 504."""
    return error(status, _ERROR_TYPES[status], message)


def unknown_route(credential: str | None) -> Response:
    """Return the answer for a path or method that the API does not have.

    Such a request is taken for one of an API that is signed: what fails is the signature, or its absence.

    Args:
        credential: The request's ``Authorization``.
    """
    if credential is None:
        return _MISSING_TOKEN
    lacks = [f"Authorization header requires '{each}' parameter." for each in _PARAMETERS]
    lacks += ["Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."]
    return error(403, "IncompleteSignatureException", " ".join([*lacks, f"Authorization={credential}"]))


def _denied(text: str) -> Response:
    refusal = error(403, "AccessDeniedException", "")
    return refusal._replace(body=json.dumps({"Message": text}).encode())


_PARAMETERS: Final = ("Credential", "Signature", "SignedHeaders")
_MISSING_TOKEN: Final = error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
MALFORMED: Final = failed(502, INTERNAL_SERVER_ERROR)
EXPIRED_TOKEN: Final = error(401, "UnauthorizedException", "The incoming token has expired")
# Both texts are as captured: https://github.com/koki-develop/lgtm-generator/issues/10.
EVENT_TOO_LONG: Final = error(413, "BadRequestException", "Request Too Long")
# No capture of its body was found.
BAD_QUERY: Final = error(400, "BadRequestException", "Bad Request")
NO_API_KEY: Final = error(403, "ForbiddenException", "Forbidden")
BY_AUTHORIZER: Final = {
    Refusal.UNAUTHORIZED: error(401, "UnauthorizedException", "Unauthorized"),
    Refusal.DENIED: _denied("User is not authorized to access this resource"),
    Refusal.DENIED_EXPLICITLY: _denied(
        "User is not authorized to access this resource with an explicit deny"
    ),
    Refusal.FAILED: error(500, "AuthorizerConfigurationException", None),
}


def body_too_long(bytes_max: int) -> Response:
    """Return the refusal of a body that is longer than API Gateway takes."""
    return _too_long(413, f"HTTP content length exceeded {bytes_max} bytes.")


def head_too_long(bytes_max: int) -> Response:
    """Return the refusal of a request line and headers that are together longer than API Gateway takes.

    The text is reported (https://ntsblog.homedev.com.au/index.php/2021/03/09/), so is the status
    (https://backbencher.dev/solved-431-status-code-with-request-header-fields-too-large), by different users.
    """
    return _too_long(431, f"HTTP header is larger than {bytes_max} bytes.")


def _too_long(status: int, text: str) -> Response:
    return Response(status, text.encode(), (("Content-Type", "text; charset=utf-8"),))
