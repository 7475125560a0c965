"""Watching: each event once, in a line."""

from typing import Any

from infra.cli.watch import Seen, line


def an_event(seq: int, status: str = "routing", **members: Any) -> dict[str, Any]:
    told = {"orderId": "o", "seq": seq, "status": status, "attempt": 1, "at": "2026-01-01T12:00:00.250Z"}
    return told | members


def test_event_that_comes_again_after_a_reconnect_is_not_shown_again() -> None:
    seen = Seen()
    assert [seen.is_new(an_event(seq)) for seq in (1, 2, 1, 2, 3)] == [True, True, False, False, True]
    assert seen.is_new(an_event(1, orderId="other"))


def test_line_says_what_happened_and_what_only_this_status_has() -> None:
    assert line(an_event(2)) == "12:00:00.250  o   2  routing"
    assert line(an_event(9, "failed", attempt=3, code="NO_ROUTE", message="none")) == (
        "12:00:00.250  o   9  failed    (attempt 3)  code NO_ROUTE  message none"
    )
