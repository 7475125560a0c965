"""The event source mapping against a queue and functions that are fakes."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chalice_offline.event_source.mapping import EventSourceMapping, MappingSettings
from chalice_offline.event_source.sqs_client import SqsError
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut
from chalice_offline.logs import Log
from chalice_offline.services.long_polls import Gather
from tests.unit.chalice_offline.event_source.mapping_fakes import FakeFunctions, FakeQueue


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  # the fakes' state has no event
        await asyncio.sleep(0.002)


Scenario = Callable[[FakeQueue, EventSourceMapping], Awaitable[None]]


def run(
    scenario: Callable[..., Awaitable[None]],
    *outcomes: Outcome,
    can_gather: bool = False,
    queue_name: str = "orders",
    **settings: Any,
) -> str:
    """Run a scenario with a started mapping; return the log."""
    stream = io.StringIO()

    async def main() -> None:
        log = Log(stream)
        queue, functions = FakeQueue(), FakeFunctions(*outcomes or [Returned(None)])
        queue.can_gather = can_gather
        chosen = MappingSettings("execute", queue_name, **{"reports_item_failures": True, **settings})
        mapping = EventSourceMapping(chosen, queue, functions, log)
        mapping.start()
        try:
            await scenario(queue, functions, mapping)
        finally:
            functions.gate.set()
            queue.arrival.set()
            await mapping.stop(timeout_s=1)
            log.close()

    asyncio.run(main())
    return stream.getvalue()


def failures(*ids: str) -> Returned:
    return Returned({"batchItemFailures": [{"itemIdentifier": identifier} for identifier in ids]})


def test_batch_that_succeeded_is_deleted_in_one_call() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        queue.put("a", "b", "c")
        await until(lambda: len(queue.deleted) == 3)
        assert functions.batches == [["a", "b", "c"]]
        assert queue.delete_calls == 1

    run(scenario)


def test_reported_failure_is_left_to_its_visibility_timeout() -> None:
    async def scenario(queue: FakeQueue, _functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        queue.put("a", "b", "c")
        await until(lambda: len(queue.deleted) == 2)
        assert queue.deleted == ["a", "c"]
        assert queue.released == []

    assert "batch failed" not in run(scenario, failures("b"))


def test_function_error_and_timeout_leave_the_whole_batch_and_say_so() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        for count, identifier in enumerate(("a", "b", "c"), start=1):
            queue.put(identifier)
            await until(lambda count=count: functions.finished == count)  # type: ignore[misc]  # mypy and defaults
        await until(lambda: queue.deleted == ["c"])

    log = run(scenario, Raised("ValueError", "bad"), TimedOut(3.0), Returned(None))
    assert log.count("batch failed") == 2
    assert "ValueError: bad" in log
    assert "no result within 3 s" in log


def test_message_is_given_up_with_its_last_try() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        for received, identifier in ((1, "a"), (3, "b")):
            queue.put(identifier)
            queue.waiting[-1]["Attributes"] = {"ApproximateReceiveCount": str(received)}
        await until(lambda: functions.finished == 2)
        await until(lambda: queue.deleted == ["b"])

    log = run(scenario, Raised("ValueError", "bad"), batch_size=1, tries_max=3)
    assert log.count("batch failed") == 2


def test_message_that_is_no_event_is_deleted_and_no_function_asked() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        queue.put("a")
        await until(lambda: queue.deleted == ["a"])
        assert functions.batches == []

    run(scenario, as_event=lambda _messages, _arn: None)


def test_response_that_breaks_the_format_leaves_the_whole_batch() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        queue.put("a", "b")
        await until(lambda: functions.finished == 1)
        queue.put("c")
        await until(lambda: functions.finished == 2)
        await until(lambda: queue.deleted == ["c"])

    assert "is not in the batch" in run(scenario, failures("zzz"), Returned(None))


@pytest.mark.parametrize("result", ["done", "", 7, 0, [1], True, False, {"x": 1}, {"batchItemFailures": "x"}])
def test_without_reporting_whatever_a_function_returns_is_success(result: Any) -> None:
    async def scenario(queue: FakeQueue, _functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        queue.put("a")
        await until(lambda: queue.deleted == ["a"])

    assert "batch failed" not in run(scenario, Returned(result), reports_item_failures=False)


class StrangeQueue(FakeQueue):
    """Answers twice what no SQS would."""

    strange = 2

    async def receive(
        self, url: str, *, count_max: int, wait_s: int, gather: Gather | None = None
    ) -> list[dict[str, Any]]:
        if self.strange:
            self.strange -= 1
            raise KeyError("Messages")
        return await super().receive(url, count_max=count_max, wait_s=wait_s, gather=gather)


def test_answer_that_is_none_of_sqs_does_not_end_the_polling() -> None:
    async def main() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        queue, log = StrangeQueue(), Log(io.StringIO())
        settings = MappingSettings("execute", "orders")
        mapping = EventSourceMapping(settings, queue, FakeFunctions(Returned(None)), log)
        mapping.start()
        queue.put("a")
        await until(lambda: queue.deleted == ["a"])
        await mapping.stop(timeout_s=1)
        log.close()
        assert told == ["receiving from orders"] * 2

    asyncio.run(main())


def test_without_reporting_any_result_deletes_the_batch() -> None:
    async def scenario(queue: FakeQueue, _functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        queue.put("a", "b")
        await until(lambda: queue.deleted == ["a", "b"])

    run(scenario, failures("a"), reports_item_failures=False)


def test_no_more_batches_run_at_once_than_the_maximum_concurrency_allows() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        functions.gate.clear()
        queue.put(*(str(number) for number in range(12)))
        await until(lambda: len(functions.batches) == 2)
        received_meanwhile = 12 - len(queue.waiting)
        functions.gate.set()
        await until(lambda: len(queue.deleted) == 12)
        assert functions.overlap_max == 2
        assert received_meanwhile == 4

    run(scenario, batch_size=2, concurrency_max=2, gather_s=0.0)


def test_batch_larger_than_one_receive_is_filled_by_several() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        queue.put(*(str(number) for number in range(23)))
        await until(lambda: len(queue.deleted) == 23)
        assert [len(batch) for batch in functions.batches] == [23]

    run(scenario, batch_size=100, batching_window_s=1.0)


def test_batch_waits_for_company_within_its_window_while_another_is_in_flight() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        functions.gate.clear()
        queue.put("first")
        await until(lambda: functions.batches == [["first"]])
        queue.put("a")
        await until(lambda: not queue.waiting)
        queue.put("b", "c")
        await until(lambda: len(functions.batches) == 2)
        functions.gate.set()
        assert functions.batches[1] == ["a", "b", "c"]

    run(scenario, batch_size=3, batching_window_s=60.0, gather_s=0.001)


def test_next_batch_waits_until_as_many_have_sent_again_as_the_last_one_served() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, mapping: EventSourceMapping) -> None:
        functions.gate.clear()
        queue.put("a", "b", "c")
        await until(lambda: len(functions.batches) == 1)
        # A sender may end after its message was received already.
        for _ in range(3):
            mapping.function_ended("send")
        functions.gate.set()
        await until(lambda: queue.deleted == ["a", "b", "c"])
        for identifier in ("d", "e", "f"):
            queue.put(identifier)
            mapping.function_ended("send")
            # The consumer's own end says nothing about senders.
            mapping.function_ended("execute")
            await asyncio.sleep(0)
        await until(lambda: len(functions.batches) == 2)
        assert functions.batches[1] == ["d", "e", "f"]

    run(scenario, gather_s=60.0, linger_s=60.0)


def test_queue_that_can_gather_is_asked_for_as_many_as_the_last_batch_had() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, _mapping: EventSourceMapping) -> None:
        functions.gate.clear()
        queue.put("a", "b", "c")
        await until(lambda: len(functions.batches) == 1)
        functions.gate.set()
        # No invocation tells of these: the queue knows.
        for identifier in ("d", "e", "f"):
            queue.put(identifier)
            await until(lambda: queue.deleted == ["a", "b", "c"])
        await until(lambda: len(functions.batches) == 2)
        assert functions.batches[1] == ["d", "e", "f"]

    run(scenario, can_gather=True, gather_s=60.0, linger_s=60.0)


def test_next_batch_does_not_wait_for_senders_that_stay_away() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, mapping: EventSourceMapping) -> None:
        functions.gate.clear()
        queue.put("a", "b", "c")
        await until(lambda: len(functions.batches) == 1)
        functions.gate.set()
        queue.put("d")
        mapping.function_ended("send")
        await until(lambda: queue.deleted == ["a", "b", "c", "d"])

    run(scenario, gather_s=60.0, linger_s=0.001)


def test_batches_behind_a_full_one_that_nobody_announced_do_not_wait_for_its_end() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, mapping: EventSourceMapping) -> None:
        functions.gate.clear()
        queue.put(*map(str, range(25)))
        mapping.nudge()
        await until(lambda: len(functions.batches) == 3)
        assert functions.finished == 0

    run(scenario, gather_s=60.0, linger_s=60.0)


# Of a FIFO queue even an emulator that can gather hears nothing.
@pytest.mark.parametrize(("queue_name", "can_gather"), [("orders", False), ("orders.fifo", True)])
def test_nudge_finds_a_message_without_waiting_for_the_long_poll(
    queue_name: str, *, can_gather: bool
) -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, mapping: EventSourceMapping) -> None:
        queue.put("a")
        await until(lambda: functions.finished == 1)
        # Behind the back of a long poll.
        await until(lambda: queue.is_polled)
        asked = len(queue.waits)
        queue.waiting += [{"MessageId": "b", "ReceiptHandle": "r-b", "Body": "b", "MD5OfBody": ""}]
        mapping.nudge()
        await until(lambda: functions.finished == 2)
        # By now the next long poll may be open as well.
        assert queue.waits[asked] == 0

    run(scenario, queue_name=queue_name, can_gather=can_gather)


def test_queue_that_does_not_answer_is_reported_once_and_used_again_when_it_does() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, mapping: EventSourceMapping) -> None:
        queue.fails_with = SqsError("GetQueueUrl", "QueueDoesNotExist", "none")
        await until(lambda: mapping._pacing._not_before > asyncio.get_running_loop().time() + 0.3)
        queue.fails_with = None
        queue.put("a")
        await until(lambda: functions.finished == 1)

    log = run(scenario)
    assert log.count("queue does not answer") == 1
    assert log.count("queue answers again") == 1


def test_stop_lets_the_batch_in_flight_finish() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, mapping: EventSourceMapping) -> None:
        functions.gate.clear()
        queue.put("a")
        await until(lambda: functions.batches == [["a"]])
        stopping = asyncio.create_task(mapping.stop(timeout_s=5))
        await asyncio.sleep(0)
        functions.gate.set()
        queue.arrival.set()
        await stopping
        assert queue.deleted == ["a"]

    run(scenario)


def test_message_received_while_stopping_is_given_back() -> None:
    async def scenario(queue: FakeQueue, functions: FakeFunctions, mapping: EventSourceMapping) -> None:
        await until(mapping._pacing.is_idle)
        stopping = asyncio.create_task(mapping.stop(timeout_s=5))
        await asyncio.sleep(0)
        queue.put("late")
        await stopping
        assert queue.released == ["late"]
        assert functions.batches == []

    run(scenario)
