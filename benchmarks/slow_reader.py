"""What a subscriber that does not read costs the others: ``python -m benchmarks.slow_reader``.

Orders per second over ten connections, by themselves, and then with a socket that subscribes to every order
of their account and reads nothing. Before the second figure enough orders run that neither its
buffers nor the gateway's take any more.
"""

import argparse
import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from benchmarks.load import QUIET
from benchmarks.shapes import Load, Shape, run_load

_ORDERS: Final = 600
_CONNECTIONS: Final = 10
_FILLING: Final = 2_000
_BUFFER_BYTES: Final = 4_096


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=_ORDERS, help="for each figure")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for line in environment_lines():
        print(line)
    with running_instance(QUIET) as instance:

        def rate(orders: int) -> float:
            return asyncio.run(run_load(instance, Load(orders, _CONNECTIONS, Shape.CLOSED_LOOP))).rate

        rate(200)
        print(f"\nby themselves       {_shown([rate(options.orders) for _ in range(options.runs)])}")
        with _deaf(instance.url):
            filled = rate(_FILLING)
            print(f"while it fills up   {filled:.0f}")
            print(f"beside one that is  {_shown([rate(options.orders) for _ in range(options.runs)])}")


def _shown(rates: list[float]) -> str:
    return ", ".join(f"{each:.0f}" for each in rates) + " orders/s"


@contextmanager
def _deaf(url: str) -> Iterator[None]:
    """Subscribe to everything and read nothing but the handshake."""
    address = urlsplit(url)
    protocol = ClientProtocol(parse_uri(url))
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        opened.connect((address.hostname, address.port))
        protocol.send_request(protocol.connect())
        opened.sendall(b"".join(protocol.data_to_send()))
        while protocol.state.name != "OPEN":
            protocol.receive_data(opened.recv(1))
        protocol.send_text(json.dumps({"action": "subscribe"}).encode())
        opened.sendall(b"".join(protocol.data_to_send()))
        yield


if __name__ == "__main__":
    main()
