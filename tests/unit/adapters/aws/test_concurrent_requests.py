"""Request flows, several at once, and their requests each alone, with a server that is slow, silent,
hangs up, or speaks TLS.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from chalicelib.adapters.aws.concurrent_requests import SOCKETS_MAX, ConcurrentRequests
from chalicelib.adapters.aws.connection_pool import ConnectionPool
from chalicelib.adapters.aws.http_request import Answers as HttpAnswers
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError, Pause, RequestFlow
from chalicelib.adapters.aws.single_request import ask_single
from tests.fakes.http_server import LAST, OK, scripted_server
from tests.support.certificates import a_certificate

ASKED = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
FEW_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nT: 1\r\n\r\n"
LONG_S = 20.0


class Server(ThreadingHTTPServer):
    """Answers with the body's length and what the path asks for: silence until ``is_over``, or an end."""

    daemon_threads = True
    request_queue_size = 2 * SOCKETS_MAX

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.is_over = threading.Event()
        self.peers: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client may go before it is answered."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.peers.append(str(self.client_address))
        if self.path == "/silent":
            self.server.is_over.wait(LONG_S)
        self.close_connection = self.path != "/"
        if self.path == "/hang-up":
            return
        text = f"{len(body)}".encode()
        self.send_response(200)
        self.send_header("Content-Length", f"{len(text)}")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Say nothing."""


Start = Callable[[ssl.SSLContext | None], tuple[Server, ConnectionPool]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts a server and returns it with connections to it."""
    with ExitStack() as stack:

        def started(context: ssl.SSLContext | None) -> tuple[Server, ConnectionPool]:
            server = stack.enter_context(closing_server())
            if context is not None:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "http" if context is None else "https"
            address = urlsplit(f"{scheme}://127.0.0.1:{server.server_address[1]}")
            return server, stack.enter_context(closing(ConnectionPool(address)))

        yield started


class closing_server:  # noqa: N801  # a context manager, named like contextlib's
    def __enter__(self) -> Server:
        self._server = Server()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def posts(*paths: str, body: bytes = b"body") -> RequestFlow[list[bytes | None]]:
    """Make one request after the other; what was answered."""
    answers = []
    for path in paths:
        head = b"POST %b HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % (path.encode(), len(body))
        answered = yield [head + body]
        answers.append(answered[0].body if answered else None)
    return answers


Answers = dict[str, list[bytes | None]]
RequestFlows = dict[str, RequestFlow[list[bytes | None]]]


def run(pool: ConnectionPool, flows: RequestFlows, time_limit_s: float = LONG_S) -> Answers:
    together = ConcurrentRequests[str, list[bytes | None]](pool, time_limit_s=time_limit_s, linger_s=LONG_S)
    return together.run(flows)


def run_single(pool: ConnectionPool, flows: RequestFlows, time_limit_s: float = LONG_S) -> Answers:
    """Make their requests one after the other, each by itself."""
    return {key: _alone(pool, flow, time_limit_s) for key, flow in flows.items()}


def _alone(
    pool: ConnectionPool, flow: RequestFlow[list[bytes | None]], time_limit_s: float
) -> list[bytes | None]:
    try:
        wanted = next(flow)
        while True:
            assert not isinstance(wanted, Pause)
            answers: HttpAnswers = ()
            with suppress(NotSentError, NoAnswerError):
                answers = [ask_single(pool, request, time_limit_s=time_limit_s) for request in wanted]
            wanted = flow.send(answers)
    except StopIteration as end:
        found: list[bytes | None] = end.value
        return found


class Run(Protocol):
    def __call__(
        self, pool: ConnectionPool, flows: RequestFlows, time_limit_s: float = LONG_S
    ) -> Answers: ...


either_way = pytest.mark.parametrize("run", [run, run_single])


