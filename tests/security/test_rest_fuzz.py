"""Requests made from the published OpenAPI document by schemathesis: every answer is as the document says.

Sound and broken requests, and sequences of them; a missing or invented token lets no client in; and of two
accounts neither is shown what the other was.
"""

import json
from pathlib import Path

import httpx

from tests.fuzz.rest import Bounds, attack
from tests.security.secured_app import TIME_LIMIT_S, SecuredApp, an_account
from tests.support.instance import Instance

# Enough for every operation, parameter and refusal once; ``python -m tests.fuzz.rest`` goes on for minutes.
BOUNDS = Bounds(examples=5)
# The same app, and the same rules: only what depends on the token is another.
OPEN_BOUNDS = Bounds(examples=2, phases="examples,fuzzing")


def test_answers_are_as_published_and_two_accounts_see_nothing_of_each_other(
    secured_app: SecuredApp, tmp_path: Path
) -> None:
    logged = len(secured_app.instance.lines)
    tokens = {name: secured_app.token(an_account(name)) for name in ("alice", "mallory")}
    holds, report = attack(secured_app.instance.rest_url, tmp_path, BOUNDS, tokens)
    assert holds, report
    assert tracebacks(secured_app.instance, logged) == []


def test_answers_are_as_published_where_nobody_is_asked_for_a_token(
    open_house: Instance, tmp_path: Path
) -> None:
    logged = len(open_house.lines)
    holds, report = attack(open_house.rest_url, tmp_path, OPEN_BOUNDS, {})
    assert holds, report
    assert tracebacks(open_house, logged) == []


def test_body_that_is_not_utf_8_is_refused(secured_app: SecuredApp) -> None:
    headers = secured_app.bearer(an_account("mallory")) | {"Content-Type": "application/json"}
    url = f"{secured_app.instance.rest_url}/orders"
    answer = httpx.post(url, content=b'{"amount":"\xff\xfe"}', headers=headers, timeout=TIME_LIMIT_S)
    assert answer.status_code == 400


def test_body_beyond_the_limit_is_413(secured_app: SecuredApp) -> None:
    answer = secured_app.rest(
        an_account("mallory"), "POST", "/orders", content=json.dumps({"a": "x" * 40_000})
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "MESSAGE_TOO_LARGE")


def tracebacks(instance: Instance, logged: int) -> list[str]:
    return [line for line in instance.lines[logged:] if "Traceback" in line or "[ERROR]" in line]
