"""Which answers are refusals and which pass, whatever words they come in; and how long one is waited for."""

import json
from collections.abc import Mapping
from time import monotonic
from typing import Any

import pytest
from botocore.credentials import Credentials

from chalicelib.adapters.aws.endpoint import AwsEndpoint, EndpointAnswer
from chalicelib.adapters.aws.json_service import CallRefusedError, JsonService, ServiceSilentError
from tests.fakes.http_server import scripted_server

NAMED_AFTER_ONE: Any = {
    "__type": "AccessDeniedException",
    "message": "arn:aws:iam::1:role/ThrottledTrader is not authorized: no LimitExceeded alarm allows it",
}


class Saying:
    """An ``Endpoint`` that says the same again and again."""

    def __init__(self, answer: EndpointAnswer) -> None:
        self._answer = answer
        self.asked: list[tuple[Mapping[str, str], bytes]] = []

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        del method, path, time_limit_s
        self.asked.append((headers, body))
        return self._answer


def service(saying: Saying, **options: Any) -> JsonService:
    return JsonService(lambda: saying, "Service", sleep=lambda _: None, **({"time_limit_s": 30.0} | options))


def test_call_names_its_operation_and_its_answer_is_an_object() -> None:
    saying = Saying(EndpointAnswer(200, b'{"a": 1}'))
    assert service(saying).answer("Do", {"Id": "x"}) == {"a": 1}
    [(headers, body)] = saying.asked
    assert (headers["x-amz-target"], json.loads(body)) == ("Service.Do", {"Id": "x"})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 100_000, b"\xff"])
def test_answer_that_is_no_object_has_no_members(body: bytes) -> None:
    assert service(Saying(EndpointAnswer(200, body))).answer("Do", {}) == {}


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, b"", "500 without a name"),
        (503, b"<html>", "503 without a name"),
        (429, b"", "429 without a name"),
        (408, b"", "408 without a name"),
        (400, b"<Error><Code>Throttling</Code></Error>", "400 without a name"),
        (400, b'{"__type": "ThrottlingException"}', "400 ThrottlingException"),
        (400, b'{"__type": "com.amazonaws.kms#LimitExceededException"}', "400 LimitExceededException"),
        (400, b'{"code": "TooManyRequestsException"}', "400 TooManyRequestsException"),
        (400, b'{"__type": "RequestTimeoutException"}', "400 RequestTimeoutException"),
    ],
)
def test_fault_that_passes_is_tried_a_few_times(status: int, body: bytes, told: str) -> None:
    saying = Saying(EndpointAnswer(status, body))
    with pytest.raises(ServiceSilentError) as caught:
        service(saying).answer("Do", {})
    assert (str(caught.value), len(saying.asked)) == (told, 4)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, json.dumps(NAMED_AFTER_ONE).encode(), "400 AccessDeniedException"),
        (403, b"<html>forbidden", "403 without a name"),
        (400, b'{"__type": "ExpiredTokenException"}', "400 ExpiredTokenException"),
        (400, b'{"__type": ["a", "hunter2 "]}', "400 without a name"),
        (301, b"", "301 without a name"),
    ],
)
def test_refusal_is_told_at_once_by_its_name_alone(status: int, body: bytes, told: str) -> None:
    saying = Saying(EndpointAnswer(status, body))
    with pytest.raises(CallRefusedError) as caught:
        service(saying).answer("Do", {})
    assert (str(caught.value), len(saying.asked)) == (told, 1)


def test_nothing_is_asked_without_time() -> None:
    saying = Saying(EndpointAnswer(200, b"{}"))
    with pytest.raises(ServiceSilentError, match="no time left"):
        service(saying, limited=lambda _: 0.0).answer("Do", {})
    assert saying.asked == []


@pytest.mark.parametrize("said", [None, b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 60_000])
def test_service_that_is_silent_or_comes_a_byte_at_a_time_is_given_up(said: bytes | None) -> None:
    with scripted_server(said, None) as server:
        server.piece_bytes = 1
        endpoint = AwsEndpoint(
            server.address.geturl(), service="kms", region="us-east-1", credentials=Credentials("a", "b")
        )
        began = monotonic()
        with pytest.raises(ServiceSilentError):
            JsonService(lambda: endpoint, "Service", time_limit_s=0.3).answer("Do", {})
        assert monotonic() - began >= 0.2
        endpoint.close()
