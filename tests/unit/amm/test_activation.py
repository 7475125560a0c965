"""What an activation point counts."""

from chalicelib.amm.activation import ActivationType


def test_point_is_the_slot_or_the_time_as_the_type_says() -> None:
    assert ActivationType.SLOT.point_at(timestamp_s=1_700_000_000, slot=250) == 250
    assert ActivationType.TIMESTAMP.point_at(timestamp_s=1_700_000_000, slot=250) == 1_700_000_000
