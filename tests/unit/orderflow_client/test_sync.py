"""The client without asyncio."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import orderflow_client
from orderflow_client import ClientClosedError, NotFoundError
from orderflow_client.sync import Client, Order
from tests.fakes.engine_server import LIFE, FakeEngine
from tests.unit.orderflow_client.conftest import QUICK

_BEGINNING: Final = """
import asyncio, gc, os, signal, sys, threading
from orderflow_client.sync import Client
client = Client(sys.argv[1], rest_url=sys.argv[2])
order = client.submit(type="limit", side="buy", amount="1", limit_price="1")
events = order.events()
next(events)
close = client._client.close
begun = threading.Event()
async def close_late():
    begun.set()
    await asyncio.sleep(0.2)
    await close()
client._client.close = close_late
class Cycle:
    def __init__(self, held):
        self.held, self.own = held, self
"""
_HUNG_S: Final = 120
"""A process that is not at its end by then would never be: what is waited for takes a second."""


@contextmanager
def an_engine() -> Iterator[FakeEngine]:
    loop, engine = asyncio.new_event_loop(), FakeEngine()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(engine.__aenter__(), loop).result()
        yield engine
        asyncio.run_coroutine_threadsafe(engine.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_every_verb_waits_for_its_answer() -> None:
    with an_engine() as engine, Client(engine.url, rest_url=engine.rest_url, limits=QUICK) as client:
        order = client.submit(side="sell", amount="1")
        assert [event.status for event in order.events()] == list(LIFE)
        assert order.result().status == order.status == "confirmed"
        assert order.is_final
        assert client.order(order.id).read().client_order_id == order.client_order_id
        limit = client.submit(type="limit", side="buy", amount="1", limit_price="1")
        seen = limit.events()
        while next(seen).status != "open":
            pass
        assert limit.amend(limit_price="2").status == "open"
        assert client.cancel_all().canceled == 1
        (batched,) = client.submit_batch([{"side": "sell", "amount": "1"}])
        assert isinstance(batched, Order)
        assert batched.result().seq == 6
        assert len(list(client.orders())) == 3
        assert client.preview(side="sell", amount="1").raw["type"] == "preview"
        assert client.markets().markets
        assert client.health().queue == "ok"
        with pytest.raises(NotFoundError):
            client.order("0192f3a4-5b6c-7d8e-9f01-23456789abcd")


def test_every_other_verb_waits_too_and_an_iteration_that_is_left_ends() -> None:
    with an_engine() as engine, Client(engine.url, rest_url=engine.rest_url, limits=QUICK) as client:
        events = client.events()
        first, second = (
            client.submit(type="limit", side="buy", amount="1", limit_price="1") for _ in range(2)
        )
        assert {next(events).order_id for _ in range(4)} == {first.id, second.id}
        events.close()
        assert list(events) == []
        assert client.quote(side="sell", amount="1").price == 150
        assert client.amend(first.id, limit_price="2").status == "open"
        assert client.cancel(first.id).status == "canceled"
        assert second.cancel().status == "canceled"
        assert second.result() == second.last_event
        assert repr(second) == f"<Order {second.id} canceled>"


def test_closed_client_says_so_and_leaves_no_thread() -> None:
    with an_engine() as engine:
        client = Client(engine.url, rest_url=engine.rest_url, limits=QUICK)
        client.submit(side="sell", amount="1").result()
        client.close()
        client.close()
        with pytest.raises(ClientClosedError):
            client.health()
    assert [thread.name for thread in threading.enumerate() if "orderflow" in thread.name] == []


def test_call_that_another_thread_waits_for_ends_with_the_client() -> None:
    """Tried again for as long as the engine is away: a minute from now, which does not come any more."""
    with an_engine() as engine:
        client = Client(engine.url, rest_url=engine.rest_url, limits=replace(QUICK, time_limit_s=3_600))
        engine.rest_refusals.append((429, {"code": "RATE_LIMITED", "message": "no"}, {"Retry-After": "60"}))
        with ThreadPoolExecutor(1) as executor:
            asked = executor.submit(client.markets)
            while not engine.requests:
                time.sleep(0.01)
            client.close()
            assert isinstance(asked.exception(), ClientClosedError)


def test_order_that_another_thread_follows_ends_with_the_client() -> None:
    with an_engine() as engine:
        client = Client(engine.url, rest_url=engine.rest_url, limits=QUICK)
        order = client.submit(type="limit", side="buy", amount="1", limit_price="1")
        with ThreadPoolExecutor(1) as executor:
            ended = executor.submit(order.result)
            while order.status != "open":
                time.sleep(0.01)
            client.close()
            assert isinstance(ended.exception(), ClientClosedError)


def test_address_that_is_none_is_refused_and_leaves_no_thread() -> None:
    with pytest.raises(ValueError, match="address"):
        Client("nowhere")
    assert [thread.name for thread in threading.enumerate() if "orderflow" in thread.name] == []


def test_client_whose_thread_is_slow_to_begin_is_not_taken_for_a_closed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = threading.Thread.run

    def begin_late(thread: threading.Thread) -> None:
        time.sleep(0.05)
        begin(thread)

    with an_engine() as engine:
        monkeypatch.setattr(threading.Thread, "run", begin_late)
        with Client(engine.url, rest_url=engine.rest_url, limits=QUICK) as client:
            assert client.health().queue == "ok"


def test_calls_that_other_threads_make_while_the_client_closes_all_say_so() -> None:
    with an_engine() as engine, ThreadPoolExecutor(4) as executor:
        for _ in range(20):
            client = Client(engine.url, rest_url=engine.rest_url, limits=QUICK)
            ends = [executor.submit(_call_until_closed, client) for _ in range(4)]
            client.markets()
            client.close()
            assert all(isinstance(end.exception(), ClientClosedError) for end in ends)


def _call_until_closed(client: Client) -> None:
    while True:
        client.markets()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        pytest.param(
            "del client._client.close, close_late; print('left')", "left", id="left open with a generator"
        ),
        pytest.param(
            """
