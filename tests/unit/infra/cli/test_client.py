"""What a command tells of an engine that refuses, or does not answer."""

import click
import pytest

from infra.cli.client import request, said
from orderflow_client import DisconnectedError, RefusedError, UnknownOutcomeError
from tests.fakes.http_server import scripted_server


def answer(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer("409 Conflict", '{"code":"ORDER_CHANGED","message":"late"}'), "ORDER_CHANGED: late"),
        (answer("403 Forbidden", '{"message":"Forbidden"}'), "answered 403 Forbidden"),
        (answer("502 Bad Gateway", "<html>"), "answered 502 Bad Gateway; whether it was done is not known"),
        (answer("200 OK", "[1]"), "answered 200 OK; whether it was done is not known"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "; whether it was done is not known"),
    ],
)  # fmt: skip
def test_change_that_is_not_answered_by_the_engine_may_be_done(said: bytes, told: str) -> None:
    with scripted_server(said) as server:
        with pytest.raises(click.ClickException) as caught:
            request("DELETE", f"{server.address.geturl()}/orders", None)
        assert caught.value.message.endswith(told)


def test_read_that_is_not_answered_and_an_engine_that_is_not_there_have_done_nothing() -> None:
    with (
        scripted_server(answer("502 Bad Gateway", "")) as server,
        pytest.raises(click.ClickException, match=r"answered 502 Bad Gateway$"),
    ):
        request("GET", f"{server.address.geturl()}/orders", None)
    with pytest.raises(click.ClickException, match="cannot be reached"):
        request("DELETE", "http://127.0.0.1:9/orders", None)


def test_answer_is_returned() -> None:
    with scripted_server(answer("200 OK", '{"canceled":2}')) as server:
        assert request("DELETE", server.address.geturl(), None) == {"canceled": 2}


def test_engine_that_does_not_answer_is_named_by_its_address_and_one_that_refuses_is_not() -> None:
    assert said("ws://h:1/ws", DisconnectedError("no connection")) == "ws://h:1/ws: no connection"
    assert said("ws://h:1/ws", UnknownOutcomeError("no answer came")) == "ws://h:1/ws: no answer came"
    refusal = RefusedError("INVALID_REQUEST", "amount is missing")
    assert said("ws://h:1/ws", refusal) == str(refusal)
