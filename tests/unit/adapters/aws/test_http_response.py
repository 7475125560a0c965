"""Answers as servers really send them, whole and in pieces."""

from collections.abc import Iterator

import pytest

from chalicelib.adapters.aws.http_response import (
    ANSWER_BYTES_MAX,
    EMPTY_LINE,
    HttpResponse,
    ProtocolError,
    answer_in,
    look_again_at,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n"
ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde": HttpResponse(200, b"abcde", is_reusable=True),
    b"HTTP/1.1 410 Gone\r\ncontent-length:0\r\n\r\n": HttpResponse(410, b"", is_reusable=True),
    b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n": HttpResponse(
        429, b"", is_reusable=True, retry_after=b"2"
    ),
    b"HTTP/1.1 204 No Content\r\n\r\n": HttpResponse(204, b"", is_reusable=True),
    b"HTTP/1.1 200\r\nConnection: close\r\nContent-Length: 1\r\n\r\na": HttpResponse(
        200, b"a", is_reusable=False
    ),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n": HttpResponse(
        200, b"", is_reusable=True
    ),
    **{
        b"HTTP/1.1 200\r\n" + said + b"Content-Length: 1\r\n\r\na": HttpResponse(200, b"a", is_reusable=False)
        for said in (
            b"Connection: TE, Close\r\n",
            b"Connection: close ,TE\r\n",
            b"Connection: keep-alive\r\nConnection: close\r\n",
            b"Connection: close\r\nConnection: keep-alive\r\n",
            b"Connection: keep-alive, close\r\n",
        )
    },
    **{
        b"HTTP/1.1 200 OK\r\n%bContent-Length: 1\r\n%b\r\na" % (before, behind): HttpResponse(
            200, b"a", is_reusable=is_kept
        )
        for before, behind, is_kept in (
            (b"Connection: keep-alive\r\n", b"", True),
            (b"", b"connection:Keep-Alive\r\n", True),
            (b"", b"Connection: keep-alive\r\nConnection: close\r\n", False),
            (b"Connection: close\r\n", b"Connection: keep-alive\r\n", False),
        )
    },
    # An older server hangs up, unless it says that it does not.
    b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na": HttpResponse(200, b"a", is_reusable=False),
    b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\na": HttpResponse(
        200, b"a", is_reusable=True
    ),
    b"HTTP/1.1 200 OK\r\nConnection: not-close\r\nContent-Length: 1\r\n\r\na": HttpResponse(
        200, b"a", is_reusable=True
    ),
    CHUNKED + b"\r\n": HttpResponse(200, b"abcde", is_reusable=True),
    CHUNKED + b"T: 1\r\n\r\n": HttpResponse(200, b"abcde", is_reusable=True),
}


def looks(answer: bytes) -> Iterator[HttpResponse | None]:
    """What is found in an answer, byte after byte."""
    return (answer_in(answer[:end], is_over=False) for end in range(len(answer) + 1))


@pytest.mark.parametrize("answer", ANSWERS)
def test_answer_is_complete_with_its_last_byte_and_not_before(answer: bytes) -> None:
    *early, complete = looks(answer)
    assert early == [None] * len(answer)
    assert complete == ANSWERS[answer]


def test_answer_of_unknown_length_ends_with_the_connection() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nto the end"
    assert answer_in(answer, is_over=False) is None
    assert answer_in(answer, is_over=True) == HttpResponse(200, b"to the end", is_reusable=False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n",
        CHUNKED,
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 what\r\n\r\n",
        b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nabc",
        CHUNKED.replace(b"3;x=y", b"-1"),
    ],
)
def test_answer_that_breaks_off_or_is_no_http_is_an_error(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        answer_in(answer, is_over=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 102 Processing\r\n\r\n" * 2_000,
        CHUNKED[: CHUNKED.index(b"3;")] + b"1\r\na\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(ANSWER_BYTES_MAX),
    ],
    ids=["interim", "chunks", "bytes"],
)
def test_answer_that_is_made_to_keep_its_reader_busy_is_given_up(answer: bytes) -> None:
    """A node may be hostile: no answer of its takes longer to read than the time that is looked after."""
    with pytest.raises(ProtocolError):
        answer_in(answer, is_over=False)


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_look_that_would_find_an_answer_is_left_out(answer: bytes) -> None:
    for end in range(len(answer)):
        assert look_again_at(answer[:end]) <= len(answer) or answer.endswith(EMPTY_LINE)
        assert look_again_at(answer[:end]) > end


LONG = b"".join(b"1000\r\n%s\r\n" % (b"x" * 4_096) for _ in range(2_000)) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 8000000\r\n\r\n" + b"x" * 8_000_000,
        b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 8000000\r\n\r\n" + b"x" * 8_000_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + LONG,
    ],
    ids=["of a length", "of a length, kept alive", "in chunks"],
)
def test_megabytes_in_many_pieces_are_looked_at_a_few_times(answer: bytes) -> None:
    """Each look reads from the first byte: with one for each piece they would outlast a call's time."""
    looked, look_at = 0, 0
    for end in range(1_000, len(answer), 1_000):
        if end >= look_at or answer.endswith(EMPTY_LINE, 0, end):
            looked, look_at = looked + 1, look_again_at(answer[:end])
    assert looked < 20
    assert answer_in(answer, is_over=False) is not None


def test_answer_of_more_than_any_is_looked_at_when_it_is_known() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"
    assert look_again_at(head) == ANSWER_BYTES_MAX + 1
