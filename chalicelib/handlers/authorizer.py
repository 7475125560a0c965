"""The WebSocket API's REQUEST authorizer: who may open a connection, and as whom.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
"""

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.errors import Code, UnauthorizedError
from chalicelib.domain.principals import Principal
from chalicelib.handlers.identity import BATCHED, EXPIRES_AT, handshake_principal
from chalicelib.wire.connection_url import BATCH
from chalicelib.wire.json_text import JsonObject


class UnauthenticatedError(Exception):
    """API Gateway answers 401 to this message, and to nothing else that an authorizer can say."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def authorize(event: Mapping[str, Any]) -> JsonObject:
    """Return the policy for one handshake: leave for its account, or 403; 401 is an exception named for it.

    Raises:
        RetryableError: The issuer's keys cannot be had; API Gateway answers 500.
    """
    try:
        policy = _policy(event["methodArn"], "Allow", handshake_principal(event))
    except UnauthorizedError as refusal:
        if refusal.code is Code.FORBIDDEN:
            return _policy(event["methodArn"], "Deny", Principal("-"))
        raise UnauthenticatedError from None
    if (event.get("queryStringParameters") or {}).get(BATCH) == BATCHED:
        # So every later event of the connection says so; $connect refuses what is neither yes nor no.
        policy["context"][BATCH] = BATCHED
    return policy


def _policy(method_arn: str, effect: str, principal: Principal) -> JsonObject:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}
    until = principal.expires_at
    return {
        "principalId": principal.account_id,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {} if until is None else {EXPIRES_AT: int(until.timestamp())},
    }
