"""One request: answered, provably not sent, or of unknown outcome."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from botocore.credentials import Credentials

from chalicelib.adapters.aws.endpoint import AwsEndpoint, EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError

Behaviour = Callable[[socket.socket], None]
SOON_S = 0.5
LONG_S = 30.0


def ask(url: str, time_limit_s: float = LONG_S) -> EndpointAnswer:
    endpoint = AwsEndpoint(url, service="sqs", region="us-east-1", credentials=Credentials("a", "b"))
    try:
        return endpoint.request("POST", "/", b"{}", headers={}, time_limit_s=time_limit_s)
    finally:
        endpoint.close()


def limit_s(behave: Behaviour) -> float:
    """Return how long to wait: silence is all that the clock has to end."""
    return SOON_S if behave is say_nothing else LONG_S


@contextmanager
def serving(behave: Behaviour) -> Iterator[int]:
    """Serve one connection; it stays open until the test is over."""
    is_over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            peer, _ = listener.accept()
            with closing(peer):
                behave(peer)
                is_over.wait(30)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            is_over.set()
            thread.join()


def hang_up_at_once(peer: socket.socket) -> None:
    peer.recv(65_536)
    peer.shutdown(socket.SHUT_RDWR)


def say_nothing(peer: socket.socket) -> None:
    peer.recv(65_536)


def babble(peer: socket.socket) -> None:
    peer.recv(65_536)
    peer.sendall(b"220 smtp.example ESMTP\r\n\r\n")


def break_off(peer: socket.socket) -> None:
    peer.recv(65_536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    peer.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("behave", [hang_up_at_once, say_nothing, babble, break_off])
def test_request_that_was_sent_and_not_answered_may_have_been_carried_out(behave: Behaviour) -> None:
    with serving(behave) as port, pytest.raises(NoAnswerError):
        ask(f"http://127.0.0.1:{port}", limit_s(behave))


def test_answer_is_returned() -> None:
    def answer(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")

    with serving(answer) as port:
        assert ask(f"http://127.0.0.1:{port}") == EndpointAnswer(503, b"busy")


def test_request_to_a_closed_port_was_not_sent() -> None:
    with socket.socket() as silent:  # which keeps the port from others, and does not listen
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(NotSentError):
            ask(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_request_to_a_name_that_does_not_exist_was_not_sent() -> None:
    with pytest.raises(NotSentError):
        ask("http://nowhere.invalid")


@pytest.mark.parametrize("behave", [hang_up_at_once, say_nothing, babble])
def test_request_that_tls_never_came_to_was_not_sent(behave: Behaviour) -> None:
    with serving(behave) as port, pytest.raises(NotSentError):
        ask(f"https://127.0.0.1:{port}", limit_s(behave))


def test_request_without_time_was_not_sent() -> None:
    endpoint = AwsEndpoint(
        "http://127.0.0.1:9", service="sqs", region="us-east-1", credentials=Credentials("a", "b")
    )
    with pytest.raises(NotSentError):
        endpoint.request("POST", "/", b"{}", headers={}, time_limit_s=0)


def test_server_with_a_certificate_that_nobody_vouches_for_is_told_nothing() -> None:
    def shake_hands(peer: socket.socket) -> None:
        with suppress(OSError):
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(peer, server_side=True)

    with serving(shake_hands) as port, pytest.raises(NotSentError):
        ask(f"https://127.0.0.1:{port}")
