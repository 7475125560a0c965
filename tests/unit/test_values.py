from dataclasses import field, replace

import pytest

from chalicelib.values import named_value, value


@value
class _Pair:
    one: int
    other: str = "x"
    more: tuple[int, ...] = field(default_factory=tuple)


def test_values_with_equal_fields_are_equal_and_have_one_hash() -> None:
    assert _Pair(1) == _Pair(1, "x", ())
    assert len({_Pair(1), _Pair(1), _Pair(2)}) == 2


def test_a_changed_copy_leaves_the_value_as_it_was() -> None:
    before = _Pair(1)

    assert replace(before, one=2) == _Pair(2)
    assert before == _Pair(1)


def test_a_value_has_the_room_of_its_fields_and_no_more() -> None:
    assert not hasattr(_Pair(1), "__dict__")


@named_value
class _Named:
    one: int
    other: str = "x"


def test_named_value_takes_its_fields_by_name_alone() -> None:
    assert _Named(one=1) == _Named(other="x", one=1)
    with pytest.raises(TypeError):
        _Named(1)  # type: ignore[call-arg]  # what it refuses
