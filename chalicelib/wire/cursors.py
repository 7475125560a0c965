"""Where the next page of a list begins: behind the last row of this one, by its moment and its id."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from chalicelib.domain.errors import FieldError

Id = TypeVar("Id")


def cursor_of(at: datetime, row_id: object) -> str:
    """Return the cursor of a row, as clients send it back."""
    text = f"{at.isoformat()}|{row_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, id_of: Callable[[str], Id]) -> tuple[datetime, Id]:
    """Return the row that a cursor names; its moment is in UTC.

    Args:
        id_of: Reads an id; raises ``ValueError`` if a text is none.

    Raises:
        FieldError: It is no cursor of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, row_id = text.partition("|")
        at = datetime.fromisoformat(moment)
        # In UTC, which has no year for the last hours of some other zone's 9999.
        place = at.astimezone(UTC), id_of(row_id)
    except (ValueError, OverflowError) as error:
        raise FieldError("cursor", "must be a nextCursor of an earlier page") from error
    # No text in Postgres holds a NUL.
    if at.tzinfo is None or "\0" in text:
        raise FieldError("cursor", "must be a nextCursor of an earlier page")
    return place
