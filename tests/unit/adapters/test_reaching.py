"""Connecting by name: to the first address that takes it, in one time for all of them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from math import inf
from time import monotonic
from typing import Any

import pytest

from chalicelib.adapters.reaching import reached


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as silent:  # which keeps the port from others, and does not listen
        silent.bind(("127.0.0.1", 0))
        yield port_of(silent)


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Let every name stand for these addresses."""

    def addresses_of(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", addresses_of)


@pytest.mark.parametrize("deadline", [inf, monotonic() + 3_600], ids=["never", "in an hour"])
def test_server_is_reached_by_its_name(listener: socket.socket, deadline: float) -> None:
    with reached("127.0.0.1", port_of(listener), deadline=deadline) as connection:
        assert connection.getpeername() == listener.getsockname()


def test_address_that_takes_nothing_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, closed_port: int
) -> None:
    resolving(monkeypatch, ("127.0.0.1", closed_port), listener.getsockname())
    with reached("db", 1, deadline=inf) as connection:
        assert connection.getpeername() == listener.getsockname()


@pytest.fixture
def silence() -> Iterator[tuple[str, int]]:
    """An address at which nobody refuses and nobody answers: there is no room for one more who waits."""
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            each = waiting.enter_context(socket.socket())
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield full.getsockname()


@pytest.mark.parametrize("places", [1, 3])
def test_address_that_says_nothing_keeps_none_of_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, silence: tuple[str, int], places: int
) -> None:
    """As where one zone of a VPC endpoint is down."""
    resolving(monkeypatch, *[silence] * places, listener.getsockname())
    with reached("db", 1, deadline=inf) as connection:
        assert connection.getpeername() == listener.getsockname()
        assert connection.getblocking()


def test_addresses_that_say_nothing_are_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, silence: tuple[str, int]
) -> None:
    resolving(monkeypatch, silence, silence)
    with pytest.raises(TimeoutError):
        reached("db", 1, deadline=monotonic() + 0.4)


def test_kind_of_address_that_the_system_does_not_have_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    """As IPv6, where the kernel was started without it and names have such addresses all the same."""
    unknown = 255
    found = [
        (family, socket.SOCK_STREAM, 0, "", listener.getsockname()) for family in (unknown, socket.AF_INET)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with reached("db", 1, deadline=inf) as connection:
        assert connection.getpeername() == listener.getsockname()


def test_kind_of_address_that_says_nothing_leaves_the_other_its_turn_after_the_first(
    monkeypatch: pytest.MonkeyPatch, listener: socket.socket, silence: tuple[str, int]
) -> None:
    """As where IPv6 has addresses and no way out: eight of them would use up the time to connect."""
    asked: list[str] = []

    class Noting(socket.socket):
        def connect_ex(self, address: Any) -> int:
            is_ours = address == listener.getsockname()
            asked.append("IPv4" if is_ours else "IPv6")
            return super().connect_ex(address)

    # All are of IPv4 underneath: a machine that runs this need have no other.
    found = [
        (family, socket.SOCK_STREAM, 6, "", address)
        for family, address in [
            *[(socket.AF_INET6, silence)] * 8,
            *[(socket.AF_INET, listener.getsockname())] * 2,
        ]
    ]
    monkeypatch.setattr(socket, "socket", lambda _, kind, protocol: Noting(socket.AF_INET, kind, protocol))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with reached("sqs", 1, deadline=inf) as connection:
        assert connection.getpeername() == listener.getsockname()
    assert asked == ["IPv6", "IPv4"]


def test_last_refusal_is_told_if_no_address_takes_it(
    monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    resolving(monkeypatch, ("127.0.0.1", closed_port), ("127.0.0.1", closed_port))
    with pytest.raises(ConnectionRefusedError):
        reached("db", 1, deadline=inf)


def test_name_without_an_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        reached("db", 1, deadline=inf)


def test_nothing_is_tried_once_the_time_is_up(listener: socket.socket) -> None:
    with pytest.raises(TimeoutError):
        reached("127.0.0.1", port_of(listener), deadline=monotonic())


@pytest.mark.parametrize("name", ["a..b", "x" * 64])
def test_what_can_be_no_name_is_not_reached(name: str) -> None:
    with pytest.raises(OSError, match=r"no server|not known|resolution"):
        reached(name, 1, deadline=inf)
