from typing import Any

import pytest

from chalice_offline.gateway.policy import Decision, PolicyError, evaluate, matches

ARN = "arn:aws:execute-api:us-east-1:123456789012:local00000/api/GET/orders/7"
ACTION = "execute-api:Invoke"


def statement(effect: str = "Allow", **changes: Any) -> dict[str, Any]:
    whole = {"Effect": effect, "Action": ACTION, "Resource": ARN, **changes}
    return {key: value for key, value in whole.items() if value is not None}


def decide(*statements: Any) -> Decision:
    return evaluate({"Statement": list(statements)}, action=ACTION, resource=ARN)


@pytest.mark.parametrize(
    "about_the_call",
    [
        statement(),
        statement(Resource=[ARN]),
        statement(Action="EXECUTE-API:invoke"),
        statement(Action=["sqs:*", "execute-api:*"]),
        statement(Resource="*"),
        statement(Resource="arn:aws:execute-api:*/api/GET/orders/?"),
        statement(Action=None, NotAction="sqs:*"),
        statement(Resource=None, NotResource=["arn:aws:sqs:*", "*/POST/*"]),
        statement(Sid="x"),
    ],
)
def test_statement_about_the_call_decides(about_the_call: dict[str, Any]) -> None:
    assert decide(about_the_call) is Decision.ALLOWED
    assert decide(statement(Resource="*"), about_the_call | {"Effect": "Deny"}) is Decision.DENIED_EXPLICITLY
    assert evaluate({"Statement": about_the_call}, action=ACTION, resource=ARN) is Decision.ALLOWED


@pytest.mark.parametrize(
    "about_another",
    [
        statement(Action="execute-api:ManageConnections"),
        statement(Resource=ARN.upper()),
        statement(Resource=ARN + "?"),
        statement(Resource=ARN[:-1]),
        statement(Resource=[]),
        statement(Action=[]),
        statement(Action=None, NotAction=["execute-api:*"]),
        statement(Resource=None, NotResource="*"),
        statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
    ],
)
def test_statement_about_something_else_allows_nothing(about_another: dict[str, Any]) -> None:
    assert decide(about_another) is Decision.DENIED
    assert decide(about_another, statement()) is Decision.ALLOWED


def test_denial_counts_under_a_condition_too() -> None:
    assert decide(statement(), statement("Deny", Condition={})) is Decision.DENIED_EXPLICITLY


@pytest.mark.parametrize(
    "malformed",
    [
        statement("allow"),
        statement(Effect=None),
        statement(Action=None),
        statement(Resource=None),
        statement(NotAction="sqs:*"),
        statement(NotResource="*"),
        statement(Action=None, NotAction=[]),
        statement(Resource=None, NotResource=[]),
        statement(Action=[7]),
        statement(Resource={"Ref": "x"}),
        statement(Resource=""),
        statement(Resources="*"),
        "Allow",
        None,
    ],
)
def test_one_malformed_statement_makes_the_policy_none(malformed: Any) -> None:
    with pytest.raises(PolicyError):
        decide(statement(), malformed)


@pytest.mark.parametrize("document", [None, [], "{}", {}, {"Statement": None}])
def test_what_is_no_policy_is_refused(document: Any) -> None:
    with pytest.raises(PolicyError):
        evaluate(document, action=ACTION, resource=ARN)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("*", "", True),
        ("?", "", False),
        ("a*b?c", "axxbbyc", True),
        ("a*b?c", "abc", False),
        ("*ab", "xab", True),
        ("*ab", "xb", False),
        ("**a**", "bab", True),
        ("[a]", "a", False),
        ("[!a]", "[!a]", True),
        ("a.c", "abc", False),
        ("*a" * 40, "a" * 39, False),
        ("*a" * 3_000 + "b", "a" * 6_000, False),
    ],
)
def test_only_star_and_question_mark_are_wild(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected
