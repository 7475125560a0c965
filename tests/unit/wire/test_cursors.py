"""A row's place comes back from its cursor, and from no other text."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import FieldError
from chalicelib.wire.cursors import cursor_of, read_cursor

ROW = UUID("0192f3a4-5b6c-7d8e-9f01-23456789abcd")
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@given(at=st.datetimes(timezones=st.just(UTC)), name=TEXTS)
def test_place_comes_back_whatever_the_id_holds(at: datetime, name: str) -> None:
    assert read_cursor(cursor_of(at, name), str) == (at, name)


def test_moment_comes_back_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    at, row_id = read_cursor(cursor_of(noon, ROW), UUID)
    assert (at, at.tzinfo, row_id) == (noon, UTC, ROW)


@pytest.mark.parametrize(
    "cursor",
    [
        "", "!", "é", "A", encoded("x"), encoded("2026-01-01T00:00:00Z|nope"),
        encoded(f"2026-01-01T00:00:00|{ROW}"),  # whose midnight that is, it does not say
        encoded(f"9999-12-31T23:59:59.999999-23:59|{ROW}"),  # in UTC there are no such years
        encoded(f"0001-01-01T00:00:00+23:59|{ROW}"),
    ],
)  # fmt: skip
def test_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(FieldError, match="cursor must be a nextCursor of an earlier page"):
        read_cursor(cursor, UUID)


def test_id_that_no_text_in_postgres_can_hold_is_refused() -> None:
    with pytest.raises(FieldError):
        read_cursor(cursor_of(datetime(2026, 1, 1, tzinfo=UTC), "m\0"), str)
