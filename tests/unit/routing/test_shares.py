from hypothesis import given
from hypothesis import strategies as st

from chalicelib.routing.shares import shares_of


def test_the_largest_remainders_get_the_units_left_over() -> None:
    assert shares_of([1, 1, 1], 10_000) == [3334, 3333, 3333]
    assert shares_of([1, 2, 4], 10_000) == [1429, 2857, 5714]


@given(st.lists(st.integers(1, 2**64), min_size=1, max_size=10), st.integers(0, 10_000))
def test_shares_add_up_and_each_is_its_quota_rounded(parts: list[int], total: int) -> None:
    shares = shares_of(parts, total)
    assert sum(shares) == total
    for part, share in zip(parts, shares, strict=True):
        assert part * total // sum(parts) <= share <= -(-part * total // sum(parts))
