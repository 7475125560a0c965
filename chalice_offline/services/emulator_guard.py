"""Who may use the managed emulator: callers that sign with credentials it was given, and no web page.

MiniStack asks for no credentials, lets every origin read its answers, and runs code for those who ask. Here
a request must name loopback as its host, must not come from a browser, and must carry the signature of known
credentials, which are random and in the state directory. As on AWS, who signs up or in with Cognito has none
yet, and the deployed APIs of an emulated cloud are open to unsigned requests, but for those of foreign pages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, Self

from ministack.core import sigv4
from ministack.core.iam_evaluator import ResolvedCredential, resolve_credential

from chalice_offline.callers import Callers, Headers, is_loopback_host, is_made_by_a_browser
from chalice_offline.services.s3_signatures import (
    has_version_2,
    is_form,
    is_form_good,
    is_version_2_good,
)
from chalice_offline.services.unsigned_calls import unsigned_service
from chalice_offline.variables import EMULATOR_SERVICES_VARIABLE, OPEN_APIS_VARIABLE

_API_PREFIX: Final = "/_aws/execute-api/"
_CALLBACKS: Final = "@connections"
# MiniStack's own administration, and doors that carry their secret in the path.
_INTERNAL_PREFIX: Final = "/_"
_API_CALLERS: Final = Callers()
# MiniStack's own check of the time passes what is none.
_TIME: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class GuardRefusal(NamedTuple):
    """An error of AWS's, always with status 403."""

    code: str
    message: str


class CanonicalRequest(NamedTuple):
    """A request as its signature covers it; names of headers in lower case, and of the query decoded."""

    method: str
    raw_path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


_FROM_A_BROWSER: Final = GuardRefusal("AccessDeniedException", "the emulator is not there for web pages")
_NO_SUCH_DOOR: Final = GuardRefusal("AccessDeniedException", "the emulator does not serve this path here")
_UNSIGNED: Final = GuardRefusal(
    "MissingAuthenticationToken",
    "the emulator takes signed requests only; its credentials are in aws.env of the state directory",
)
_BAD_SIGNATURE: Final = GuardRefusal(
    "SignatureDoesNotMatch",
    "the URL or form is not signed with this emulator's credentials, or its time is over",
)
_UNKNOWN: Final = GuardRefusal(
    "UnrecognizedClientException",
    "unknown credentials, such as a profile's; this emulator's are in functions' environment, and for other"
    " programs in aws.env of the state directory",
)


