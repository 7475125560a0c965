"""One request flow with a server, by itself.

That is what the message function has twice for each order; what many at once need to be kept apart costs more
processor time than the requests.
"""

import select
from collections.abc import Sequence
from time import monotonic, sleep

from chalicelib.adapters.aws.connection_pool import ConnectionPool, PooledConnection
from chalicelib.adapters.aws.http_request import (
    Answers,
    HttpRequest,
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
    request = HttpRequest(monotonic() + time_limit_s)
    answers: Answers = ()
    try:
        wanted = next(flow)
        while True:
            if isinstance(wanted, Pause):
                _release(request, pool)
                _pause(wanted.seconds, request.deadline)
                answers = ()
            else:
                answers = _answers(request, wanted, pool)
            wanted = flow.send(answers)
    except StopIteration as end:
        _release(request, pool)
        result: Result = end.value
        return result
    finally:
        # Still there only after a failure: a late answer must not be taken for the next request's.
        _hang_up(request)


def ask_single(pool: ConnectionPool, data: bytes, *, time_limit_s: float) -> HttpResponse:
    """Make one request and return its answer.

    Raises:
        NotSentError: The server has seen nothing of it.
        NoAnswerError: The server may have carried it out.
    """
    request = HttpRequest(monotonic() + time_limit_s)
    try:
        answers = _answers(request, (data,), pool)
        if answers:
            _release(request, pool)
            return answers[0]
    except OutOfTimeError:
        pass
    finally:
        _hang_up(request)
    raise NoAnswerError if request.has_sent else NotSentError


def _answers(request: HttpRequest, asked: Sequence[bytes], pool: ConnectionPool) -> Answers:
    """Return what is answered to requests, up to where the connection fails."""
    is_answered, request.answers = False, []
    try:
        connection = request.connection
        if connection is None:
            connection = request.connection = pool.take(request.deadline - monotonic())
        request.ask(asked)
        while not is_answered:
            _wait(request, connection)
            is_answered = request.advance()
    except (OSError, ProtocolError, ValueError):
        _hang_up(request)
    else:
        if not request.answers[-1].is_reusable:
            _hang_up(request)
    return request.answers


def _wait(request: HttpRequest, connection: PooledConnection) -> None:
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


def _release(request: HttpRequest, pool: ConnectionPool) -> None:
    if request.connection is not None:
        pool.give_back(request.connection)
        request.connection = None


def _hang_up(request: HttpRequest) -> None:
    if request.connection is not None:
        request.connection.close()
        request.connection = None
