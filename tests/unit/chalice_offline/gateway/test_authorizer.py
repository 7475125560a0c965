from typing import Any

import pytest

from chalice_offline.gateway.authorizer import (
    DENIED,
    FAILED,
    UNAUTHORIZED,
    Allowed,
    IdentitySource,
    judge,
    missing_identity,
)
from chalice_offline.gateway.handshake import Handshake
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut
from chalice_offline.json_text import encoded

ARN = "arn:aws:execute-api:us-east-1:123456789012:local00000/ws/$connect"
REQUEST = Handshake((("Authorization", "Bearer x"), ("X-Empty", "")), "token=t&none=&a.b=c", "127.0.0.1", 0)


def statement(effect: str = "Allow", action: object = "execute-api:Invoke", resource: object = ARN) -> Any:
    return {"Effect": effect, "Action": action, "Resource": resource}


def policy(*statements: Any, **changes: Any) -> Outcome:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return Returned({"principalId": "me", "policyDocument": document, **changes})


@pytest.mark.parametrize(
    "allowing",
    [
        statement(),
        statement(resource="*"),
        statement(resource=[ARN.replace("ws", "x"), "arn:aws:execute-api:*:*:*/ws/*"]),
        statement(action="execute-api:*"),
        statement(action=["lambda:*", "*"]),
        statement(resource=ARN.replace("ws", "w?")),
    ],
)
def test_policy_that_allows_the_arn_lets_in(allowing: Any) -> None:
    assert judge(policy(allowing), method_arn=ARN) == Allowed({"principalId": "me"})


@pytest.mark.parametrize(
    "denying",
    [
        [statement("Deny")],
        [statement(), statement("Deny")],
        [statement(resource=ARN + "x")],
        [statement(action="execute-api:ManageConnections")],
        [],
    ],
)
def test_policy_that_denies_or_does_not_allow_is_403(denying: list[Any]) -> None:
    assert judge(policy(*denying), method_arn=ARN) == DENIED


@pytest.mark.parametrize(
    "outcome",
    [
        Raised("KeyError", "x"),
        TimedOut(29),
        Returned(None),
        Returned({"principalId": "me"}),
        Returned({"principalId": "me", "policyDocument": {"Statement": 7}}),
        policy(statement(), principalId=None),
        policy(statement(), context={"nested": {}}),
        policy(statement(), context="text"),
    ],
)
def test_failure_or_malformed_result_is_500(outcome: Outcome) -> None:
    assert judge(outcome, method_arn=ARN) == FAILED


def test_result_of_8_kb_is_taken_and_a_byte_more_is_500() -> None:
    def result(size: int) -> Outcome:
        empty = policy(statement(), context={"x": ""})
        assert isinstance(empty, Returned)
        return policy(statement(), context={"x": "a" * (size - len(encoded(empty.payload)))})

    assert isinstance(judge(result(8_192), method_arn=ARN), Allowed)
    assert judge(result(8_193), method_arn=ARN) == FAILED


def test_exception_called_unauthorized_is_401() -> None:
    assert judge(Raised("Exception", "Unauthorized"), method_arn=ARN) == UNAUTHORIZED


def test_context_values_become_text() -> None:
    outcome = policy(statement(), context={"text": "a", "number": 7, "flag": True})
    allowed = Allowed({"principalId": "me", "text": "a", "number": "7", "flag": "true"})
    assert judge(outcome, method_arn=ARN) == allowed


@pytest.mark.parametrize(
    ("sources", "missing"),
    [
        ([], False),
        (["route.request.header.authorization"], False),
        (["route.request.querystring.token"], False),
        (["route.request.querystring.a.b"], False),
        (["route.request.header.authorization", "route.request.header.absent"], True),
        (["route.request.header.X-Empty"], True),
        (["route.request.querystring.none"], True),
    ],
)
def test_identity_is_missing_when_one_source_is(sources: list[str], *, missing: bool) -> None:
    assert missing_identity(map(IdentitySource.parse, sources), REQUEST) is missing


@pytest.mark.parametrize("text", ["context.stage", "route.request.body.x", "route.request.header.", ""])
def test_text_that_is_no_identity_source_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="identity source"):
        IdentitySource.parse(text)
