"""Slots: none is lost, none is given twice, and those who wait get theirs in turn."""

import asyncio
import random

import pytest

from chalice_offline.gateway.slots import Slots


async def waiting(slots: Slots, number: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.ensure_future(slots.acquire()) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


def test_free_slot_is_taken_at_once() -> None:
    async def scenario() -> None:
        slots = Slots(2)
        slots.take()
        await slots.acquire()
        assert slots.free == 0
        slots.release()
        assert slots.free == 1

    asyncio.run(scenario())


def test_slot_goes_to_the_first_that_waits_and_to_no_newcomer() -> None:
    async def scenario() -> None:
        slots = Slots(0)
        first, second = await waiting(slots, 2)
        slots.release()
        assert slots.free == 0
        (newcomer,) = await waiting(slots, 1)
        assert [task.done() for task in (first, second, newcomer)] == [True, False, False]
        slots.release()
        slots.release()
        await asyncio.gather(second, newcomer)
        assert slots.free == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("is_given", [False, True])
def test_slot_of_one_that_is_cancelled_goes_to_the_next(*, is_given: bool) -> None:
    async def scenario() -> None:
        slots = Slots(0)
        first, second = await waiting(slots, 2)
        if is_given:
            slots.release()
        first.cancel()
        if not is_given:
            slots.release()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert slots.free == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_cancelled_no_slot_is_lost_or_given_twice(seed: int) -> None:
    async def scenario() -> None:
        choice = random.Random(seed)
        slots, held, most = Slots(3), 0, 0

        async def work() -> None:
            nonlocal held, most
            await slots.acquire()
            held += 1
            most = max(most, held)
            try:
                for _ in range(choice.randrange(3)):
                    await asyncio.sleep(0)
            finally:
                held -= 1
                slots.release()

        tasks = []
        for _ in range(50):
            tasks.append(asyncio.ensure_future(work()))
            if choice.random() < 0.5:
                await asyncio.sleep(0)
            if choice.random() < 0.4:
                choice.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (slots.free, held, most <= 3) == (3, 0, True)

    asyncio.run(scenario())
