"""Which queues there are, as a template or the code says."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from chalice_offline.event_source.sqs_client import SqsClient, SqsError
from chalice_offline.invocation import AppManifest
from chalice_offline.project.functions import FunctionSpec, Project, QueueTrigger
from chalice_offline.queue_template import QueueSpec, QueueTemplateError
from chalice_offline.queues import ProjectQueues, hidden_while_handled

FIRST, SECOND = QueueSpec("First", "first", {}), QueueSpec("Second", "second", {})


def queues(*read: object) -> ProjectQueues:
    """Return queues of a template that says something else each time it is read."""
    remaining = list(read)

    def read_template() -> tuple[QueueSpec, ...]:
        found = remaining.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, tuple)
        return found

    client = SqsClient("http://127.0.0.1:9", region="us-east-1", access_key="k", secret_key="s")
    return ProjectQueues(client, read_template)


def test_template_says_which_queues_there_are_whatever_the_code_names() -> None:
    made = queues((FIRST,))
    assert not made.name({"other": 30})
    assert made.specs == (FIRST,)


def test_without_a_template_the_code_names_plain_queues_and_none_goes() -> None:
    made = queues(())
    assert [made.name({"b": 30, "a": 60}), made.name({"a": 60}), made.name({"c": 30})] == [True, False, True]
    assert [each.name for each in made.specs] == ["a", "b", "c"]
    assert not made.reread()
    assert [made.name({"a": 61}), [each.hidden_s_min for each in made.specs]] == [True, [61, 30, 30]]


def test_changed_template_is_taken_and_a_broken_one_leaves_the_queues() -> None:
    made = queues((FIRST,), (FIRST,), QueueTemplateError("broken"), (FIRST, SECOND))
    assert not made.reread()
    with pytest.raises(QueueTemplateError):
        made.reread()
    assert made.specs == (FIRST,)
    assert made.reread()
    assert list(made.specs) == [FIRST, SECOND]


class FakeSqs(SqsClient):
    """Queues by their names, and how long each hides what was received from it."""

    def __init__(self, hidden_s: dict[str, str]) -> None:
        super().__init__("http://127.0.0.1:9", region="us-east-1", access_key="k", secret_key="s")
        self.hidden = hidden_s

    async def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = str(request.get("QueueName", request.get("QueueUrl")))
        match operation:
            case "GetQueueUrl" if name not in self.hidden:
                raise SqsError(operation, "QueueDoesNotExist", "")
            case "CreateQueue" | "SetQueueAttributes":
                self.hidden.setdefault(name, "30")
                self.hidden[name] = request["Attributes"].get("VisibilityTimeout", self.hidden[name])
        return {"QueueUrl": name, "Attributes": {"VisibilityTimeout": self.hidden.get(name)}}


def test_message_stays_hidden_as_long_as_its_function_may_run_and_never_shorter_than_it_did() -> None:
    sqs = FakeSqs({"too short": "30", "long enough": "300"})
    made = ProjectQueues(sqs, lambda: ())
    made.name({"new": 90, "too short": 60, "long enough": 60, "usual": 30})
    asyncio.run(made.ensure())
    assert sqs.hidden == {"new": "90", "too short": "60", "long enough": "300", "usual": "30"}


def test_message_is_hidden_for_the_slowest_function_of_its_queue() -> None:
    def spec(name: str, timeout_s: float) -> FunctionSpec:
        return FunctionSpec(name, f"app.{name}", timeout_s, 128, {})

    read = {"fast": ("jobs", 3), "slow": ("jobs", 60.5), "quick": ("others", 3)}
    project = Project(
        manifest=AppManifest(app_name="app"),
        functions={name: spec(name, timeout_s) for name, (_, timeout_s) in read.items()},
        queues=tuple(QueueTrigger(name, queue, 1, 0, None) for name, (queue, _) in read.items()),
        schedules=(),
        notices=(),
        streams=(),
        unsupported=(),
        python="3.11",
    )
    assert hidden_while_handled(project) == {"jobs": 61, "others": 30}


def test_endpoint_that_does_not_answer_is_named() -> None:
    made = queues((FIRST,))
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:9 cannot be asked for queues: .*127"):
        asyncio.run(made.ensure())
