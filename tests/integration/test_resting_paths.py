"""The matcher on Postgres, two at once, on recorded price paths.

As a loop over all orders says, each order once.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import Engine

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.watches import PostgresWatches
from chalicelib.domain.watches import Fired
from chalicelib.services.ports import QueueMessage
from chalicelib.services.resting.matcher import Matcher
from tests.contract.records import on_postgres
from tests.contract.watches import WatchesOnRecord
from tests.fakes.orders import an_order
from tests.fakes.ports import FakeQueue
from tests.support.price_paths import a_path, an_order_that_waits, first_fires, prices_at

GAP_MAX = 3


def _message(fired: Fired) -> QueueMessage:
    return QueueMessage(str(fired.order_id), fired.account_id)


@pytest.mark.parametrize("seed", range(2))
def test_two_matchers_fire_on_recorded_paths_when_a_loop_over_all_orders_says_so(
    database_url: str, seed: int
) -> None:
    random = Random(seed)
    engine: Engine = make_engine(database_url)
    store = on_postgres(engine)
    path = a_path(random, looks=25, gap_max=GAP_MAX)
    ids = [store.created(an_order()).state.order.order_id for _ in range(40)]
    waiting = [an_order_that_waits(random, order_id, path) for order_id in ids]
    WatchesOnRecord(engine).arm(waiting)
    queue = FakeQueue()
    matchers = [Matcher(PostgresWatches(engine), queue, _message, gap_max=GAP_MAX, limit=5) for _ in range(2)]
    expected, fired = first_fires(waiting, path, gap_max=GAP_MAX), Counter[tuple[UUID, int]]()
    with ThreadPoolExecutor(2) as executor:
        for place, look in enumerate(path):
            queue.sent.clear()
            prices = prices_at(look)
            for match in [executor.submit(matcher.match, prices) for matcher in matchers]:
                match.result()
            fired.update((UUID(message.body), place) for message in queue.sent)
    engine.dispose()
    assert fired == Counter(expected.items())
