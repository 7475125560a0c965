"""What counts as a message that the queue has, that it has not, and that it may have."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress

import pytest

from chalicelib.adapters.aws.endpoint import EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.aws.sqs import RETRY_DELAYS_S, SqsOrderQueue, SqsReceivedMessages, find_queue_url
from chalicelib.adapters.time_left import TimeLeft
from chalicelib.domain.errors import RetryableError, UnansweredError
from chalicelib.services.ports import QueueMessage

TAKEN = EndpointAnswer(200, b'{"MD5OfMessageBody":"99914b932bd37a50b983c5e7c90ae93b","MessageId":"1"}')
THROTTLED = EndpointAnswer(400, b'{"__type":"com.amazonaws.sqs#RequestThrottled"}')
REFUSED = EndpointAnswer(400, b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}')
DENIED = EndpointAnswer(400, b'{"__type":"com.amazon.coral.service#AccessDeniedException"}')
OURS, ANOTHERS = "99914b932bd37a50b983c5e7c90ae93b", "d41d8cd98f00b204e9800998ecf8427e"
GARBLED = EndpointAnswer(200, TAKEN.body.replace(b"99914b", b"00014b"))
TRIES = 1 + len(RETRY_DELAYS_S)

Said = EndpointAnswer | type[Exception]


class Saying:
    """An endpoint that says one thing after the other, the last one for ever."""

    def __init__(self, *said: Said) -> None:
        self._said = list(said)
        self.requests = 0

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        del method, path, body, headers, time_limit_s
        self.requests += 1
        said = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if isinstance(said, EndpointAnswer):
            return said
        raise said


def _at_once(_seconds: float) -> None:
    pass


def send(*said: Said, messages: int = 1) -> None:
    queue = SqsOrderQueue(Saying(*said), "https://sqs/queue", sleep=lambda _: None)
    queue.send([QueueMessage("{}", "alice")] * messages)


def kind_of_failure(*said: Said, messages: int = 1) -> type[RetryableError]:
    with pytest.raises(RetryableError) as caught:
        send(*said, messages=messages)
    return type(caught.value)


def batch(taken: int, refused: int, *digests: str) -> EndpointAnswer:
    known = [{"MD5OfMessageBody": digest} for digest in digests] or [{}] * taken
    answer = {
        "Successful": [{"Id": str(index), "MessageId": "m", **known[index]} for index in range(taken)],
        "Failed": [{"Id": str(taken + index), "Code": "InternalError"} for index in range(refused)],
    }
    return EndpointAnswer(200, json.dumps(answer).encode())


def test_message_with_an_id_is_sent() -> None:
    send(TAKEN)


@pytest.mark.parametrize(
    "said", [NotSentError, NoAnswerError, EndpointAnswer(500, b""), EndpointAnswer(503, b""), THROTTLED]
)
def test_message_that_a_later_try_gets_across_is_sent(said: Said) -> None:
    send(said, TAKEN)


@pytest.mark.parametrize(
    "said",
    [
        (NotSentError,),
        (REFUSED,),
        (THROTTLED,),
        (EndpointAnswer(403, b"AccessDenied"),),
        (EndpointAnswer(413, b""),),
        (NotSentError, REFUSED),
        (THROTTLED, NotSentError),
    ],
)
def test_message_that_provably_did_not_get_there_is_refused(said: tuple[Said, ...]) -> None:
    assert kind_of_failure(*said) is RetryableError


@pytest.mark.parametrize(
    "said",
    [
        (NoAnswerError,),
        (EndpointAnswer(500, b""),),
        (EndpointAnswer(502, b""),),
        (EndpointAnswer(503, b""),),
        (EndpointAnswer(504, b""),),
        (EndpointAnswer(408, b""),),
        (EndpointAnswer(302, b""),),
        (NoAnswerError, NotSentError),
        (NoAnswerError, REFUSED),
        (NotSentError, NoAnswerError, REFUSED),
        (EndpointAnswer(500, b""), THROTTLED),
        (EndpointAnswer(200, b""),),
        (EndpointAnswer(200, b"{}"),),
        (EndpointAnswer(200, b"<html>Welcome</html>"),),
        (GARBLED,),
    ],
)
def test_message_that_some_try_may_have_got_across_is_of_unknown_outcome(said: tuple[Said, ...]) -> None:
    assert kind_of_failure(*said) is UnansweredError


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (batch(0, 2), RetryableError),
        (batch(1, 1), UnansweredError),
        (batch(1, 0), UnansweredError),
        (batch(0, 0), UnansweredError),
        (batch(2, 0, OURS, ANOTHERS), UnansweredError),
        (EndpointAnswer(200, b"[]"), UnansweredError),
        (EndpointAnswer(200, b"{"), UnansweredError),
        (EndpointAnswer(200, b"[" * 100_000), UnansweredError),
        (NoAnswerError, UnansweredError),
        (REFUSED, RetryableError),
    ],
)
def test_two_messages_are_refused_only_if_neither_got_there(
    said: Said, failure: type[RetryableError]
) -> None:
    assert kind_of_failure(said, messages=2) is failure


def test_two_messages_that_were_both_taken_are_sent() -> None:
    send(batch(2, 0), messages=2)
    send(batch(2, 0, OURS, OURS), messages=2)


def test_second_ten_that_is_refused_leaves_the_first_ten_sent() -> None:
    assert kind_of_failure(batch(10, 0), REFUSED, messages=12) is UnansweredError


def sent_each(*said: Said, messages: int) -> str:
    """Return a letter per message: taken, refused, unknown."""
    queue = SqsOrderQueue(Saying(*said), "https://sqs/queue", sleep=lambda _: None)
    outcomes = queue.send_each([QueueMessage("{}", "alice")] * messages)
    return "".join(outcome.value[0] for outcome in outcomes)


@pytest.mark.parametrize(
    ("said", "outcomes"),
    [
        ((batch(3, 0),), "ttt"),
        ((batch(1, 2),), "trr"),
        ((batch(0, 3),), "rrr"),
        ((batch(1, 1),), "tru"),
        ((batch(0, 0),), "uuu"),
        ((EndpointAnswer(200, b"[]"),), "uuu"),
        ((EndpointAnswer(200, b'{"Successful":7}'),), "uuu"),
        ((EndpointAnswer(200, b'{"Failed":["0"]}'),), "uuu"),
        ((REFUSED,), "rrr"),
        ((NotSentError,), "rrr"),
        ((NoAnswerError,), "uuu"),
        ((THROTTLED, batch(2, 1)), "ttr"),
        # What was not answered may have enqueued all of them: a later refusal proves nothing.
        ((NoAnswerError, batch(1, 2)), "tuu"),
        ((EndpointAnswer(500, b""), batch(0, 3)), "uuu"),
    ],
)
def test_each_message_of_a_batch_has_an_outcome_of_its_own(said: tuple[Said, ...], outcomes: str) -> None:
    assert sent_each(*said, messages=3) == outcomes


def test_second_ten_has_outcomes_of_its_own() -> None:
    assert sent_each(batch(10, 0), REFUSED, messages=12) == "t" * 10 + "rr"
    assert sent_each(REFUSED, batch(2, 0), messages=12) == "r" * 10 + "tt"


def test_messages_that_were_all_refused_after_an_unanswered_try_may_be_there() -> None:
    assert kind_of_failure(NoAnswerError, batch(0, 2), messages=2) is UnansweredError


def test_refusal_that_cannot_change_is_not_asked_for_again() -> None:
    endpoint = Saying(REFUSED)
    with pytest.raises(RetryableError):
        SqsOrderQueue(endpoint, "https://sqs/queue", sleep=lambda _: None).send([QueueMessage("{}", "alice")])
    assert endpoint.requests == 1


class Hanging:
    """An endpoint that never answers, on a clock that goes on only while it is waited for."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.limits: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        del method, path, body, headers
        self.limits.append(time_limit_s)
        self.now_s += time_limit_s
        raise NoAnswerError


