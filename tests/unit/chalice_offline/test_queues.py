"""Which queues there are, as a template or the code says."""

import pytest

from chalice_offline.event_source.sqs_client import SqsClient
from chalice_offline.queue_template import QueueSpec, QueueTemplateError
from chalice_offline.queues import ProjectQueues

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
    assert not made.name(["other"])
    assert made.specs == (FIRST,)


def test_without_a_template_the_code_names_plain_queues_and_none_goes() -> None:
    made = queues(())
    assert [made.name(["b", "a"]), made.name(["a"]), made.name(["c"])] == [True, False, True]
    assert [each.name for each in made.specs] == ["a", "b", "c"]
    assert not made.reread()


def test_changed_template_is_taken_and_a_broken_one_leaves_the_queues() -> None:
    made = queues((FIRST,), (FIRST,), QueueTemplateError("broken"), (FIRST, SECOND))
    assert not made.reread()
    with pytest.raises(QueueTemplateError):
        made.reread()
    assert made.specs == (FIRST,)
    assert made.reread()
    assert list(made.specs) == [FIRST, SECOND]