def test_each_flow_gets_its_own_answers_in_order(start: Start) -> None:
    _, pool = start(None)
    wanted = {f"{n}": posts("/", "/", body=b"x" * n) for n in range(3 * SOCKETS_MAX)}
    assert run(pool, wanted) == {key: [key.encode()] * 2 for key in wanted}


@either_way
def test_connections_are_kept_from_one_round_to_the_next(start: Start, run: Run) -> None:
    server, pool = start(None)
    for _ in range(3):
        run(pool, {"a": posts("/", "/"), "b": posts("/")})
    assert len(server.peers) == 9
    assert len(set(server.peers)) <= 2


def test_silent_server_ends_only_the_flow_that_waits_for_it(start: Start) -> None:
    server, pool = start(None)
    assert run(pool, {"a": posts("/silent"), "b": posts("/")}, time_limit_s=1.0) == {"b": [b"4"]}
    # Its late answer must not be taken for another request's.
    server.is_over.set()
    assert run(pool, {"c": posts("/", body=b"")}) == {"c": [b"0"]}


@either_way
def test_flow_goes_on_after_a_connection_that_was_closed_without_an_answer(start: Start, run: Run) -> None:
    _, pool = start(None)
    assert run(pool, {"a": posts("/", "/hang-up", "/")}) == {"a": [b"4", None, b"4"]}


@either_way
def test_request_that_the_network_takes_in_parts_arrives_whole(start: Start, run: Run) -> None:
    _, pool = start(None)
    size = 20_000_000
    assert run(pool, {"a": posts("/", body=b"x" * size)}) == {"a": [f"{size}".encode()]}


def test_silent_server_ends_a_flow_by_itself(start: Start) -> None:
    server, pool = start(None)
    assert run_single(pool, {"a": posts("/")}) == {"a": [b"4"]}
    assert run_single(pool, {"a": posts("/silent")}, 0.2) == {"a": [None]}
    # Its late answer must not be taken for another request's.
    server.is_over.set()
    assert run_single(pool, {"b": posts("/", body=b"")}) == {"b": [b"0"]}


def test_pause_by_itself_is_waited_for(start: Start) -> None:
    _, pool = start(None)

    def patient() -> RequestFlow[list[bytes | None]]:
        first = yield from posts("/")
        yield Pause(0.05)
        return first + (yield from posts("/"))

    begun = monotonic()
    assert run(pool, {"a": patient()}) == {"a": [b"4", b"4"]}
    assert monotonic() - begun >= 0.05


@pytest.mark.parametrize("size", [1, 40, 1_000], ids=["bytewise", "cut", "in one piece"])
def test_requests_sent_together_are_answered_one_by_one(size: int) -> None:
    def together() -> RequestFlow[list[bytes | None]]:
        answers = [*(yield 3 * [ASKED]), *(yield [ASKED])]
        bodies: list[bytes | None] = [answer.body for answer in answers]
        return bodies

    with scripted_server(OK + FEW_CHUNKS + OK, OK) as server:
        server.piece_bytes = size
        pool = ConnectionPool(server.address)
        found = run(pool, {"a": together()})
        pool.close()
        assert (found, server.connections) == ({"a": [b"hi", b"abc", b"hi", b"hi"]}, 1)


@pytest.mark.parametrize("said", [LAST + OK, OK, OK + b"nonsense\r\n\r\n", OK + b"HTTP/1.1 200 OK\r\n"])
def test_server_that_hangs_up_after_the_first_of_several_leaves_the_others_unanswered(said: bytes) -> None:
    def together() -> RequestFlow[list[bytes | None]]:
        answers = yield 3 * [ASKED]
        bodies: list[bytes | None] = [answer.body for answer in answers]
        return bodies

    with scripted_server(said) as server:
        assert run(ConnectionPool(server.address), {"a": together()}) == {"a": [b"hi"]}


