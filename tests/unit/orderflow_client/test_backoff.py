"""Waits between tries."""

import random

from orderflow_client.backoff import Backoff


def test_waits_double_up_to_the_maximum_and_begin_again_after_a_success() -> None:
    backoff = Backoff(first_s=1, most_s=4)
    for most in (1, 2, 4, 4):
        assert most / 2 <= backoff.next_s() <= most
    backoff.reset()
    assert backoff.next_s() <= 1


def test_clients_that_begin_together_draw_their_waits_from_the_upper_half_of_the_longest() -> None:
    waits = [Backoff(first_s=1).next_s() for _ in range(200)]
    assert 0.5 <= min(waits) < 0.75 < max(waits) <= 1
    backoffs = [Backoff(first_s=1) for _ in range(200)]
    seconds = [(each.next_s(), each.next_s())[1] for each in backoffs]
    assert 1 <= min(seconds) < 1.5 < max(seconds) <= 2


def test_wait_is_never_shorter_than_the_engine_asked_for() -> None:
    assert Backoff(first_s=0.1).next_s(at_least_s=7) == 7


def test_random_numbers_of_the_application_stay_its_own() -> None:
    before = random.getstate()
    Backoff().next_s()
    assert random.getstate() == before