@dataclass(frozen=True, slots=True)
class Guard:
    """What one emulator lets in.

    Attributes:
        secrets: Secret access keys by access key id. An emulator without any lets no caller in.
        services: Signing names of the services that may be asked; None for all that it has.
        has_open_apis: Whether deployed APIs are served to unsigned requests. Then it also takes the
            credentials of users and sessions that it has itself made.
    """

    secrets: Mapping[str, str]
    services: frozenset[str] | None = None
    has_open_apis: bool = False

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        services = environment.get(EMULATOR_SERVICES_VARIABLE)
        return cls(
            {key: secret} if key and secret else {},
            frozenset(services.split(",")) if services else None,
            environment.get(OPEN_APIS_VARIABLE) == "1",
        )

    def is_open_api(self, path: str) -> bool:
        """Return whether a path belongs to a deployed API, to which clients come without credentials."""
        return self.has_open_apis and path.startswith(_API_PREFIX) and _CALLBACKS not in path

    def refusal_of_client(self, headers: Headers) -> GuardRefusal | None:
        """Judge the client of a deployed API: any program, and pages that the API itself has served."""
        stranger = _API_CALLERS.refusal(headers)
        return None if stranger is None else GuardRefusal("ForbiddenException", f"Forbidden: {stranger}")

    def refusal_of_head(self, path: str, pairs: Headers, request: CanonicalRequest) -> GuardRefusal | None:
        """Judge a request by its head, before a byte of its body is read.

        Args:
            path: Percent-decoded.
            pairs: The headers as sent.
        """
        if is_made_by_a_browser(pairs):
            return _FROM_A_BROWSER
        # A signature is proof against rebinding, so that a bucket or an API may be the host's first part.
        host = request.headers.get("host", "").lower()
        if not is_loopback_host(host, takes_subdomains=True):
            return GuardRefusal(
                "AccessDeniedException", "Host is not a name of this machine's loopback address"
            )
        if path.startswith(_INTERNAL_PREFIX) and not (self.has_open_apis and path.startswith(_API_PREFIX)):
            return _NO_SUCH_DOOR
        method, raw_path, query, named, _ = request
        service = self._unsigned(request) or otherwise_signed(method, raw_path, query, named)
        if service is not None:
            return self._refusal_of_service(service)
        claim = claim_of(request.headers, request.query)
        return claim if isinstance(claim, GuardRefusal) else self.refusal_of_claim(claim)

    def refusal_of_signature(self, request: CanonicalRequest) -> GuardRefusal | None:
        """Judge the signature of a complete request."""
        if self._unsigned(request) is not None:
            return None
        method, path, query, headers, body = request
        if has_version_2(query, headers):
            is_good = is_version_2_good(method, path, query, headers, self.secrets)
            return None if is_good else _BAD_SIGNATURE
        if is_form(method, path, query, headers):
            return None if is_form_good(headers, body, self.secrets) else _BAD_SIGNATURE
        claim = claim_of(request.headers, request.query)
        if isinstance(claim, GuardRefusal):
            return claim
        secret = self._secret_of(claim.access_key_id)
        if secret is None:
            return _UNKNOWN
        is_in_query = "authorization" not in request.headers
        failure = (
            _lateness(request.query, claim) if is_in_query else sigv4.request_time_failure(claim)
        ) or sigv4.header_signature_failure(claim, secret, *request, presigned=is_in_query)
        return None if failure is None else GuardRefusal(*failure)

    def refusal_of_claim(self, claim: sigv4.HeaderSignature) -> GuardRefusal | None:
        """Judge a caller by what it says about itself, before it is proven."""
        if self._secret_of(claim.access_key_id) is None:
            return _UNKNOWN
        return self._refusal_of_service(claim.service)

    def _unsigned(self, request: CanonicalRequest) -> str | None:
        """Return the service of a call that is not signed and need not be, None of any other."""
        if "authorization" in request.headers or not self.secrets:
            return None
        return unsigned_service(request.method, request.raw_path, request.query, request.headers)

    def _refusal_of_service(self, service: str) -> GuardRefusal | None:
        if self.services is None or service in self.services:
            return None
        return GuardRefusal("AccessDeniedException", f"this emulator serves {_listed(self.services)} only")

    def _secret_of(self, access_key: str) -> str | None:
        secret = self.secrets.get(access_key)
        if secret is None and self.has_open_apis and self.secrets:
            found = resolve_credential(access_key)
            return found.secret_access_key or None if isinstance(found, ResolvedCredential) else None
        return secret


def otherwise_signed(
    method: str, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]
) -> str | None:
    """Return the service of a request that is signed in a way which that service alone takes."""
    return "s3" if has_version_2(query, headers) or is_form(method, path, query, headers) else None


def claim_of(
    headers: Mapping[str, str], query: Mapping[str, list[str]]
) -> sigv4.HeaderSignature | GuardRefusal:
    """Return what a request says about its signature."""
    if "authorization" in headers:
        claim = sigv4.parse_header_signature(headers)
    elif "X-Amz-Signature" in query:
        claim = sigv4.parse_query_signature(query)
    else:
        return _UNSIGNED
    # A region set is SigV4a's, in which no tool calls an emulator.
    if isinstance(claim, tuple) or claim.region_set is not None or not _TIME.fullmatch(claim.amz_date):
        return GuardRefusal("IncompleteSignature", "the signature is not one of AWS4-HMAC-SHA256")
    return claim


def _lateness(query: Mapping[str, list[str]], claim: sigv4.HeaderSignature) -> tuple[str, str] | None:
    try:
        is_late = sigv4.presigned_request_is_expired(
            claim.amz_date, query.get("X-Amz-Expires", [""])[0], now=datetime.now(UTC)
        )
    except (ValueError, OverflowError):
        is_late = True
    return ("ExpiredToken", "the request has expired") if is_late else None


@lru_cache(maxsize=4)
def _listed(services: frozenset[str]) -> str:
    return ", ".join(sorted(services))