@pytest.mark.parametrize("left_s", [0.6, 1, 2, 3.3, 5, 6, 10, 30])
def test_queue_that_hangs_is_given_up_before_the_invocation_ends(left_s: float) -> None:
    endpoint = Hanging()
    left = TimeLeft(endpoint.clock)
    queue = SqsOrderQueue(endpoint, "https://sqs/queue", sleep=endpoint.sleep, time_left=left)
    with left.of_invocation(left_s), pytest.raises(UnansweredError):
        queue.send([QueueMessage("{}", "alice")])
    assert endpoint.now_s < left_s
    assert len(endpoint.limits) <= TRIES


def test_queue_is_not_asked_when_the_time_is_up() -> None:
    endpoint = Hanging()
    left = TimeLeft(endpoint.clock)
    queue = SqsOrderQueue(endpoint, "https://sqs/queue", sleep=endpoint.sleep, time_left=left)
    with left.of_invocation(0.1), pytest.raises(RetryableError) as caught:
        queue.send([QueueMessage("{}", "alice")])
    assert type(caught.value) is RetryableError
    assert endpoint.limits == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda endpoint, left: SqsOrderQueue(endpoint, "https://sqs/queue", time_left=left).retry_in(
            {"a": 1}
        ),
        lambda endpoint, left: SqsReceivedMessages(endpoint, "https://sqs/queue", time_left=left).delete(
            ["a"]
        ),
    ],
)
def test_messages_that_there_is_no_time_left_for_are_named_without_a_traceback(
    ask: Callable[[Hanging, TimeLeft], None], caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = Hanging()
    left = TimeLeft(endpoint.clock)
    with left.of_invocation(0.1):
        ask(endpoint, left)
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)


@pytest.mark.parametrize(
    "ask",
    [
        lambda endpoint: find_queue_url(endpoint, "orders"),
        lambda endpoint: SqsOrderQueue(endpoint, "https://sqs/queue", sleep=lambda _: None).retry_in(
            {"a": 1, "b": 2}
        ),
        lambda endpoint: SqsReceivedMessages(endpoint, "https://sqs/queue", sleep=lambda _: None).delete(
            ["a"]
        ),
    ],
)
@pytest.mark.parametrize("said", [b"", b"[]", b"null", b"{", b"{}", b'{"Failed":true}', b'{"Failed":[5]}'])
def test_answer_that_is_none_of_sqs_is_no_defect_of_ours(
    ask: Callable[[Saying], object], said: bytes
) -> None:
    with suppress(RetryableError):
        ask(Saying(EndpointAnswer(200, said)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda endpoint: SqsOrderQueue(endpoint, "u", sleep=_at_once).send([QueueMessage("{}", "alice")]),
        lambda endpoint: SqsOrderQueue(endpoint, "u", sleep=_at_once).check(),
        lambda endpoint: find_queue_url(endpoint, "orders"),
    ],
    ids=["send", "check", "find"],
)
def test_operator_reads_in_the_log_what_sqs_said(
    ask: Callable[[Saying], None], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RetryableError):
        ask(Saying(DENIED))
    (record,) = caplog.records
    assert "AccessDenied" in record.__dict__["reason"]


def test_queue_is_called_not_found_only_where_sqs_says_so() -> None:
    with pytest.raises(RetryableError, match="the queue orders was not found"):
        find_queue_url(Saying(REFUSED), "orders")
    with pytest.raises(RetryableError, match="the queue does not answer"):
        find_queue_url(Saying(DENIED), "orders")
