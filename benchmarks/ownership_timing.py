"""Whether time tells another account's order from an unknown id: ``python -m benchmarks.ownership_timing``.

A stranger asks about both in turn, through the whole runtime, the first of each pair drawn by lot; whatever
else the machine does meanwhile meets both alike. Nothing is waited for (``ORDER_LOOKUP_WAIT_MS=0``): the
usual wait for an order that may be in the queue still is the same for both, and would only hide a difference.
"""

import argparse
import json
import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx
import jwt
from websockets.sync.client import ClientConnection, connect

from benchmarks.environment import environment_lines
from benchmarks.instance import Instance, running_instance

_SECRET: Final = "a shared secret of thirty-two bytes or more"  # noqa: S105  # of this run's instance alone
_ENVIRONMENT: Final = {
    "AUTH_MODE": "jwt",
    "JWT_SECRET": _SECRET,
    "JWT_ISSUER": "benchmark",
    "JWT_AUDIENCE": "orderflow",
    "ORDER_LOOKUP_WAIT_MS": "0",
    "QUOTE_LATENCY_MS": "0",
    "SETTLEMENT_LATENCY_MS": "0",
}
_WARM_UP: Final = 20

Ask = Callable[[str], None]
"""Asks about an order id, and returns when the refusal is there."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=500)
    pairs: int = parser.parse_args().pairs
    print(*environment_lines(), f"{pairs} pairs of requests for each route", sep="\n")
    print(f"\n{'route':<28}{'anothers, median ms':>21}{'unknown, median ms':>21}{'ratio':>8}{'guessed':>9}")
    with running_instance(_ENVIRONMENT) as instance:
        order_id = _traded(instance)
        with _routes(instance) as routes:
            for name, ask in routes.items():
                print(_line(name, _pairs(ask, order_id, pairs)))
    print("\nguessed: pairs in which the slower one was another's; 50 % is what a coin would guess")


def _pairs(ask: Ask, order_id: str, pairs: int) -> list[tuple[float, float]]:
    """Return how long another's order and an unknown id took, in seconds, pair by pair."""
    dice = random.Random(1)
    taken = []
    for number in range(_WARM_UP + pairs):
        unknown = str(uuid.uuid4())
        by_id = {each: _seconds(ask, each) for each in dice.sample((order_id, unknown), 2)}
        if number >= _WARM_UP:
            taken.append((by_id[order_id], by_id[unknown]))
    return taken


def _seconds(ask: Ask, order_id: str) -> float:
    began = time.perf_counter()
    ask(order_id)
    return time.perf_counter() - began


def _line(name: str, taken: list[tuple[float, float]]) -> str:
    others, unknown = (statistics.median(times) * 1000 for times in zip(*taken, strict=True))
    guessed = sum(other > none for other, none in taken) / len(taken)
    return f"{name:<28}{others:>21.3f}{unknown:>21.3f}{others / unknown:>8.3f}{guessed:>9.1%}"


@contextmanager
def _routes(instance: Instance) -> Iterator[Mapping[str, Ask]]:
    base = f"http://127.0.0.1:{instance.port}/api/orders"
    stranger = _bearer("stranger")
    with httpx.Client(headers=stranger) as client, connect(instance.url, additional_headers=stranger) as peer:

        def rest(method: str, suffix: str = "") -> Ask:
            def ask(order_id: str) -> None:
                assert client.request(method, f"{base}/{order_id}{suffix}").status_code == 404

            return ask

        def frame(action: str) -> Ask:
            def ask(order_id: str) -> None:
                assert _answer(peer, {"action": action, "orderId": order_id})["code"] == "ORDER_NOT_FOUND"

            return ask

        yield {
            "GET /orders/{id}": rest("GET"),
            "GET /orders/{id}/events": rest("GET", "/events"),
            "DELETE /orders/{id}": rest("DELETE"),
            "subscribe frame": frame("subscribe"),
            "cancel frame": frame("cancel"),
        }


def _traded(instance: Instance) -> str:
    """Return the id of an order that its owner has seen confirmed."""
    with connect(instance.url, additional_headers=_bearer("owner")) as owner:
        frame = _answer(owner, {"action": "submit", "side": "sell", "amount": "0.01"})
        while frame.get("status") != "confirmed":
            frame = json.loads(owner.recv(timeout=30))
        return frame["orderId"]


def _answer(peer: ClientConnection, message: Mapping[str, str]) -> dict[str, str]:
    peer.send(json.dumps(message))
    answer: dict[str, str] = json.loads(peer.recv(timeout=30))
    return answer


def _bearer(account: str) -> dict[str, str]:
    claims = {"sub": account, "iss": "benchmark", "aud": "orderflow", "exp": int(time.time()) + 3_600}
    return {"Authorization": f"Bearer {jwt.encode(claims, _SECRET, algorithm='HS256')}"}


if __name__ == "__main__":
    main()