def test_what_comes_behind_the_last_answer_is_taken_for_no_other() -> None:
    def twice() -> RequestFlow[list[bytes | None]]:
        answers = [*(yield 2 * [ASKED]), *(yield [ASKED])]
        bodies: list[bytes | None] = [answer.body for answer in answers]
        return bodies

    with scripted_server(OK + OK + OK[:20], b"no") as server:
        server.later = [OK]
        pool = ConnectionPool(server.address)
        found = run(pool, {"a": twice()})
        pool.close()
        assert (found, server.connections) == ({"a": [b"hi", b"hi", b"hi"]}, 2)


def test_pause_lets_the_others_go_on(start: Start) -> None:
    _, pool = start(None)
    order = []

    def patient(name: str, seconds: float) -> RequestFlow[list[bytes | None]]:
        yield Pause(seconds)
        order.append(name)
        return (yield from posts("/"))

    found = run(pool, {"late": patient("late", 0.1), "soon": patient("soon", 0.0)})
    assert found == {"late": [b"4"], "soon": [b"4"]}
    assert order == ["soon", "late"]


def tries(count: list[str], name: str) -> RequestFlow[list[bytes | None]]:
    """Try again and again, after long pauses, and never succeed."""
    while True:
        count.append(name)
        yield from posts("/")
        # Longer than even a busy machine takes for what the others ask.
        yield Pause(LONG_S / 2)


def test_round_does_not_wait_for_the_slow_once_the_others_have_ended(start: Start) -> None:
    _, pool = start(None)
    count: list[str] = []
    together = ConcurrentRequests[str, list[bytes | None]](pool, time_limit_s=LONG_S, linger_s=0.1)
    slow = {name: tries(count, name) for name in ("x", "y")}
    assert together.run({**slow, "a": posts("/"), "b": posts("/")}) == {"a": [b"4"], "b": [b"4"]}
    assert sorted(count) == ["x", "y"]


def test_hasty_are_not_waited_for_and_get_the_time_that_others_take(start: Start) -> None:
    server, pool = start(None)
    together = ConcurrentRequests[str, list[bytes | None]](pool, time_limit_s=LONG_S, linger_s=0.1)
    found = together.run({"silent": posts("/silent"), "h": posts("/"), "a": posts("/", "/")}, {"silent", "h"})
    assert found == {"h": [b"4"], "a": [b"4", b"4"]}
    assert not server.is_over.is_set()


def test_slow_flows_have_all_their_time_where_none_has_succeeded(start: Start) -> None:
    _, pool = start(None)

    def patient() -> RequestFlow[list[bytes | None]]:
        yield Pause(0.1)
        return (yield from posts("/"))

    together = ConcurrentRequests[str, list[bytes | None]](pool, time_limit_s=LONG_S, linger_s=0.0)
    assert together.run({"a": patient()}) == {"a": [b"4"]}


def test_round_ends_though_flows_still_wait_for_their_turn(start: Start) -> None:
    _, pool = start(None)
    silent = {f"{number}": posts("/silent") for number in range(3 * SOCKETS_MAX)}
    assert run(pool, {**silent, "last": posts("/")}, time_limit_s=0.1) == {}


def test_pause_beyond_the_time_limit_ends_the_flow(start: Start) -> None:
    _, pool = start(None)

    def patient() -> RequestFlow[list[bytes | None]]:
        yield Pause(LONG_S)
        return []

    assert run(pool, {"a": patient()}, time_limit_s=0.05) == {}


@either_way
def test_server_that_takes_no_connection_is_no_answer(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        pool = ConnectionPool(urlsplit(f"http://127.0.0.1:{unused.getsockname()[1]}"))
        assert run(pool, {"a": posts("/")}) == {"a": [None]}


@either_way
def test_flows_go_over_tls(start: Start, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = a_certificate(tmp_path)
    # OpenSSL's own way to name another authority.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server, pool = start(context)
    size = 2_000_000
    for _ in range(2):
        found = run(pool, {"a": posts("/", "/"), "b": posts("/", body=b"x" * size)})
        assert found == {"a": [b"4", b"4"], "b": [f"{size}".encode()]}
    assert len(set(server.peers)) <= 2
