"""The edge of the REST API: one form for every answer that is not a success, and no word of a defect."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.app import Response

from chalicelib.domain.errors import Code, ConflictError, FieldError, LimitExceededError, RetryableError
from chalicelib.handlers.rest_edge import answer, correlated, http_errors, in_our_words
from chalicelib.logs import logger


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.body)
    return found


def failing(error: Exception) -> Response:
    @http_errors
    def handler() -> Response:
        raise error

    return handler()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FieldError("amount", "must be greater than 0"), 400, "INVALID_REQUEST"),
        (ConflictError(Code.ORDER_ALREADY_FINAL, "it is final"), 409, "ORDER_ALREADY_FINAL"),
        (RetryableError("the database is down"), 503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_refusal_is_answered_with_its_status_and_code(error: Exception, status: int, code: str) -> None:
    response = failing(error)
    assert (response.status_code, body_of(response)["code"]) == (status, code)
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("wait_s", "said"), [(0.0, "0"), (0.01, "1"), (1.0, "1"), (1.25, "2"), (None, None)])
def test_limit_says_in_how_many_whole_seconds_to_ask_again_if_it_knows(
    wait_s: float | None, said: str | None
) -> None:
    response = failing(LimitExceededError(Code.RATE_LIMITED, "slow down", wait_s=wait_s))
    assert (response.status_code, response.headers.get("Retry-After")) == (429, said)


def test_broken_field_is_named_in_the_details() -> None:
    body = body_of(failing(FieldError("amount", "must be greater than 0")))
    assert body["details"] == [{"field": "amount", "problem": "must be greater than 0"}]


def test_defect_is_500_and_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    response = failing(ZeroDivisionError("secret"))
    assert (response.status_code, body_of(response)["code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in response.body
    (record,) = [each for each in caplog.records if each.message == "defect"]
    assert record.exc_info is not None


def test_success_is_left_as_it_is() -> None:
    fine = answer({"a": 1}, 202)
    assert http_errors(lambda: fine)() is fine
    assert in_our_words(None, lambda _: fine) is fine
    assert (fine.status_code, fine.body) == (202, '{"a":1}')


@pytest.mark.parametrize(
    ("status", "code"),
    [(405, "METHOD_NOT_ALLOWED"), (415, "UNSUPPORTED_MEDIA_TYPE"), (400, "INVALID_REQUEST")],
)
def test_refusal_of_chalices_router_keeps_its_status_and_headers_in_our_form(status: int, code: str) -> None:
    of_chalice = Response({"Code": "X", "Message": "not so"}, {"Allow": "GET"}, status)
    response = in_our_words(None, lambda _: of_chalice)
    assert (response.status_code, response.headers["Allow"]) == (status, "GET")
    assert body_of(response) == {"code": code, "message": "not so", "details": []}


def test_error_of_chalices_own_says_nothing_of_itself() -> None:
    of_chalice = Response({"Code": "InternalServerError", "Message": "secret"}, {}, 500)
    response = in_our_words(None, lambda _: of_chalice)
    assert (response.status_code, body_of(response)["code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in response.body


def test_defect_of_the_router_is_500_in_our_form() -> None:
    def fail(_: Any) -> Response:
        raise KeyError("secret")

    response = in_our_words(None, fail)
    assert (response.status_code, body_of(response)["code"]) == (500, "INTERNAL_ERROR")


def test_each_request_is_correlated_by_its_own_id_and_by_none_if_it_has_none() -> None:
    seen: list[str | None] = []

    def look(_: Any) -> Response:
        seen.append(logger.get_correlation_id())
        return answer({})

    for context in ({"requestId": "first"}, {"requestId": "second"}, {}):
        correlated(SimpleNamespace(context=context), look)
    assert seen == ["first", "second", None]
