"""Errors: the tree that callers decide by, and what each says."""

import re
from types import ModuleType

import pytest

from chalicelib.domain import errors
from chalicelib.domain.errors import (
    Code,
    ExecutionError,
    FieldError,
    FieldProblem,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    RetryableError,
)


def _bases(module: ModuleType) -> dict[str, str]:
    return {
        name: kind.__bases__[0].__name__
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }


def _drawn(tree: str) -> dict[str, str]:
    """Return each error of a drawn tree with the one that it is indented below."""
    found, above = {}, {0: "Exception"}
    for indent, name in re.findall(r"^( +)(\w+Error) ", tree, re.MULTILINE):
        found[name] = next(above[each] for each in sorted(above, reverse=True) if each < len(indent))
        above = {each: above[each] for each in above if each < len(indent)} | {len(indent): name}
    return found


def test_module_opens_with_the_tree_that_it_defines() -> None:
    assert _bases(errors) == _drawn(errors.__doc__ or "")


def test_limit_is_neither_final_nor_a_fault_of_something_outside() -> None:
    assert not issubclass(LimitExceededError, RefusedError | RetryableError)


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
