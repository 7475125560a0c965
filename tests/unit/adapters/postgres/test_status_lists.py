"""Conditions in SQL: as the partial indexes have them, or those are of no use."""

from pathlib import Path

from chalicelib import migrations
from chalicelib.adapters.postgres.status_lists import (
    CANCELABLE_STATUSES,
    FINAL_STATUSES,
    IDLE_STATUSES,
    RESTS,
    UNDER_WAY,
)


def test_conditions_are_those_of_the_indexes_and_follow_from_the_statuses() -> None:
    versions = Path(migrations.__file__).parent / "versions"
    text = (versions / "0024_updates_in_place.py").read_text(encoding="utf-8")
    assert f"(account_id, accepted_at) WHERE {UNDER_WAY};" in text
    assert f"(account_id, accepted_at) WHERE {RESTS};" in text
    assert f'FINAL = "{FINAL_STATUSES}"' in text
    assert f'IDLE = "{IDLE_STATUSES}"' in text


def test_orders_can_be_canceled_until_they_are_handed_to_the_chain() -> None:
    assert CANCELABLE_STATUSES == "('pending', 'open', 'triggered', 'routing', 'routed', 'building')"
