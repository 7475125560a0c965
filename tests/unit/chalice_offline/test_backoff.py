"""Waits that double."""

from chalice_offline.backoff import Doubling


def test_wait_doubles_up_to_its_bound_and_begins_anew_after_a_reset() -> None:
    wait = Doubling(0.1, 0.5)
    assert [wait.take() for _ in range(4)] == [0.1, 0.2, 0.4, 0.5]
    wait.reset()
    assert wait.take() == 0.1


def test_wait_stays_at_its_bound_however_often_it_is_taken() -> None:
    wait = Doubling(0.001, 0.25)
    assert {wait.take() for _ in range(100_000)} >= {0.25}
    assert wait.take() == 0.25
