"""AWS signatures of management requests, and of those to routes with an IAM authorizer: is there one, and is
it right?

Names and texts of the refusals are API Gateway's; those for a missing or wrong signature, a wrong
key and an old signature are in https://repost.aws/knowledge-center/api-gateway-iam-sigv4-mismatch
and in users' logs (https://github.com/michalkvasnicak/aws-lambda-graphql/issues/171). Only the
header form is known, not the signed URL.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalice_offline.gateway.responses import Response, error

_SERVICE: Final = "execute-api"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_TOLERANCE: Final = timedelta(minutes=5)
_PARAMETER: Final = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")

UNSIGNED: Final = error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
_UNKNOWN_KEY: Final = error(
    403, "UnrecognizedClientException", "The security token included in the request is invalid."
)
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
    " Access Key and signing method. Consult the service documentation for details.\n\n"
    "The Canonical String for this request should have been\n'{canonical}'\n\n"
    "The String-to-Sign should have been\n'{to_sign}'\n"
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it was sent.

    Attributes:
        target: Path and query, still percent-encoded.
        headers: By name in lower case.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the Authorization header says."""

    access_key: str
    scope: Sequence[str]  # date, region, service, "aws4_request"
    signed_headers: Sequence[str]
    signature: str


def refuse_unsigned(headers: Mapping[str, str]) -> Response | None:
    """Refuse a request without a signature for API Gateway; whether it is a right one is not looked at."""
    authorization = headers.get("authorization", "")
    is_signed = authorization.startswith(_ALGORITHM) and f"/{_SERVICE}/" in authorization
    return None if is_signed else UNSIGNED


def signer_of(headers: Mapping[str, str]) -> str | None:
    """Return the access key id that a request says it is signed with, None if it says none."""
    claim = _claim(headers.get("authorization", ""))
    return None if claim is None else claim.access_key


def refuse_unverified(
    request: SignedRequest,
    *,
    secrets: Mapping[str, str],
    region: str,
    now: datetime,
    service: str = _SERVICE,
) -> Response | None:
    """Refuse a request whose signature is not that of one of the known keys, or more than five minutes off.

    Args:
        secrets: Secret access keys by access key id.
        service: Signing name that the request must be for.
    """
    authorization = request.headers.get("authorization", "")
    if not authorization.startswith(_ALGORITHM):
        return UNSIGNED
    claim, sent_at = _claim(authorization), request.headers.get("x-amz-date", "")
    if claim is None or (signed_at := _time(sent_at)) is None:
        return _incomplete(authorization)
    if problem := _scope_problem(claim.scope, sent_at, region, service) or _time_problem(
        sent_at, signed_at, now
    ):
        return _invalid(problem)
    secret = secrets.get(claim.access_key)
    return _UNKNOWN_KEY if secret is None else _mismatch(request, claim, secret, sent_at)


def _mismatch(request: SignedRequest, claim: _Claim, secret: str, sent_at: str) -> Response | None:
    _, region, service, _ = claim.scope
    signer = SigV4Auth(Credentials(claim.access_key, secret), service, region)
    signed = AWSRequest(
        method=request.method,
        url=f"http://localhost{request.target}",  # its own host is among the headers, signed or else wrong
        headers={name: request.headers.get(name, "") for name in claim.signed_headers},
        data=request.body,
    )
    signed.context["timestamp"] = sent_at
    canonical = signer.canonical_request(signed)
    to_sign = signer.string_to_sign(signed, canonical)
    if hmac.compare_digest(signer.signature(to_sign, signed), claim.signature):
        return None
    return _invalid(_MISMATCH.format(canonical=canonical, to_sign=to_sign))


def _claim(authorization: str) -> _Claim | None:
    found = dict(_PARAMETER.findall(authorization))
    key, *scope = found.get("Credential", "").split("/")
    if len(found) < 3 or len(scope) != 4 or not found["Signature"].isascii():
        return None
    return _Claim(key, scope, found["SignedHeaders"].lower().split(";"), found["Signature"])


def _scope_problem(scope: Sequence[str], sent_at: str, region: str, expected: str) -> str | None:
    date, scope_region, service, _ = scope
    if date != sent_at[:8]:
        return (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
            f" '{date}' != '{sent_at[:8]}', from '{sent_at}'."
        )
    if scope_region != region:
        return f"Credential should be scoped to a valid region, not '{scope_region}'. "
    return None if service == expected else f"Credential should be scoped to correct service: '{expected}'. "


def _time_problem(sent_at: str, signed_at: datetime, now: datetime) -> str | None:
    earliest, latest = now - _TOLERANCE, now + _TOLERANCE
    if signed_at < earliest:
        return f"Signature expired: {sent_at} is now earlier than {_text(earliest)} ({_text(now)} - 5 min.)"
    if signed_at > latest:
        times = f"{_text(latest)} ({_text(now)} + 5 min.)"
        return f"Signature not yet current: {sent_at} is still later than {times}"
    return None


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


def _text(time: datetime) -> str:
    return time.strftime(_TIME_FORMAT)


def _incomplete(authorization: str) -> Response:
    parameters = " ".join(
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if f"{name}=" not in authorization
    )
    text = parameters or "Authorization header requires a valid 'Credential' and an 'X-Amz-Date' header."
    return error(403, "IncompleteSignatureException", f"{text} Authorization={authorization}")


def _invalid(message: str) -> Response:
    return error(403, "InvalidSignatureException", message)
