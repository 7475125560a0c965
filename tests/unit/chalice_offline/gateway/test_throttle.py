from hypothesis import given
from hypothesis import strategies as st

from chalice_offline.gateway.throttle import TokenBucket


def test_burst_passes_and_the_next_is_refused() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=3)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]


def test_so_many_at_once_pass_or_none_of_them() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=3)
    assert [bucket.take(0, 4), bucket.take(0, 3), bucket.take(0, 1)] == [False, True, False]


def test_what_is_given_back_can_be_taken_again() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=3)
    assert bucket.take(0, 2)
    bucket.give_back(2)
    assert [bucket.take(0, 3), bucket.take(0)] == [True, False]


def test_bucket_refills_at_its_rate() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=1)
    assert [bucket.take(at_ms) for at_ms in (0, 50, 100, 150)] == [True, False, True, False]


def test_clock_that_steps_back_refills_nothing() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=1)
    assert [bucket.take(at_ms) for at_ms in (1_000, 0)] == [True, False]


@given(st.lists(st.integers(0, 2_000), max_size=200))
def test_no_more_pass_than_burst_and_rate_allow(times: list[int]) -> None:
    bucket = TokenBucket(rate_per_s=20, burst=5)
    passed = sum(bucket.take(at_ms) for at_ms in sorted(times))
    span_s = (max(times) - min(times)) / 1000 if times else 0
    assert passed <= 5 + 20 * span_s
