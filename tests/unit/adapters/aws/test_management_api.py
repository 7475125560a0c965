"""How frames are posted, against a service that answers from a list; what ``Connections`` promises in common
is in ``contract/test_connections.py``.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import cast

import pytest

from chalicelib.adapters.aws.endpoint import AwsEndpoint
from chalicelib.adapters.aws.http_request import (
    Answers,
    NoAnswerError,
    NotSentError,
    Pause,
    RequestFlow,
)
from chalicelib.adapters.aws.http_response import HttpResponse
from chalicelib.adapters.aws.management_api import ManagementApi
from chalicelib.services.ports import Delivery, Frame

LIMIT_MS = 2_000


class FakeEndpoint:
    """Runs flows one after the other, and takes what was paused for off their time.

    Attributes:
        answers: By connection, the statuses of what it is sent, 200 unless listed; 0: the service hangs up.
        silent: Connections whose posts are never answered.
        pieces: What was sent to each in one piece, or how many seconds it waited.
        hasty: Who was not to be waited for, of the last conversation.
        requests: Those that were made beside the posts.
        is_unsigned: There are no credentials now.
    """

    def __init__(self, **answers: list[int]) -> None:
        self.answers = answers
        self.silent: set[str] = set()
        self.pieces: dict[str, list[list[str] | float]] = {}
        self.hasty: set[str] = set()
        self.requests: list[tuple[str, str, bytes]] = []
        self.fails_with: Exception | None = None
        self.is_unsigned = False

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> None:
        assert (dict(headers), time_limit_s) == ({}, LIMIT_MS / 1000)
        self.requests.append((method, path, body))
        if self.fails_with is not None:
            raise self.fails_with

    def signed_posts(self, path: str, bodies: Iterable[bytes]) -> list[bytes]:
        if self.is_unsigned:
            raise NotSentError
        assert path.startswith("/@connections/")
        return [*bodies]

    def converse(
        self,
        flows: Mapping[str, RequestFlow[Delivery]],
        *,
        time_limit_s: float,
        hasty: Collection[str] = (),
    ) -> dict[str, Delivery]:
        assert time_limit_s <= LIMIT_MS / 1000
        self.hasty = set(hasty)
        results = {}
        for id_, flow in flows.items():
            result = self._run(id_, flow, time_limit_s)
            if result is not None:
                results[id_] = result
        return results

    def _run(self, id_: str, flow: RequestFlow[Delivery], left_s: float) -> Delivery | None:
        done = self.pieces.setdefault(id_, [])
        answers: Answers = ()
        try:
            asked = next(flow)
            while left_s > 0:
                if isinstance(asked, Pause):
                    done.append(asked.seconds)
                    left_s -= asked.seconds
                    answers = ()
                else:
                    done.append([body.decode() for body in asked])
                    answers = self._answers(id_, len(asked))
                    if id_ in self.silent:
                        return None
                asked = flow.send(answers)
        except StopIteration as ended:
            return cast("Delivery", ended.value)
        return None

    def _answers(self, id_: str, asked: int) -> Answers:
        listed = self.answers.get(id_, [])
        statuses = [listed.pop(0) if listed else 200 for _ in range(asked)]
        if 0 in statuses:
            statuses = statuses[: statuses.index(0)]
        return [HttpResponse(status, b"", is_reusable=True, rest=b"") for status in statuses]


def an_api(endpoint: FakeEndpoint) -> ManagementApi:
    return ManagementApi(cast("AwsEndpoint", endpoint), time_limit_ms=LIMIT_MS)


def frames(to: str, texts: Iterable[str]) -> list[Frame]:
    return [Frame(to, text) for text in texts]


@pytest.mark.parametrize("status", [410, 400])
def test_connection_that_is_no_more_or_never_was_gets_nothing_further(status: int) -> None:
    endpoint = FakeEndpoint(a=[status])
    assert an_api(endpoint).post(frames("a", "0123456789")) == {"a": Delivery.GONE}
    assert endpoint.pieces == {"a": [[*"01234567"]]}


def test_frame_that_cannot_be_signed_now_is_not_delivered_and_speaks_against_no_connection() -> None:
    endpoint = FakeEndpoint()
    api = an_api(endpoint)
    endpoint.is_unsigned = True
    posted = [*frames("a", "01"), Frame("b", "x")]
    assert api.post(posted) == {"a": Delivery.UNDELIVERED, "b": Delivery.UNDELIVERED}
    endpoint.is_unsigned = False
    assert api.post(posted) == {"a": Delivery.DELIVERED, "b": Delivery.DELIVERED}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_frame_of_a_passing_refusal_is_sent_again_after_ever_longer_pauses(status: int) -> None:
    endpoint = FakeEndpoint(a=[200, status, 200, status, status])
    assert an_api(endpoint).post(frames("a", "012")) == {"a": Delivery.DELIVERED}
    assert endpoint.pieces == {"a": [[*"012"], 0.05, ["1"], 0.1, ["1"], 0.2, ["1"]]}


def test_pauses_begin_anew_where_some_of_a_piece_was_taken() -> None:
    endpoint = FakeEndpoint(a=[503, 503, 503, 503, 200, 503])
    assert an_api(endpoint).post(frames("a", "01")) == {"a": Delivery.DELIVERED}
    assert endpoint.pieces == {"a": [[*"01"], 0.05, [*"01"], 0.1, [*"01"], 0.05, ["1"]]}


def test_pauses_begin_anew_behind_a_piece_that_was_taken_whole() -> None:
    endpoint = FakeEndpoint(a=[*[503] * 8, *[200] * 8, 503])
    assert an_api(endpoint).post(frames("a", "012345678")) == {"a": Delivery.DELIVERED}
    assert endpoint.pieces == {"a": [[*"01234567"], 0.05, [*"01234567"], ["8"], 0.05, ["8"]]}


@pytest.mark.parametrize("status", [403, 413, 404])
def test_refusal_that_does_not_pass_ends_the_posts_to_that_connection(status: int) -> None:
    endpoint = FakeEndpoint(a=[200, status])
    deliveries = an_api(endpoint).post([*frames("a", "0123456789"), Frame("b", "x")])
    assert deliveries == {"a": Delivery.UNDELIVERED, "b": Delivery.DELIVERED}
    assert endpoint.pieces["a"] == [[*"01234567"]]


def test_service_that_hangs_up_behind_an_answer_gets_one_request_at_a_time_from_then_on() -> None:
    endpoint = FakeEndpoint(a=[200, 0])
    api = an_api(endpoint)
    assert api.post(frames("a", "012")) == {"a": Delivery.DELIVERED}
    assert endpoint.pieces == {"a": [[*"012"], 0.05, ["1"], ["2"]]}
    api.post(frames("b", "34"))
    assert endpoint.pieces["b"] == [["3"], ["4"]]


def test_service_that_answers_nothing_once_is_sent_as_much_as_before() -> None:
    endpoint = FakeEndpoint(a=[0, 0, 0])
    assert an_api(endpoint).post(frames("a", "012")) == {"a": Delivery.DELIVERED}
    assert endpoint.pieces == {"a": [[*"012"], 0.05, [*"012"]]}


def test_connection_that_took_nothing_has_one_try_and_no_wait_until_it_takes_a_frame() -> None:
    endpoint = FakeEndpoint(a=[429] * 100)
    api = an_api(endpoint)
    assert api.post(frames("a", "0")) == {"a": Delivery.UNDELIVERED}
    endpoint.answers["a"] = [429]
    endpoint.pieces.clear()
    assert api.post([*frames("a", "1"), Frame("b", "x")]) == {
        "a": Delivery.UNDELIVERED,
        "b": Delivery.DELIVERED,
    }
    assert (endpoint.pieces["a"], endpoint.hasty) == ([["1"]], {"a"})
    assert api.post(frames("a", "2")) == {"a": Delivery.DELIVERED}
    endpoint.answers["a"] = [429]
    endpoint.pieces.clear()
    assert api.post([*frames("a", "3"), Frame("b", "x")])["a"] is Delivery.DELIVERED
    assert (endpoint.pieces["a"], endpoint.hasty) == ([["3"], 0.05, ["3"]], set())


def test_connection_that_answered_nothing_at_all_is_left_out_of_posts_to_others_but_not_alone() -> None:
    endpoint = FakeEndpoint()
    endpoint.silent.add("a")
    api = an_api(endpoint)
    assert api.post(frames("a", "0")) == {"a": Delivery.UNDELIVERED}
    endpoint.pieces.clear()
    assert api.post([*frames("a", "1"), Frame("b", "x")]) == {
        "a": Delivery.UNDELIVERED,
        "b": Delivery.DELIVERED,
    }
    assert endpoint.pieces == {"b": [["x"]]}
    endpoint.silent.clear()
    # Its frame may be an answer that nothing repeats.
    assert api.post(frames("a", "2")) == {"a": Delivery.DELIVERED}


def test_connection_whose_posts_the_service_hung_up_on_is_not_left_out() -> None:
    endpoint = FakeEndpoint(a=[0] * 100)
    api = an_api(endpoint)
    assert api.post(frames("a", "0")) == {"a": Delivery.UNDELIVERED}
    endpoint.answers.clear()
    assert api.post([*frames("a", "1"), Frame("b", "x")])["a"] is Delivery.DELIVERED


@pytest.mark.parametrize("error", [None, NotSentError("no server"), NoAnswerError("no answer")])
def test_connection_is_closed_if_the_service_can_be_asked_to(error: Exception | None) -> None:
    endpoint = FakeEndpoint()
    endpoint.fails_with = error
    an_api(endpoint).close("TXzPWdnOjo/CGjA=")
    assert endpoint.requests == [("DELETE", "/@connections/TXzPWdnOjo%2FCGjA%3D", b"")]
