"""What many share is done for each alone once it fails: a defect is its member's,
a fault outside is a fault of all.
"""

from collections.abc import Sequence

import pytest

from chalicelib.domain.errors import DatabaseInternalError, RetryableError, VenueUnavailableError
from chalicelib.services.isolation import is_of_all, one_by_one, together_or_alone


class Work:
    """Doubles numbers in one go; refuses any go that has the poison in it."""

    def __init__(self, poison: int | None = None, error: type[Exception] = KeyError) -> None:
        self.poison = poison
        self.error = error
        self.goes: list[list[int]] = []
        self.broken: list[tuple[int, str]] = []

    def together(self, numbers: Sequence[int]) -> list[int]:
        self.goes.append(list(numbers))
        if self.poison in numbers:
            raise RetryableError("down") if self.error is RetryableError else self.error("planted")
        return [2 * number for number in numbers]

    def alone(self, number: int) -> int:
        return self.together([number])[0]

    def break_(self, number: int, error: Exception) -> None:
        self.broken.append((number, type(error).__name__))


def test_sound_members_take_one_go() -> None:
    work = Work()
    assert together_or_alone([1, 2, 3], work.together, work.break_) == [[2, 4, 6]]
    assert work.goes == [[1, 2, 3]]


def test_no_members_take_no_go() -> None:
    work = Work()
    assert together_or_alone([], work.together, work.break_) == []
    assert work.goes == []


def test_poison_is_left_out_and_named() -> None:
    work = Work(poison=2)
    assert together_or_alone([1, 2, 3], work.together, work.break_) == [[2], [6]]
    assert work.broken == [(2, "KeyError")]


def test_single_poison_is_not_tried_twice() -> None:
    work = Work(poison=2)
    assert together_or_alone([2], work.together, work.break_) == []
    assert (work.goes, work.broken) == ([[2]], [(2, "KeyError")])


@pytest.mark.parametrize(
    ("error", "everyones"),
    [
        (RetryableError("down"), True),
        (VenueUnavailableError("down"), True),
        (DatabaseInternalError("failed"), False),
        (KeyError("planted"), False),
    ],
)
def test_fault_of_the_database_within_itself_may_be_one_members(error: Exception, everyones: bool) -> None:
    assert is_of_all(error) is everyones


def test_fault_outside_is_no_members_defect() -> None:
    work = Work(poison=2, error=RetryableError)
    with pytest.raises(RetryableError):
        together_or_alone([1, 2, 3], work.together, work.break_)
    with pytest.raises(RetryableError):
        one_by_one([1, 2, 3], work.alone, work.break_)
    assert work.broken == []


def test_each_by_itself_goes_on_after_the_poison() -> None:
    work = Work(poison=2)
    assert one_by_one([1, 2, 3], work.alone, work.break_) == [2, 6]
    assert work.broken == [(2, "KeyError")]
