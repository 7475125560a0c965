"""Accounts take turns with what they left behind, and each comes to its end."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.services.recovery.turns import Place, Rest

backlogs = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 40), max_size=8)


def parts(backlog: dict[str, int], most: int, limit: int) -> list[Counter[str]]:
    """Return what each part takes of each account."""
    left, taken = Counter(backlog), []
    rest: Rest | None = Rest()
    while rest is not None:
        found: list[str] = []
        if rest.seen_to is not None:
            found = sorted(name for name in backlog if name > rest.seen_to)[:most]
        turn, now_left = rest.turn(found, most)
        share = limit // max(1, len(turn))
        part = Counter({place.account_id: min(share, left[place.account_id]) for place in turn})
        taken.append(part)
        left -= part
        rest = now_left.with_more([Place(name) for name, number in part.items() if number == share])
    assert not left
    return taken


@given(backlogs, st.integers(1, 4), st.integers(4, 12))
def test_all_of_it_is_taken_in_parts_that_are_no_larger_than_they_may(
    backlog: dict[str, int], most: int, limit: int
) -> None:
    taken = parts(backlog, most, limit)
    assert all(part.total() <= limit and len(part) <= most for part in taken)
    assert sum(taken, Counter()) == Counter(backlog)


def test_account_that_left_much_is_served_again_once_all_others_were() -> None:
    backlog = {"a": 1_000, "b": 2, "c": 2, "d": 2}
    taken = parts(backlog, 2, 10)
    assert [sorted(part) for part in taken[:3]] == [["a", "b"], ["c", "d"], ["a"]]
    # Alone, it has all of a part.
    assert len(taken) <= 4 + 1_000 / 10
