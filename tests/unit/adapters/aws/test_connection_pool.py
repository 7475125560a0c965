"""Connections that outlive their requests.

Used again while the server keeps them, and not a moment longer.
"""

import socket
from collections import deque

import pytest

from chalicelib.adapters.aws.connection_pool import IDLE_MAX_S, ConnectionPool, PooledConnection
from tests.fakes.http_server import OK, ScriptedServer, scripted_server

TIMEOUT_S = 30.0


def asked(connection: PooledConnection) -> bytes:
    """Make a request over a connection, and wait for what is said."""
    connection.socket.send(b"GET / HTTP/1.1\r\n\r\n")
    assert connection.readable.poll(TIMEOUT_S * 1000)
    return connection.socket.recv(65_536)


def test_connection_that_was_given_back_is_taken_again() -> None:
    with scripted_server(OK, OK) as server:
        pool = ConnectionPool(server.address)
        first = pool.take(TIMEOUT_S)
        pool.give_back(first)
        assert pool.take(TIMEOUT_S) is first
        first.close()


def test_connection_used_last_is_taken_first() -> None:
    with scripted_server(OK) as server:
        pool = ConnectionPool(server.address)
        older, younger = pool.take(TIMEOUT_S), pool.take(TIMEOUT_S)
        pool.give_back(older)
        pool.give_back(younger)
        assert [pool.take(TIMEOUT_S), pool.take(TIMEOUT_S)] == [younger, older]
        older.close()
        younger.close()


def test_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    with scripted_server(OK) as server:
        pool = ConnectionPool(server.address)
        first = pool.take(TIMEOUT_S)
        assert asked(first) == OK
        assert first.readable.poll(TIMEOUT_S * 1000)  # its end
        pool.give_back(first)
        second = pool.take(TIMEOUT_S)
        assert second is not first
        assert asked(second) == OK
        second.close()


def test_connection_that_was_idle_for_long_is_replaced_since_its_end_may_not_have_been_heard() -> None:
    """Ten of a burst, each of which fails by itself, would use up an order's tries."""
    clock = [0.0]
    with scripted_server(OK) as server:
        pool = ConnectionPool(server.address, monotonic_s=lambda: clock[0])
        first, second = pool.take(TIMEOUT_S), pool.take(TIMEOUT_S)
        pool.give_back(first)
        clock[0] = IDLE_MAX_S
        pool.give_back(second)
        clock[0] += 1
        assert pool.take(TIMEOUT_S) is second
        third = pool.take(TIMEOUT_S)
        assert third is not first
        assert first.socket.fileno() == -1
        second.close()
        third.close()


def test_connection_tells_how_much_has_come_and_was_not_read() -> None:
    with scripted_server(OK) as server:
        connection = ConnectionPool(server.address).take(TIMEOUT_S)
        assert connection.unread_bytes() == 0
        connection.socket.send(b"GET / HTTP/1.1\r\n\r\n")
        come = b""
        while len(come) < len(OK) - 1:
            assert connection.readable.poll(TIMEOUT_S * 1000)
            come += connection.socket.recv(1)
        assert connection.readable.poll(TIMEOUT_S * 1000)
        assert connection.unread_bytes() == 1
        connection.close()


def test_closed_pool_keeps_no_connection() -> None:
    with scripted_server(OK) as server:
        pool = ConnectionPool(server.address)
        connection = pool.take(TIMEOUT_S)
        pool.give_back(connection)
        pool.close()
        assert connection.socket.fileno() == -1


def test_pool_may_be_closed_while_other_threads_take_from_it() -> None:
    """As where several requests fail at once, each of which closes what is idle."""

    class Emptied(deque[PooledConnection]):
        def __bool__(self) -> bool:
            return True  # and by the next moment another thread has taken the last one

    with scripted_server(OK) as server:
        pool = ConnectionPool(server.address)
        pool._idle = Emptied()
        pool.close()
        pool.take(TIMEOUT_S).close()


def test_connection_never_waits_and_sends_at_once() -> None:
    with scripted_server(OK) as server:
        connection = ConnectionPool(server.address).take(TIMEOUT_S)
        assert connection.socket.gettimeout() == 0
        assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not connection.has_decrypted_rest()
        connection.close()


def test_server_that_takes_no_connection_is_an_error() -> None:
    server = ScriptedServer([])
    address = server.address
    server.close()
    with pytest.raises(OSError, match="refused"):
        ConnectionPool(address).take(TIMEOUT_S)


def test_server_that_does_not_shake_hands_is_given_up() -> None:
    with scripted_server(None, None) as server:
        secure = server.address._replace(scheme="https")
        with pytest.raises(TimeoutError):
            ConnectionPool(secure).take(0.02)


def test_server_that_answers_a_handshake_with_something_else_is_an_error() -> None:
    with scripted_server(OK) as server, pytest.raises(OSError, match="SSL"):
        ConnectionPool(server.address._replace(scheme="https")).take(TIMEOUT_S)
