"""One request: answered, provably not sent, or of unknown outcome."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError

from chalicelib.adapters.aws.endpoint import AwsEndpoint, EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.aws.secrets import Secrets
from chalicelib.adapters.aws.sqs import SqsOrderQueue
from chalicelib.domain.errors import RetryableError
from tests.fakes.http_server import OK
from tests.support.certificates import a_certificate

Behaviour = Callable[[socket.socket], None]
SOON_S = 0.5
LONG_S = 30.0


def ask(url: str, time_limit_s: float = LONG_S, *, authorities: str = "") -> EndpointAnswer:
    endpoint = AwsEndpoint(
        url,
        service="sqs",
        region="us-east-1",
        credentials=Credentials("a", "b"),
        authorities=authorities,
    )
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


@contextmanager
def serving_tls(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer(peer: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(peer, server_side=True) as secured:
            if secured.recv(65_536):
                secured.sendall(OK)

    with serving(answer) as port:
        yield port


def test_authorities_that_are_named_vouch_for_the_server_by_its_name(tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    with serving_tls(certificate) as port:
        found = ask(f"https://127.0.0.1:{port}", authorities=str(certificate))
        assert found == EndpointAnswer(200, b"hi")
    with serving_tls(certificate) as port, pytest.raises(NotSentError):
        ask(f"https://localhost:{port}", authorities=str(certificate))  # the certificate has the number alone
    with serving_tls(certificate) as port, pytest.raises(NotSentError):
        ask(f"https://127.0.0.1:{port}")


class EndedCredentials(Credentials):
    """Of a role, which nobody renews now."""

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        raise CredentialRetrievalError(provider="container-role", error_msg="hangs")


def test_request_that_cannot_be_signed_now_was_not_sent() -> None:
    endpoint = AwsEndpoint(
        "http://127.0.0.1:9", service="sqs", region="us-east-1", credentials=EndedCredentials("a", "b")
    )
    with pytest.raises(NotSentError):
        endpoint.request("POST", "/", b"{}", headers={}, time_limit_s=LONG_S)
    with pytest.raises(NotSentError):
        endpoint.signed_posts("/", [b""])


@pytest.mark.parametrize(
    ("url", "credentials", "reason"),
    [
        ("http://127.0.0.1:9", EndedCredentials("a", "b"), "no credentials are given"),
        ("http://nowhere.invalid", Credentials("a", "b"), "gaierror"),
    ],
)
def test_operator_reads_in_the_log_why_nothing_was_sent(
    url: str, credentials: Credentials, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = AwsEndpoint(url, service="sqs", region="us-east-1", credentials=credentials)
    for ask_it in (
        SqsOrderQueue(endpoint, "u", sleep=lambda _: None).check,
        lambda: Secrets(lambda: endpoint, sleep=lambda _: None).text("arn"),
    ):
        with pytest.raises(RetryableError) as caught:
            ask_it()
        assert reason not in caught.value.message
    assert all(reason in record.__dict__["reason"] for record in caplog.records)
    assert len(caplog.records) == 2


def test_server_that_nobody_vouches_for_is_told_as_such(tmp_path: Path) -> None:
    with (
        serving_tls(a_certificate(tmp_path)) as port,
        pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        ask(f"https://127.0.0.1:{port}")


def test_authorities_are_read_once_for_all_endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the system's takes 22 ms of a whole processor: at each cold start, for each service."""
    reads: list[object] = []
    made = ssl.create_default_context

    def noted(*, cafile: str | None = None) -> ssl.SSLContext:
        reads.append(cafile)
        return made(cafile=cafile)

    monkeypatch.setattr(ssl, "create_default_context", noted)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate := a_certificate(tmp_path)))
    for authorities in ("", str(certificate)) * 3:
        AwsEndpoint(
            "https://sqs.test",
            service="sqs",
            region="us-east-1",
            credentials=Credentials("a", "b"),
            authorities=authorities,
        )
    assert reads == [None, str(certificate)]
