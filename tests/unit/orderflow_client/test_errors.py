"""Refusals as exceptions."""

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


def test_tree_in_the_docstring_names_every_exception() -> None:
    named = [name for name in vars(errors) if name.endswith("Error")]
    assert errors.__doc__ is not None
    assert [name for name in named if f"{name}" not in errors.__doc__] == []
