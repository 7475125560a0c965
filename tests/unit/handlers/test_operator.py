"""The operator's routes: for whom they are, and what they say when a part cannot be had."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import Request, Response

from chalicelib.adapters.postgres.audit_rules import RuleResult
from chalicelib.domain.errors import Code, RefusedError
from chalicelib.domain.principals import OPERATOR_SCOPE
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import ChainHealth
from chalicelib.handlers import operator
from chalicelib.services.intake.redrive import RedriveDeadLetters
from chalicelib.wire import operator_answers
from tests.deploy.events import rest_event
from tests.fakes.operations import AT, FakeOperations, a_letter
from tests.fakes.orders import an_order
from tests.security.tokens import token
from tests.unit.handlers.conftest import Wired

RULE = RuleResult("a-rule", "a rule", AT, AT, 12, [("o1", "is broken")])


class FakeRules:
    def results(self) -> list[RuleResult]:
        return [RULE, RuleResult("another", "another")]

    def run(self, rule_id: str) -> RuleResult:
        if rule_id != RULE.rule_id:
            raise RefusedError(Code.NOT_FOUND, "the audit has no such rule")
        return RULE


GOOD = {200, 202}
ROUTES: dict[str, Callable[[Request], Response]] = {
    "health": operator.health,
    "dead letters": operator.dead_letters,
    "audit": operator.audit,
    "run": lambda request: operator.run_rule(request, RULE.rule_id),
    "redrive": lambda request: operator.redrive(request, "m1"),
}


@pytest.fixture
def operations(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> FakeOperations:
    fake = FakeOperations()
    fake.letters = [a_letter("m1", message=OrderMessage(order=an_order()))]
    redrive = RedriveDeadLetters(fake, wired.parts.queue)
    vars(wired.services).update(
        operations=fake,
        queue_depths=fake,
        audit_rules=FakeRules(),
        redrive_dead_letters=redrive,
        check_chain=lambda: None,
    )
    monkeypatch.setattr(operator, "services", lambda: wired.services)
    return fake


def request(scope: str | None = OPERATOR_SCOPE, account: str = "alice", **query: str) -> Request:
    event = rest_event("GET", "/", None)
    event["headers"] = {**event["headers"], "authorization": f"Bearer {token(sub=account, scope=scope)}"}
    event["multiValueQueryStringParameters"] = {name: [value] for name, value in query.items()}
    return Request(event, None)


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def body(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.body)
    return found


@pytest.mark.usefixtures("operations")
@pytest.mark.parametrize("name", ROUTES)
def test_route_is_for_tokens_with_the_operators_scope_alone(name: str) -> None:
    assert ROUTES[name](request()).status_code in GOOD
    for scope in (None, "", "orderflow:trade", f"{OPERATOR_SCOPE}s"):
        refused = ROUTES[name](request(scope))
        assert (refused.status_code, body(refused)["code"]) == (403, "FORBIDDEN")
    assert ROUTES[name](Request(rest_event("GET", "/", None), None)).status_code == 401


@pytest.mark.usefixtures("operations")
@pytest.mark.parametrize("name", ROUTES)
def test_operator_who_asks_too_often_is_slowed_down(name: str) -> None:
    answers = {
        ROUTES[name](request(account=f"busy {name}".replace(" ", "-"))).status_code for _ in range(100)
    }
    assert 429 in answers
    assert len(answers & GOOD) == 1


def test_health_leaves_out_what_cannot_be_had_and_says_why(operations: FakeOperations) -> None:
    whole = body(operator.health(request()))
    operator_answers.OperatorHealth.model_validate_json(json.dumps(whole))
    assert whole["recent"]["queuedMs"]["buckets"][0] == {"upTo": 50, "count": 1}
    assert whole["recent"]["confirmedMs"] | {"buckets": []} == {"buckets": [], "count": 1, "sumMs": 1_200}
    assert whole["queues"][0] == {"name": "orders", "waiting": 3, "inFlight": 2, "delayed": 1}
    operations.queues_are_down = True
    partial = body(operator.health(request()))
    assert partial["queues"] is None
    assert partial["problems"] == {"queues": "the queue orders does not say how deep it is"}
    assert partial["connections"] == 5


@pytest.mark.usefixtures("operations")
def test_health_tells_how_old_the_block_of_a_chain_of_others_is(wired: Wired) -> None:
    assert body(operator.health(request()))["chain"] is None
    vars(wired.services).update(check_chain=lambda: ChainHealth(slot=7, age_s=2, pools=5, refused=1))
    whole = body(operator.health(request()))
    operator_answers.OperatorHealth.model_validate_json(json.dumps(whole))
    assert whole["chain"] == {"slot": 7, "ageSeconds": 2, "pools": 5, "refusedPools": 1}


def test_dead_letters_are_paged_newest_first_and_say_why_not_to_redrive(operations: FakeOperations) -> None:
    operations.letters = [replace(a_letter(f"m{n}"), archived_at=AT + timedelta(seconds=n)) for n in range(3)]
    first = body(operator.dead_letters(request(limit="2")))
    operator_answers.DeadLetters.model_validate_json(json.dumps(first))
    assert [each["messageId"] for each in first["deadLetters"]] == ["m2", "m1"]
    last = body(operator.dead_letters(request(limit="2", cursor=first["nextCursor"])))
    assert [each["messageId"] for each in last["deadLetters"]] == ["m0"]
    assert last["nextCursor"] is None
    assert body(operator.dead_letters(request(limit="3")))["nextCursor"] is None
    operations.letters = [a_letter(status=OrderStatus.CONFIRMED)]
    (letter,) = body(operator.dead_letters(request()))["deadLetters"]
    assert "final" in letter["whyNoRedrive"]


def test_message_whose_order_is_not_on_record_may_be_sent_again(
    operations: FakeOperations, wired: Wired
) -> None:
    message = OrderMessage(order=an_order())
    operations.letters = [a_letter("m1", message=message), a_letter("m2", status=OrderStatus.CONFIRMED)]
    letters = body(operator.dead_letters(request()))["deadLetters"]
    assert {each["messageId"]: each["whyNoRedrive"] is None for each in letters} == {"m1": True, "m2": False}
    accepted = operator.redrive(request(), "m1")
    assert accepted.status_code == 202
    operator_answers.Redriven.model_validate_json(json.dumps(body(accepted)))
    assert body(accepted) == {"messageId": "m1", "orderId": str(message.order.order_id)}
    assert wired.parts.queue.messages == [message]
    refused = operator.redrive(request(), "m2")
    assert (refused.status_code, body(refused)["code"]) == (409, "REDRIVE_REFUSED")
    assert "final" in body(refused)["message"]
    assert operator.redrive(request(), "m3").status_code == 404
    for no_id in ("\0", "", "m" * 129):
        wrong = operator.redrive(request(), no_id)
        assert (wrong.status_code, body(wrong)["details"][0]["field"]) == (400, "messageId")
    assert len(wired.parts.queue.sent) == 1


@pytest.mark.usefixtures("operations")
@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"cursor": "!"},
        {"cursor": "eA"},
        {"cursor": cursor_of("2026-01-01T12:00:00|m1")},  # whose noon that is, it does not say
        {"cursor": cursor_of("9999-12-31T23:59:59-01:00|m1")},  # in UTC there is no such year
        {"cursor": cursor_of("2026-01-01T12:00:00+00:00|m\0")},  # which no text in Postgres can hold
    ],
)
def test_page_that_cannot_be_is_refused_by_name(query: dict[str, str]) -> None:
    refused = operator.dead_letters(request(**query))
    assert refused.status_code == 400
    assert body(refused)["details"][0]["field"] == next(iter(query))


@pytest.mark.usefixtures("operations")
def test_rules_are_listed_with_when_they_held_and_run_one_by_one() -> None:
    listed = body(operator.audit(request()))
    operator_answers.AuditRules.model_validate_json(json.dumps(listed))
    assert listed["rules"][1] == {
        "ruleId": "another", "rule": "another", "ranAt": None, "heldAt": None, "durationMs": None,
        "violations": [],
    }  # fmt: skip
    assert body(operator.run_rule(request(), "a-rule"))["violations"] == [
        {"subject": "o1", "problem": "is broken"}
    ]
    assert operator.run_rule(request(), "no-rule").status_code == 404


@pytest.mark.usefixtures("operations")
@pytest.mark.parametrize("name", ["health", "dead letters", "audit"])
def test_filter_that_a_route_does_not_have_is_refused_by_name(name: str) -> None:
    refused = ROUTES[name](request(account_id="bob"))
    assert (refused.status_code, body(refused)["details"][0]["field"]) == (400, "account_id")
