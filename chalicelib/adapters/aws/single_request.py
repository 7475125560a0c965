"""One request flow with a server, by itself.

That is what the message function has twice for each order; what many at once need to be kept apart costs more
processor time than the requests.
"""

import select
from time import monotonic, sleep

from chalicelib.adapters.aws.connection_pool import ConnectionPool, PooledConnection
from chalicelib.adapters.aws.http_request import (
    HttpRequest,
    NextAnswer,
    NoAnswerError,
    NotSentError,
    OutOfTimeError,
    Pause,
    RequestFlow,
    Result,
)
from chalicelib.adapters.aws.http_response import HttpResponse, ProtocolError


def run_single_flow(pool: ConnectionPool, flow: RequestFlow[Result], *, time_limit_s: float) -> Result:
    """Run a request flow and return what became of it.

    Raises:
        OutOfTimeError: It did not end in time.
    """
    request = HttpRequest(flow, monotonic() + time_limit_s)
    answer: HttpResponse | None = None
    try:
        while True:
            try:
                wanted = flow.send(answer)
            except StopIteration as end:
                result: Result = end.value
                _release(request, pool)
                return result
            if isinstance(wanted, Pause):
                _release(request, pool)
                _pause(wanted.seconds, request.deadline)
                answer = None
            elif isinstance(wanted, NextAnswer):
                answer = None if request.connection is None else _next_answer(request, request.connection)
            else:
                answer = _answer(request, wanted, pool)
    finally:
        # Still there only after a failure: a late answer must not be taken for the next request's.
        _hang_up(request)


def ask_single(pool: ConnectionPool, data: bytes, *, time_limit_s: float) -> HttpResponse:
    """Make one request and return its answer.

    Raises:
        NotSentError: The server has seen nothing of it.
        NoAnswerError: The server may have carried it out.
    """
    request: HttpRequest[None] = HttpRequest(_silent(), monotonic() + time_limit_s)
    try:
        answer = _answer(request, data, pool)
        if answer is not None:
            _release(request, pool)
            return answer
    except OutOfTimeError:
        pass
    finally:
        _hang_up(request)
    raise NoAnswerError if request.has_sent else NotSentError


def _silent() -> RequestFlow[None]:
    """Return a request flow that its owner drives by itself."""
    yield from ()


def _answer(request: HttpRequest[Result], data: bytes, pool: ConnectionPool) -> HttpResponse | None:
    """Return what is answered to a request; None if the connection fails."""
    try:
        if request.connection is None:
            request.connection = pool.take(request.deadline - monotonic())
        request.ask(data)
        answer = _awaited(request, request.connection)
    except (OSError, ProtocolError, ValueError):
        _hang_up(request)
        return None
    if not answer.is_reusable:
        _hang_up(request)
    return answer


def _next_answer(request: HttpRequest[Result], connection: PooledConnection) -> HttpResponse | None:
    """Return the answer to the next of the requests that were sent together;
    None if the connection fails.
    """
    try:
        answer = request.next_answer() or _awaited(request, connection)
    except (OSError, ProtocolError, ValueError):
        _hang_up(request)
        return None
    if not answer.is_reusable:
        _hang_up(request)
    return answer


def _awaited(request: HttpRequest[Result], connection: PooledConnection) -> HttpResponse:
    while True:
        _wait(request, connection)
        answer = request.advance()
        if answer is not None:
            return answer


def _wait(request: HttpRequest[Result], connection: PooledConnection) -> None:
    left_ms = max(0.0, request.deadline - monotonic()) * 1000
    if request.wanted == select.POLLIN:
        is_ready = bool(connection.readable.poll(left_ms))
    else:
        watch = select.poll()
        watch.register(connection.fileno, request.wanted)
        is_ready = bool(watch.poll(left_ms))
    if not is_ready:
        raise OutOfTimeError


def _pause(seconds: float, deadline: float) -> None:
    left_s = deadline - monotonic()
    sleep(max(0.0, min(seconds, left_s)))
    if seconds >= left_s:
        raise OutOfTimeError


def _release(request: HttpRequest[Result], pool: ConnectionPool) -> None:
    if request.connection is not None:
        pool.give_back(request.connection)
        request.connection = None


def _hang_up(request: HttpRequest[Result]) -> None:
    if request.connection is not None:
        request.connection.close()
        request.connection = None
