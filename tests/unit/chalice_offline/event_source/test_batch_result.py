"""Which messages of a batch are deleted, for every kind of response AWS documents and some it does not."""

from typing import Any

import pytest

from chalice_offline.event_source.batch_result import BatchResult, interpret

IDS = ("a", "b", "c")


@pytest.mark.parametrize(
    "response",
    [None, {}, "", {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200, "body": "{}"}],
)
def test_empty_response_means_the_whole_batch_succeeded(response: Any) -> None:
    assert interpret(response, IDS) == BatchResult(IDS, ())


@pytest.mark.parametrize(
    ("reported", "succeeded", "failed"),
    [
        (["b"], ("a", "c"), ("b",)),
        (["c", "a"], ("b",), ("a", "c")),
        (["a", "a"], ("b", "c"), ("a",)),
        (["a", "b", "c"], (), ("a", "b", "c")),
    ],
)
def test_reported_messages_stay_and_the_rest_succeeded(
    reported: list[str], succeeded: tuple[str, ...], failed: tuple[str, ...]
) -> None:
    response = {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in reported]}
    assert interpret(response, IDS) == BatchResult(succeeded, failed)


@pytest.mark.parametrize(
    "response",
    [
        "not an object",
        ["a"],
        7,
        True,
        {"batchItemFailures": "a"},
        {"batchItemFailures": {"itemIdentifier": "a"}},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": [None]},
        {"batchItemFailures": [{}]},
        {"batchItemFailures": [{"itemIdentifer": "a"}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": 1}]},
        {"batchItemFailures": [{"itemIdentifier": "unknown"}]},
        {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "unknown"}]},
    ],
)
def test_response_that_breaks_the_format_fails_the_whole_batch(response: Any) -> None:
    result = interpret(response, IDS)
    assert (result.succeeded, result.failed) == ((), IDS)
    assert result.problem
