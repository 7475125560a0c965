"""One conversation with a server, by itself.

That is what the message function has twice for each order; what many at once need to be kept apart costs more
processor time than the requests.
"""

import select
from time import monotonic, sleep

from chalicelib.adapters.http_exchange import Exchange, ProtocolError
from chalicelib.adapters.kept_sockets import KeptSocket, KeptSockets
from chalicelib.adapters.talk import (
    Conversation,
    NoAnswerError,
    NotSentError,
    OutOfTimeError,
    Pause,
    Result,
    Talk,
)


def converse_alone(
    sockets: KeptSockets, conversation: Conversation[Result], *, time_limit_s: float
) -> Result:
    """Hold a conversation and return what became of it.

    Raises:
        OutOfTimeError: It did not end in time.
    """
    talk = Talk(conversation, monotonic() + time_limit_s)
    answer: Exchange | None = None
    try:
        while True:
            try:
                wanted = conversation.send(answer)
            except StopIteration as end:
                result: Result = end.value
                _let_go(talk, sockets)
                return result
            if isinstance(wanted, Pause):
                _let_go(talk, sockets)
                _pause(wanted.seconds, talk.deadline)
                answer = None
            else:
                answer = _answer(talk, wanted, sockets)
    finally:
        # Still there only after a failure: a late answer must not be taken for the next request's.
        _hang_up(talk)


def ask_alone(sockets: KeptSockets, request: bytes, *, time_limit_s: float) -> Exchange:
    """Make one request and return its answer.

    Raises:
        NotSentError: The server has seen nothing of it.
        NoAnswerError: The server may have carried it out.
    """
    talk: Talk[None] = Talk(_silent(), monotonic() + time_limit_s)
    try:
        answer = _answer(talk, request, sockets)
        if answer is not None:
            _let_go(talk, sockets)
            return answer
    except OutOfTimeError:
        pass
    finally:
        _hang_up(talk)
    raise NoAnswerError if talk.has_sent else NotSentError


def _silent() -> Conversation[None]:
    """Return a conversation that its owner holds himself."""
    yield from ()


def _answer(talk: Talk[Result], request: bytes, sockets: KeptSockets) -> Exchange | None:
    """Return what is answered to a request; None if the connection fails."""
    try:
        if talk.connection is None:
            talk.connection = sockets.take(talk.deadline - monotonic())
        talk.ask(request)
        while True:
            _wait(talk, talk.connection)
            answer = talk.advance()
            if answer is not None:
                break
    except (OSError, ProtocolError, ValueError):
        _hang_up(talk)
        return None
    if not answer.is_reusable:
        _hang_up(talk)
    return answer


def _wait(talk: Talk[Result], connection: KeptSocket) -> None:
    left_ms = max(0.0, talk.deadline - monotonic()) * 1000
    if talk.wanted == select.POLLIN:
        is_ready = bool(connection.readable.poll(left_ms))
    else:
        watch = select.poll()
        watch.register(connection.fileno, talk.wanted)
        is_ready = bool(watch.poll(left_ms))
    if not is_ready:
        raise OutOfTimeError


def _pause(seconds: float, deadline: float) -> None:
    left_s = deadline - monotonic()
    sleep(max(0.0, min(seconds, left_s)))
    if seconds >= left_s:
        raise OutOfTimeError


def _let_go(talk: Talk[Result], sockets: KeptSockets) -> None:
    if talk.connection is not None:
        sockets.give_back(talk.connection)
        talk.connection = None


def _hang_up(talk: Talk[Result]) -> None:
    if talk.connection is not None:
        talk.connection.close()
        talk.connection = None
