"""Batches that only succeed or fail: nothing unfinished is taken off the queue, whatever goes wrong."""

import pytest

from chalicelib.services.consumer.whole_batches import UnfinishedError, settle_whole
from tests.fakes.ports import FakeReceivedMessages


def test_finished_batch_is_left_to_the_mapping() -> None:
    received = FakeReceivedMessages()
    settle_whole(lambda: received, {"a": True, "b": True})
    assert received.deleted == []


def test_finished_messages_are_deleted_and_the_batch_fails_for_the_rest() -> None:
    received = FakeReceivedMessages()
    with pytest.raises(UnfinishedError, match="1 of 3"):
        settle_whole(lambda: received, {"a": True, "b": False, "c": True})
    assert received.deleted == ["a", "c"]


def test_batch_of_which_nothing_is_finished_fails_without_a_look_for_its_queue() -> None:
    def unwanted() -> FakeReceivedMessages:
        raise AssertionError

    with pytest.raises(UnfinishedError):
        settle_whole(unwanted, {"a": False})


def test_batch_fails_although_its_finished_messages_cannot_be_deleted() -> None:
    received = FakeReceivedMessages()
    received.is_down = True
    with pytest.raises(UnfinishedError):
        settle_whole(lambda: received, {"a": True, "b": False})
