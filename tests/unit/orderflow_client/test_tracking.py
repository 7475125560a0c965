"""A bell that rings when more is known."""

import asyncio

from orderflow_client.errors import ClientClosedError
from orderflow_client.tracking import Tracked
from tests.unit.orderflow_client.test_history import event


def test_bell_taken_before_a_change_rings_at_it_and_at_no_double() -> None:
    async def story() -> None:
        tracked = Tracked(is_submitted=True)
        before = tracked.bell
        tracked.add(event(1))
        assert before.is_set()
        after = tracked.bell
        tracked.add(event(1))
        assert not after.is_set()
        tracked.fail(ClientClosedError())
        assert after.is_set()

    asyncio.run(story())
