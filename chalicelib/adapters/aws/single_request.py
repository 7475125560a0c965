"""One request by itself.

That is what the message function has for each order; what many at once need to be kept apart costs more
processor time than the request.
"""

import select
import ssl
from time import monotonic

from chalicelib.adapters.aws.connection_pool import ConnectionPool, PooledConnection
from chalicelib.adapters.aws.http_request import READ_BYTES, NoAnswerError, NotSentError
from chalicelib.adapters.aws.http_response import (
    ANSWER_BYTES_MAX,
    EMPTY_LINE,
    HttpResponse,
    ProtocolError,
    answer_in,
    look_again_at,
)


def ask_single(
    pool: ConnectionPool, data: bytes, *, time_limit_s: float, bytes_max: int = ANSWER_BYTES_MAX
) -> HttpResponse:
    """Make one request and return its answer, which has so many bytes at most.

    Raises:
        NotSentError: The server has seen nothing of it; the text is why.
        NoAnswerError: The server may have carried it out.
    """
    deadline, unsent, answer = monotonic() + time_limit_s, data, None
    try:
        connection = pool.take(time_limit_s)
    except OSError as error:
        raise _not_sent(error) from error
    try:
        while unsent:
            unsent = _send(connection, unsent, deadline)
        answer = _answer(connection, deadline, bytes_max)
    except (OSError, ProtocolError, ValueError) as error:
        if not isinstance(error, TimeoutError):
            pool.close()  # what is idle beside it may have gone the same way, unheard
        raise (_not_sent(error) if len(unsent) == len(data) else NoAnswerError) from error
    finally:
        if answer is not None and answer.is_reusable and not answer.rest:
            pool.give_back(connection)
        else:
            # A late answer, or what is left of a second one, must not be taken for the next request's.
            connection.close()
    return answer


def _not_sent(reason: Exception) -> NotSentError:
    # As of a certificate that no authority vouches for: operators learn it from nothing else.
    return NotSentError(f"not reached: {reason!r:.120}")


def _send(connection: PooledConnection, unsent: bytes, deadline: float) -> bytes:
    """Send what the network takes, or wait until it takes something; return what is left."""
    try:
        return unsent[connection.socket.send(unsent) :]
    except ssl.SSLWantReadError:
        _wait(connection, select.POLLIN, deadline)
    except (BlockingIOError, ssl.SSLWantWriteError):
        _wait(connection, select.POLLOUT, deadline)
    return unsent


def _answer(connection: PooledConnection, deadline: float, bytes_max: int) -> HttpResponse:
    received, look_at = bytearray(), 0
    unread: int | None = None
    while True:
        if not (received and connection.has_decrypted_rest()):
            _wait(connection, select.POLLIN, deadline)
        try:
            data = connection.socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            continue
        received += data
        if len(received) > bytes_max:
            raise ProtocolError("the answer is too long")
        if not data or len(received) >= look_at or received.endswith(EMPTY_LINE):
            so_far = bytes(received)
            answer = answer_in(so_far, is_over=not data)
            if answer is not None:
                return answer
            look_at = look_again_at(so_far)
        # All that had come by then is read: a process that was stopped meanwhile finds an answer there. No
        # more is: some servers always have a few bytes more, for minutes.
        if unread is not None:
            unread -= len(data)
        elif monotonic() >= deadline:
            unread = connection.unread_bytes()
        if unread is not None and unread <= 0:
            raise TimeoutError


def _wait(connection: PooledConnection, wanted: int, deadline: float) -> None:
    """Wait until the network gives, or takes, something.

    Raises:
        TimeoutError: It does neither in time.
    """
    watch = connection.readable
    if wanted != select.POLLIN:
        watch = select.poll()
        watch.register(connection.fileno, wanted)
    if not watch.poll(max(0.0, deadline - monotonic()) * 1000):
        raise TimeoutError
