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