signal.signal(signal.SIGALRM, lambda *_: client.close())
def strike():
    begun.wait()
    signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
threading.Thread(target=strike).start()
client.close()
print(threading.active_count())
""",
            "1",
            id="closed by a signal's handler amid closing",
        ),
        pytest.param(
            """
from orderflow_client import ClientClosedError
def follow():
    try:
        order.result()
    except ClientClosedError:
        print("told")
def strike():
    begun.wait()
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
for task in (follow, strike):
    threading.Thread(target=task).start()
try:
    client.close()
except KeyboardInterrupt:
    client.close()
""",
            "told",
            id="interrupted amid closing",
        ),
        pytest.param(
            """
if (child := os.fork()) == 0:
    signal.alarm(60)
    client.close()
    try:
        client.health()
    except Exception as error:
        print(type(error).__name__, flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status)
client.close()
""",
            "ClientClosedError\n0",
            id="closed in a process that was forked",
        ),
        pytest.param(
            """
cycle = Cycle(events)
del cycle, events
async def collect():
    gc.collect()
client.wait(collect())
print(client.health().queue)
client.close()
""",
            "ok",
            id="generator collected in the client's thread",
        ),
        pytest.param(
            """
class Collecting:
    def __init__(self, lock):
        self.lock = lock
    def __enter__(self):
        self.lock.__enter__()
        gc.collect()
    def __exit__(self, *error):
        self.lock.__exit__(*error)
client._handing_over = Collecting(client._handing_over)
cycle = Cycle(events)
del cycle, events
print(client.health().queue)
client.close()
""",
            "ok",
            id="generator collected while a call is handed over",
        ),
    ],
)
def test_process_comes_to_its_end_whatever_the_client_is_amid(program: str, told: str) -> None:
    with an_engine() as engine:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _BEGINNING + program, engine.url, engine.rest_url],
            env={**os.environ, "PYTHONPATH": str(Path(orderflow_client.__file__).parents[1])},
            check=False,
            capture_output=True,
            text=True,
            timeout=_HUNG_S,
        )
    assert (ended.stdout.strip(), ended.stderr) == (told, "")
