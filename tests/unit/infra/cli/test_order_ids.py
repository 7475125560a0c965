"""Ids by their beginning."""

from uuid import UUID

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cli.order_ids import bounds, short

ONE = "01a21f69-7adc-7adc-b4a9-db9881056388"


def test_short_id_is_eight_digits_or_as_many_as_tell_it_from_its_neighbours() -> None:
    assert short(ONE) == "01a21f69"
    assert short(ONE, "ffffffff-0000-7000-8000-000000000000", None) == "01a21f69"
    assert short(ONE, "01a21f69-7a00-7adc-b4a9-db9881056388") == "01a21f69-7ad"
    assert short(ONE, "01a21f69-0000-7000-8000-000000000000") == "01a21f69-7"


@given(st.uuids(), st.integers(4, 32))
def test_every_id_lies_between_the_bounds_of_its_beginning(order_id: UUID, length: int) -> None:
    least, greatest = bounds(order_id.hex[:length])
    assert UUID(least) <= order_id <= UUID(greatest)
    assert bounds(str(order_id)) == (str(order_id), str(order_id))


@pytest.mark.parametrize("said", ["", "01a", "0-1-a-", "nonsense", "01a2'; --", ONE + "0", "-" * 20])
def test_what_no_id_begins_with_is_refused(said: str) -> None:
    with pytest.raises(click.ClickException, match="is no order"):
        bounds(said)
