"""When orders are looked up, since which moment, and from when on all that landed can be seen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chalicelib.adapters.postgres.servers import Doubt, FoundOn
from chalicelib.adapters.solana.blockhashes import RecentBlockhash
from chalicelib.adapters.solana.doubted_record import DoubtedRecord
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.transactions import VALIDITY_BLOCKS, LostTransaction
from tests.fakes.orders import an_order

MOMENT = datetime(2026, 11, 30, 8, tzinfo=UTC)
HEIGHT = 1_000


class FakeServers:
    """Where the record is, kept in memory."""

    def __init__(self) -> None:
        self.doubt: Doubt | None = None
        self.noted_again = 0

    def found(self) -> FoundOn:
        server_id = self.doubt.server_id if self.doubt else 1
        return FoundOn(server_id, self.doubt, f"{server_id}, {self.noted_again} times noted")

    def settles_after(self, server_id: int, height: int) -> None:
        assert self.doubt is not None
        assert self.doubt.server_id == server_id
        if self.doubt.settles_after is None:
            self.doubt = replace(self.doubt, settles_after=height)

    def note_settled(self, server_id: int) -> None:
        assert self.doubt is not None
        assert self.doubt.server_id == server_id
        self.doubt = replace(self.doubt, is_settled=True)


class World:
    """A record, a chain, and the moments since which histories were read."""

    def __init__(self, restored_to: datetime | None = None) -> None:
        self.servers, self.height, self.is_silent = FakeServers(), HEIGHT, False
        self.read_since: list[datetime] = []
        self.record = DoubtedRecord(self.servers, self._recent, self._since, restored_to=restored_to)

    def comes_to(self, server_id: int, lacks_since: datetime = MOMENT) -> None:
        self.servers.doubt = Doubt(server_id, lacks_since, None, is_settled=False)

    def settled(self) -> None:
        """Look until what may land has landed, or never will."""
        with pytest.raises(RetryableError):
            self.record.of([an_order()])
        self.height += 2 * VALIDITY_BLOCKS + 1
        self.record.of([an_order()])

    def _recent(self) -> RecentBlockhash:
        if self.is_silent:
            raise NodeError("silent")
        return RecentBlockhash(b"", self.height + VALIDITY_BLOCKS)

    def _since(self, moment: datetime) -> "World":
        self.read_since.append(moment)
        return self

    def of(self, orders: Sequence[Order]) -> Mapping[UUID, LostTransaction]:  # noqa: ARG002
        return {}


def test_record_that_is_where_it_was_costs_the_chain_no_call() -> None:
    world = World()
    assert not world.record.are_sought()
    assert world.record.of([an_order()]) == {}
    assert world.read_since == []


def test_nothing_is_told_until_what_was_signed_before_and_as_much_again_is_over() -> None:
    world = World()
    world.comes_to(2)
    assert world.record.are_sought()
    for height in (HEIGHT, HEIGHT + 1, HEIGHT + 2 * VALIDITY_BLOCKS):
        world.height = height
        with pytest.raises(RetryableError, match="may land yet"):
            world.record.of([an_order()])
        with pytest.raises(RetryableError, match="may land yet"):
            world.record.of(())
    world.height += 1
    assert world.record.of([an_order()]) == {}
    assert world.read_since == [MOMENT]


def test_silent_chain_settles_nothing() -> None:
    world = World()
    world.comes_to(2)
    world.is_silent = True
    with pytest.raises(RetryableError):
        world.record.of([an_order()])
    assert world.servers.doubt is not None
    assert world.servers.doubt.settles_after is None


def test_chain_is_asked_no_more_once_it_has_settled_what_may_land() -> None:
    world = World()
    world.comes_to(2)
    world.settled()
    assert world.servers.doubt is not None
    assert world.servers.doubt.is_settled
    world.is_silent = True
    assert world.record.of([an_order()]) == {}


def test_history_is_kept_until_the_record_comes_to_another_server() -> None:
    world = World()
    world.comes_to(2)
    world.settled()
    world.record.of([an_order()])
    assert world.read_since == [MOMENT]
    # What the one before had seen is no answer for what was signed since.
    world.comes_to(3)
    world.settled()
    assert world.read_since == [MOMENT, MOMENT]
    # Likewise another standby of the one before.
    world.comes_to(3)
    world.servers.noted_again += 1
    world.settled()
    assert world.read_since == [MOMENT, MOMENT, MOMENT]


@pytest.mark.parametrize("apart", [timedelta(hours=1), timedelta(hours=-1)])
def test_moment_that_the_operator_named_counts_too_and_the_earlier_one_of_both(apart: timedelta) -> None:
    world = World(restored_to=MOMENT + apart)
    assert world.record.are_sought()
    world.record.of([an_order()])
    world.comes_to(2)
    world.settled()
    assert world.read_since == [MOMENT + apart, min(MOMENT, MOMENT + apart)]
