"""Who is calling: the account comes from a verified credential, never from a message.

A WebSocket client shows its token once, at the handshake, to the authorizer; what that found out comes with
every later event of the connection. Where no authorizer is deployed, ``$connect`` checks the token itself and
notes whose the connection is. A REST client shows its token with each request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from chalicelib.bootstrap import services
from chalicelib.config import AuthMode
from chalicelib.domain.errors import Code, UnauthorizedError
from chalicelib.domain.principals import LOCAL_ACCOUNT, OPERATOR_SCOPE, Principal
from chalicelib.wire.connection_names import UnknownApiError
from chalicelib.wire.connection_url import BATCH

SUBPROTOCOL: Final = "bearer"
"""What a browser offers before its token, since it cannot set headers: ``new WebSocket(url,
["bearer", token])``.
"""

EXPIRES_AT: Final = "expiresAt"
"""The member of the authorizer's context that tells until when, in seconds of Unix time."""


BATCHED: Final = "1"
"""The value of the context's member ``batch``, if the connection asked for batches."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a frame.

    Attributes:
        is_batched: Its connection asked at the handshake for events in batches.
    """

    principal: Principal
    is_batched: bool


def connection_name(request_context: Mapping[str, Any]) -> str:
    """Return what an event's connection is called on record and in messages.

    Raises:
        UnauthorizedError: It came in by an API that is none of the deployment's.
    """
    use = services()
    if use.settings.connections_url:
        return str(request_context["connectionId"])
    try:
        return use.connection_names.of_event(request_context)
    except UnknownApiError as error:
        raise UnauthorizedError(Code.FORBIDDEN, str(error)) from error


def connecting_principal(event: Mapping[str, Any]) -> tuple[Principal, bool]:
    """Return who opens a connection, and whether only a note of it will tell from now on.

    An API that was deployed without its authorizer, as ``chalice deploy`` does, has the token checked here.

    Raises:
        UnauthorizedError: There is not exactly one token, or it is not good.
    """
    if established := _established(event["requestContext"]):
        return established.principal, False
    is_checked = services().settings.auth_mode is AuthMode.JWT
    return handshake_principal(event), is_checked


def websocket_caller(request_context: Mapping[str, Any], connection: str) -> Caller:
    """Return who sent a frame: whom the authorizer established at the handshake, or what was noted there.

    Raises:
        UnauthorizedError: Neither says anything.
        RetryableError: The note cannot be looked up.
    """
    if established := _established(request_context):
        return established
    if services().settings.auth_mode is AuthMode.NONE:
        return Caller(Principal(LOCAL_ACCOUNT), is_batched=False)
    noted = services().access.known_connections.find(connection)
    return Caller(noted.principal, noted.is_batched)


def _established(request_context: Mapping[str, Any]) -> Caller | None:
    """Return what the authorizer found out at the handshake; None if none ran."""
    authorizer = request_context.get("authorizer") or {}
    account_id = authorizer.get("principalId")
    if not account_id:
        return None
    return _caller(str(account_id), authorizer.get(EXPIRES_AT), authorizer.get(BATCH) == BATCHED)


@lru_cache(maxsize=1_024)
def _caller(account_id: str, until: str | None, is_batched: bool) -> Caller:  # noqa: FBT001  # a key of the cache
    """Return who sends the frames of a connection: each event of it tells the same."""
    # API Gateway hands every context value on as text.
    expires_at = datetime.fromtimestamp(int(until), UTC) if until else None
    return Caller(Principal(account_id, expires_at), is_batched)


def http_account(headers: Mapping[str, str]) -> str:
    """Return the account of a REST request, by its Authorization header.

    Raises:
        UnauthorizedError: The credential is missing or not good.
    """
    return _http_principal(headers).account_id


def http_operator(headers: Mapping[str, str]) -> str:
    """Return the account of a REST request that only an operator may make.

    Raises:
        UnauthorizedError: The credential is missing, not good, or not an operator's.
    """
    principal = _http_principal(headers)
    if not principal.is_operator:
        raise UnauthorizedError(Code.FORBIDDEN, f"this needs a token with the scope {OPERATOR_SCOPE}")
    return principal.account_id


def handshake_principal(event: Mapping[str, Any]) -> Principal:
    """Return whom the token of an upgrade request stands for.

    It may come in the Authorization header, as the subprotocol after ``bearer``, or as the query parameter
    ``token``, but only in one of them: of two, it would be unclear which counts.

    Raises:
        UnauthorizedError: There is not exactly one, or it is not good.
    """
    if services().settings.auth_mode is AuthMode.NONE:
        return Principal(LOCAL_ACCOUNT)
    tokens = list(_handshake_tokens(event))
    if len(tokens) != 1:
        raise UnauthorizedError.bad_credential()
    return services().access.verifier.verify(tokens[0])


def accepted_subprotocol(event: Mapping[str, Any]) -> str | None:
    """Return the subprotocol to answer with: ``bearer`` if it was offered, and never the token beside it."""
    return SUBPROTOCOL if SUBPROTOCOL in _offered(event) else None


def _http_principal(headers: Mapping[str, str]) -> Principal:
    if services().settings.auth_mode is AuthMode.NONE:
        # Who reaches a loopback address runs the engine.
        return Principal(LOCAL_ACCOUNT, is_operator=True)
    token = _bearer(headers.get("authorization", ""))
    if token is None:
        raise UnauthorizedError.bad_credential()
    return services().access.verifier.verify(token)


def _handshake_tokens(event: Mapping[str, Any]) -> Iterator[str]:
    for name, value in (event.get("headers") or {}).items():
        if name.lower() == "authorization" and (token := _bearer(value)):
            yield token
    offered = _offered(event)
    if SUBPROTOCOL in offered:
        yield from (each for each in offered if each != SUBPROTOCOL)
    if token := (event.get("queryStringParameters") or {}).get("token"):
        yield token


def _offered(event: Mapping[str, Any]) -> list[str]:
    lists = [
        value
        for name, value in (event.get("headers") or {}).items()
        if name.lower() == "sec-websocket-protocol"
    ]
    return [each.strip() for each in ",".join(lists).split(",") if each.strip()]


def _bearer(authorization: str) -> str | None:
    """Return the token of an Authorization header (RFC 6750, 2.1); None if it is of another scheme."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
