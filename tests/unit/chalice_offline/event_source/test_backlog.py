"""The estimate of what a queue holds."""

import asyncio

from chalice_offline.event_source.backlog import Backlog


def of(count: int) -> Backlog:
    backlog = Backlog()
    for _ in range(count):
        backlog.another()
    return backlog


def test_full_receive_leaves_the_rest_to_the_next() -> None:
    backlog = of(25)
    backlog.received(10, is_all=False)
    assert backlog.has(15)
    assert not backlog.has(16)


def test_receive_that_found_fewer_than_it_asked_for_leaves_nothing() -> None:
    backlog = of(25)
    backlog.received(3, is_all=True)
    assert backlog.has(0)
    assert not backlog.has(1)


def test_sender_that_ends_after_its_message_was_received_is_not_counted_again() -> None:
    backlog = of(8)
    backlog.received(10, is_all=False)
    backlog.another()
    backlog.another()
    assert not backlog.has(1)
    backlog.another()
    assert backlog.has(1)


def test_messages_without_senders_are_forgotten_by_an_empty_receive() -> None:
    backlog = of(0)
    for _ in range(5):
        backlog.received(10, is_all=False)
    backlog.received(0, is_all=True)
    backlog.another()
    assert backlog.has(1)


def test_full_receive_of_messages_without_senders_may_have_left_more_of_them() -> None:
    backlog = of(8)
    backlog.received(10, is_all=False)
    assert not backlog.has_unannounced
    backlog.received(10, is_all=False)
    assert backlog.has_unannounced
    backlog.received(9, is_all=True)
    assert not backlog.has_unannounced


def test_waiting_ends_with_the_last_sender_that_is_waited_for() -> None:
    async def scenario() -> None:
        backlog = of(1)
        waiting = asyncio.create_task(backlog.wait_for(3, timeout_s=60))
        await asyncio.sleep(0)
        backlog.another()
        await asyncio.sleep(0)
        assert not waiting.done()
        backlog.another()
        await waiting

    asyncio.run(scenario())


def test_waiting_ends_though_nobody_sends() -> None:
    asyncio.run(of(0).wait_for(1, timeout_s=0.001))
