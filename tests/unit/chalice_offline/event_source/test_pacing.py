"""The rhythm of receives."""

from chalice_offline.event_source.pacing import Pacing


def test_poller_polls_at_once_then_rarer_then_goes_idle() -> None:
    pacing = Pacing()
    pauses = []
    while not pacing.is_idle():
        pauses.append(pacing.pause_s(0.0))
        pacing.received_nothing()
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert sum(pauses) < 0.2


def test_hint_wakes_an_idle_poller_at_once() -> None:
    pacing = Pacing()
    while not pacing.is_idle():
        pacing.received_nothing()
    assert pacing.hinted(0.0)
    assert not pacing.is_idle()
    assert pacing.pause_s(0.0) == 0


def test_failures_double_the_wait_to_five_seconds_and_success_ends_it() -> None:
    pacing = Pacing()
    waits = []
    for _ in range(9):
        pacing.failed(100.0)
        waits.append(round(pacing.pause_s(100.0), 3))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    pacing.succeeded()
    pacing.hinted(100.0)
    assert pacing.pause_s(100.0) == 0


def test_hint_does_not_shorten_a_back_off() -> None:
    pacing = Pacing()
    pacing.failed(10.0)
    pacing.hinted(10.0)
    assert pacing.pause_s(10.0) > 0


def test_hints_that_were_wrong_are_heeded_four_times_a_second_and_all_of_them_after_a_right_one() -> None:
    pacing = Pacing()
    heeded = [at / 1000 for at in range(10_000) if pacing.hinted(at / 1000)]
    assert len([at for at in heeded if at >= 5]) == 20
    pacing.received_messages()
    assert pacing.hinted(10.0)
    assert pacing.hinted(10.001)


def test_hints_may_be_wrong_for_ever() -> None:
    pacing = Pacing()
    assert sum(pacing.hinted(float(at)) for at in range(5_000)) == 5_000
    pacing.received_messages()
    assert pacing.hinted(5_000.0)


def test_failures_may_go_on_for_ever() -> None:
    pacing = Pacing()
    for at in range(5_000):
        pacing.failed(float(at))
    assert pacing.pause_s(4_999.0) == 5.0


def test_receives_may_bring_nothing_for_ever() -> None:
    pacing = Pacing()
    for _ in range(5_000):
        pacing.received_nothing()
    assert pacing.is_idle()
    pacing.hinted(0.0)
    assert not pacing.is_idle()
