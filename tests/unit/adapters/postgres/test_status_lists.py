"""Lists of statuses in SQL: as the partial indexes have them, or those are of no use."""

from pathlib import Path

from chalicelib import migrations
from chalicelib.adapters.postgres.status_lists import CANCELABLE_STATUSES, FINAL_STATUSES, IDLE_STATUSES


def test_final_statuses_are_listed_as_the_indexes_list_them() -> None:
    versions = Path(migrations.__file__).parent / "versions"
    text = (versions / "0010_orders_that_rest.py").read_text(encoding="utf-8")
    assert f'FINAL = "{FINAL_STATUSES}"' in text
    assert f'IDLE = "{IDLE_STATUSES}"' in text


def test_orders_can_be_canceled_until_they_are_handed_to_the_chain() -> None:
    assert CANCELABLE_STATUSES == "('pending', 'open', 'triggered', 'routing', 'routed', 'building')"
