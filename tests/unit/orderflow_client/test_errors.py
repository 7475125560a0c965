"""Refusals as exceptions."""

import pickle

import pytest

from infra.specs.error_table import MEANINGS
from orderflow_client import errors
from orderflow_client.errors import FieldProblem, RefusedError, UnknownOutcomeError, error_from
from orderflow_client.models import Code

ENDS_ORDERS_ALONE = {code.value for code, (kind, _) in MEANINGS.items() if kind is None}


@pytest.mark.parametrize("code", Code)
def test_every_published_code_that_refuses_has_an_exception_of_its_kind(code: Code) -> None:
    error = error_from({"code": code.value, "message": "m", "details": []})
    if code is Code.OUTCOME_UNKNOWN:
        assert isinstance(error, UnknownOutcomeError)
    else:
        assert isinstance(error, RefusedError)
        assert error.code == code
        assert type(error) is not RefusedError or code.value in ENDS_ORDERS_ALONE


def test_error_carries_what_the_engine_said() -> None:
    body = {
        "code": "INVALID_REQUEST",
        "message": "no",
        "details": [{"field": "amount", "problem": "is required"}],
    }
    error = error_from(body)
    assert isinstance(error, errors.InvalidRequestError)
    assert error.details == (FieldProblem("amount", "is required"),)
    assert str(error) == "INVALID_REQUEST: no"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, errors.UnauthorizedError), (422, errors.CannotBeDoneError), (429, errors.LimitReachedError)],
)
def test_refusal_with_a_code_of_a_newer_engine_is_sorted_by_its_status(
    status: int, kind: type[RefusedError]
) -> None:
    error = error_from({"code": "BRAND_NEW", "message": "m"}, status=status)
    assert type(error) is kind
    assert isinstance(error, RefusedError)
    assert error.code == "BRAND_NEW"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (302, "REFUSED", RefusedError),
        (400, "INVALID_REQUEST", errors.InvalidRequestError),
        (401, "UNAUTHORIZED", errors.UnauthorizedError),
        (403, "FORBIDDEN", errors.UnauthorizedError),
        (405, "METHOD_NOT_ALLOWED", errors.InvalidRequestError),
        (409, "CONFLICT", errors.ConflictError),
        (413, "MESSAGE_TOO_LARGE", errors.InvalidRequestError),
        (415, "UNSUPPORTED_MEDIA_TYPE", errors.InvalidRequestError),
        (422, "REFUSED", errors.CannotBeDoneError),
        (429, "RATE_LIMITED", errors.LimitReachedError),
        (499, "REFUSED", RefusedError),
        (500, "SERVICE_UNAVAILABLE", errors.UnavailableError),
        (503, "SERVICE_UNAVAILABLE", errors.UnavailableError),
    ],
)
def test_what_a_gateway_says_without_a_code_is_sorted_by_its_status(
    status: int, code: str, kind: type[RefusedError]
) -> None:
    error = error_from({"code": 7}, status=status)
    assert type(error) is kind
    assert isinstance(error, RefusedError)
    assert error.code == code
    assert error.message


def test_frame_without_code_or_words_is_a_refusal_all_the_same() -> None:
    error = error_from({"code": ["a", "list"]})
    assert type(error) is RefusedError
    assert (error.message, error.details, error.retry_after_s) == ("refused", (), None)


@pytest.mark.parametrize(("said", "known"), [("an-id", "an-id"), (5, None), (None, None)])
def test_unknown_outcome_names_the_order_if_the_engine_does(said: object, known: str | None) -> None:
    error = error_from({"code": "OUTCOME_UNKNOWN", "message": "perhaps", "orderId": said})
    assert isinstance(error, UnknownOutcomeError)
    assert (str(error), error.order_id) == ("perhaps", known)


@pytest.mark.parametrize(("header", "asked_s"), [("7", 7.0), ("٧", None), ("-7", None), ("soon", None)])
def test_wait_that_is_asked_for_is_read_from_whole_seconds_alone(header: str, asked_s: float | None) -> None:
    error = error_from({"code": "RATE_LIMITED"}, status=429, headers={"Retry-After": header})
    assert isinstance(error, RefusedError)
    assert error.retry_after_s == asked_s


def test_gateway_that_knows_no_such_path_says_nothing_of_an_order() -> None:
    error = error_from({"message": "Not Found"}, status=404)
    assert type(error) is RefusedError
    assert error.code == "NOT_FOUND"
    assert isinstance(error_from({"code": "BRAND_NEW"}, status=404), errors.NotFoundError)


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("NO_ROUTE", "none", (FieldProblem("amount", "is small"),), retry_after_s=2.0),
        UnknownOutcomeError("perhaps", order_id="an-id", client_order_id="a-key"),
        errors.WithinTokenError(),
    ],
)
def test_error_comes_whole_out_of_another_process(error: errors.OrderflowError) -> None:
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301  # its own bytes
    assert type(copied) is type(error)
    assert (str(copied), vars(copied)) == (str(error), vars(error))


def test_tree_in_the_docstring_names_every_exception() -> None:
    named = [name for name in vars(errors) if name.endswith("Error")]
    assert errors.__doc__ is not None
    assert [name for name in named if f"{name}" not in errors.__doc__] == []
