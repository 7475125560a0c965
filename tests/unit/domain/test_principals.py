"""Accounts: which text can name one, and until when a credential counts."""

from datetime import timedelta

import pytest

from chalicelib.domain.principals import LOCAL_ACCOUNT, Principal, is_account_id
from tests.fakes.orders import NOON


@pytest.mark.parametrize("text", ["alice", "a", "x" * 128, "user@example.com", "~!", LOCAL_ACCOUNT])
def test_visible_ascii_names_an_account(text: str) -> None:
    assert is_account_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "a b", "a\n", "\x7f", "zoë", "a\x00"])
def test_anything_else_names_none(text: str) -> None:
    assert not is_account_id(text)


def test_credential_expires_at_its_moment_and_not_before() -> None:
    principal = Principal("alice", NOON)
    assert not principal.is_expired(NOON - timedelta(microseconds=1))
    assert principal.is_expired(NOON)


def test_credential_without_a_moment_never_expires() -> None:
    assert not Principal("alice").is_expired(NOON.replace(year=9999))


def test_account_is_no_operators_unless_its_credential_says_so() -> None:
    assert not Principal("alice").is_operator
