from dataclasses import field, replace

from chalicelib.values import value


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
