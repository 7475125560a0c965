"""Errors: the tree that callers decide by, and what each says."""

import pytest

from chalicelib.domain import errors
from chalicelib.domain.errors import (
    Code,
    ExecutionError,
    FieldError,
    FieldProblem,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
    RetryableError,
)

TREE = {
    "ExecutionError": "Exception",
    "RefusedError": "ExecutionError",
    "InvalidRequestError": "RefusedError",
    "FieldError": "InvalidRequestError",
    "NotFoundError": "RefusedError",
    "ConflictError": "RefusedError",
    "UnauthorizedError": "RefusedError",
    "LimitExceededError": "RefusedError",
    "RetryableError": "ExecutionError",
    "VenueUnavailableError": "RetryableError",
    "InvalidTransitionError": "ExecutionError",
}


def test_tree_is_the_one_that_callers_decide_by() -> None:
    found = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert found == TREE


def test_no_error_is_both_final_and_retryable() -> None:
    assert not issubclass(RefusedError, RetryableError)
    assert not issubclass(RetryableError, RefusedError)


@pytest.mark.parametrize("code", list(Code))
def test_codes_are_their_own_names(code: Code) -> None:
    assert code.value == code.name


def test_several_problems_are_all_named_in_the_message() -> None:
    error = InvalidRequestError.of((FieldProblem("amount", "is required"), FieldProblem("side", "must be x")))
    assert error.message == "amount is required; side must be x"
    assert str(error) == "INVALID_REQUEST: amount is required; side must be x"


def test_field_error_carries_field_and_rule() -> None:
    assert FieldError("amount", "must be greater than 0").details == (
        FieldProblem("amount", "must be greater than 0"),
    )


def test_unknown_order_and_somebody_elses_are_told_alike() -> None:
    first, second = NotFoundError(), NotFoundError()
    assert (first.message, first.details) == (second.message, second.details)
    assert isinstance(first, ExecutionError)
