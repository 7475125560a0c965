"""How long an authorizer's answer is kept."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from chalice_offline.gateway.authorizer_answers import AuthorizerAnswers, KeptAnswer
from chalice_offline.invocation import AppManifest, Outcome, Raised, Returned
from tests.support.plain_http import NO_TLS
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway
from tests.unit.chalice_offline.gateway.test_rest import CREATED, ORDERS

ANSWER = KeptAnswer(Returned({"principalId": "ann"}), let_in=True)


def kept(*, ttl_s: float) -> AuthorizerAnswers:
    answers = AuthorizerAnswers()
    answers.keep("friends", "t", ANSWER, now_s=100.0, ttl_s=ttl_s)
    return answers


def test_answer_is_found_by_authorizer_and_token_until_its_time_is_over() -> None:
    answers = kept(ttl_s=300)
    assert answers.find("friends", "t", now_s=399.9) is ANSWER
    assert answers.find("friends", "t", now_s=400.0) is None
    assert answers.find("friends", "other", now_s=100.0) is None
    assert answers.find("strangers", "t", now_s=100.0) is None


def test_answer_with_a_time_of_zero_is_not_kept_and_none_longer_than_an_hour() -> None:
    assert kept(ttl_s=0).find("friends", "t", now_s=100.0) is None
    assert kept(ttl_s=9000).find("friends", "t", now_s=3700.0) is None


def test_answers_that_are_kept_are_bounded() -> None:
    answers = kept(ttl_s=300)
    for number in range(5_000):
        answers.keep("friends", str(number), ANSWER, now_s=100.0, ttl_s=300)
    assert len(answers._kept) == 1_000
    assert answers.find("friends", "4999", now_s=100.0) is ANSWER


def test_answer_that_was_asked_for_longest_ago_is_forgotten_first() -> None:
    answers = AuthorizerAnswers()
    for number in range(1_000):
        answers.keep("friends", str(number), ANSWER, now_s=100.0, ttl_s=1)
    answers.keep("friends", "0", ANSWER, now_s=102.0, ttl_s=300)  # once its time was over
    answers.keep("friends", "new", ANSWER, now_s=102.0, ttl_s=300)
    assert answers.find("friends", "0", now_s=103.0) is ANSWER
    assert ("friends", "1") not in answers._kept


GUARDED = {**ORDERS, "http_authorizers": {"/orders": {"GET": "guard", "POST": "guard"}}}


def allowed(method: str) -> Returned:
    resource = f"arn:aws:execute-api:us-east-1:123456789012:local00000/api/{method}/orders"
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    return Returned({"principalId": "me", "policyDocument": {"Statement": [statement]}})


def asked(
    answer: Outcome, requests: Sequence[str], manifest: Mapping[str, Any] = GUARDED, **settings: Any
) -> tuple[list[int], int, list[str]]:
    """Return the statuses of requests, how often the authorizer was asked, and the warnings.

    A request ``reload`` has the gateway use the app anew.
    """
    functions = FakeFunctions(guard=answer, api_handler=CREATED)
    warnings: list[str] = []
    statuses: list[int] = []

    async def scenario() -> None:
        async with (
            a_gateway(
                functions, manifest=manifest, warn=lambda said, _: warnings.append(said), **settings
            ) as gateway,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", verify=NO_TLS) as http,
        ):
            for method in requests:
                if method == "reload":
                    gateway.use(AppManifest("app", **manifest))
                    continue
                response = await http.request(method, "/api/orders", headers={"Authorization": "t"})
                statuses.append(response.status_code)

    asyncio.run(scenario())
    return statuses, len(functions.events_of("guard")), warnings


def test_answer_holds_for_later_requests_with_the_token_until_the_app_is_another() -> None:
    assert asked(allowed("*"), ["GET", "POST", "GET"]) == ([201] * 3, 1, [])
    assert asked(allowed("*"), ["GET", "reload", "GET"]) == ([201] * 2, 2, [])


def test_policy_for_one_route_refuses_the_next_one_and_a_warning_says_why() -> None:
    statuses, count, warnings = asked(allowed("GET"), ["GET", "POST"])
    assert (statuses, count) == ([201, 403], 1)
    assert "has to allow every route" in warnings[0]


def test_failures_are_not_kept_and_refusals_are() -> None:
    assert asked(Raised("KeyError", "x"), ["GET", "GET"])[:2] == ([500] * 2, 2)
    assert asked(Raised("Exception", "Unauthorized"), ["GET", "GET"])[:2] == ([401] * 2, 2)
    assert asked(Returned("no policy"), ["GET", "GET"])[:2] == ([500] * 2, 2)
    assert asked(allowed("PUT"), ["GET", "GET"]) == ([403] * 2, 1, [])


def test_each_request_asks_where_the_time_is_zero_or_the_settings_say_so() -> None:
    at_once = {**GUARDED, "http_authorizer_ttls": {"guard": 0}}
    assert asked(allowed("*"), ["GET", "GET"], at_once)[1] == 2
    assert asked(allowed("*"), ["GET", "GET"], keeps_authorizers_answers=False)[1] == 2
