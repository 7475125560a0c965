"""The client for Python on the real engine, while parts of it are killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from orderflow_client import FINAL, Client, Limits, OrderChangedError, RefusedError
from orderflow_client.sync import Client as WaitingClient
from orderflow_client.sync import Order as WaitingOrder
from tests.e2e.conftest import an_instance, tracebacks
from tests.e2e.trader import LIFE
from tests.support.instance import REPOSITORY, Instance, is_running

CLIENT = REPOSITORY / "clients" / "python"
IN_FLIGHT = {"QUOTE_LATENCY_MS": "50", "SETTLEMENT_LATENCY_MS": "400"}
ORDERS = 12
VISIBILITY_S = 10  # more than a consumer's lease lasts
# How long an answer takes says how busy the machine is.
PATIENT = Limits(time_limit_s=120)


def run_example(name: str, instance: Instance, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CLIENT / "examples" / name), "--url", f"http://127.0.0.1:{instance.port}"]
    environment = {**os.environ, "PYTHONPATH": str(CLIENT / "src")}
    return subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)


def test_order_is_followed_from_pending_to_confirmed(instance: Instance) -> None:
    with WaitingClient(f"http://127.0.0.1:{instance.port}", limits=PATIENT) as client:
        order = client.submit(side="sell", amount="0.5")
        events = list(order.events())
        assert [event.status for event in events] == LIFE
        assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
        assert order.read().output_amount == events[-1].output_amount
        assert client.order(order.id).result() == events[-1]
        assert client.submit(side="sell", amount="0.5", client_order_id=order.client_order_id).id == order.id
        with pytest.raises(RefusedError, match="CLIENT_ORDER_ID_CONFLICT"):
            client.submit(side="sell", amount="0.6", client_order_id=order.client_order_id)
        assert client.quote(side="sell", amount="1").output_amount > 0
        assert {token.symbol for token in client.venues().tokens} >= {"SOL", "USDC"}
        assert client.health().status == "ok"
        assert order.id in {each.order_id for each in client.orders(status="confirmed")}


def test_resting_order_is_moved_and_canceled(instance: Instance) -> None:
    with WaitingClient(f"http://127.0.0.1:{instance.port}", limits=PATIENT) as client:
        order = client.submit(type="limit", side="buy", amount="0.5", limit_price="100")
        events = order.events()
        resting = next(event for event in events if event.status == "open")
        with pytest.raises(OrderChangedError):
            order.amend(limit_price="101", if_seq=resting.seq - 1)
        order.amend(limit_price="101.5", if_seq=resting.seq)
        moved = next(events)
        assert (moved.seq, moved.status) == (resting.seq + 1, "open")
        assert moved.raw["amended"]["limitPrice"] == "101.5"
        assert order.cancel().status == "canceled"
        assert [event.status for event in events] == ["canceled"]


def test_limit_that_the_market_meets_is_filled_at_it_or_better(instance: Instance) -> None:
    with WaitingClient(f"http://127.0.0.1:{instance.port}", limits=PATIENT) as client:
        end = client.submit(type="limit", side="sell", amount="0.5", limit_price="100").result()
        assert end.status == "confirmed"
        assert end.output_amount is not None
        assert end.output_amount >= 50


def test_stop_is_fired_by_the_market_and_told_in_the_feed_of_the_account(instance: Instance) -> None:
    with WaitingClient(f"http://127.0.0.1:{instance.port}", limits=PATIENT) as client:
        first = client.submit(type="limit", side="buy", amount="0.5", limit_price="90")
        feed = client.events()
        while next(feed).order_id != first.id:
            pass
        first.cancel()
        order = client.submit(
            side="sell", amount="0.5", trigger={"price": "140", "when": "above", "if_already_met": "execute"}
        )
        seen = []
        for event in feed:
            if event.order_id == order.id:
                seen.append((event.seq, str(event.status)))
                if event.status in FINAL:
                    break
        assert seen == list(enumerate(["pending", "open", "triggered", *LIFE[1:]], 1))


def test_batch_is_judged_order_by_order_and_what_rests_of_it_is_canceled_together(instance: Instance) -> None:
    with WaitingClient(f"http://127.0.0.1:{instance.port}", limits=PATIENT) as client:
        assert client.preview(type="limit", side="buy", amount="1", limit_price="90").verdict == "open"
        assert client.preview(side="sell", amount="1").verdict == "executeNow"
        resting, refused, sold = client.submit_batch(
            [
                {"type": "limit", "side": "buy", "base_asset": "JUP", "quote_asset": "USDC",
                 "amount": "1", "limit_price": "0.1"},
                {"side": "sell", "amount": "-1"},
                {"side": "sell", "amount": "0.5"},
            ]
        )  # fmt: skip
        assert isinstance(refused, RefusedError)
        assert isinstance(resting, WaitingOrder)
        assert isinstance(sold, WaitingOrder)
        assert sold.result().status == "confirmed"
        next(event for event in resting.events() if event.status == "open")
        done = client.cancel_all(base_asset="JUP", quote_asset="USDC", types=["limit"])
        assert (done.canceled, list(done.already_sent)) == (1, [])
        assert resting.result().status == "canceled"
        assert "SOL/USDC" in {f"{each.base_asset}/{each.quote_asset}" for each in client.markets().markets}


def test_first_order_as_the_example_has_it(instance: Instance) -> None:
    result = run_example("first_order.py", instance)
    assert result.returncode == 0, result.stderr
    assert "6 confirmed" in result.stdout
    assert "1.5 SOL became" in result.stdout


def test_many_orders_with_a_progress_bar_as_the_example_has_it(instance: Instance) -> None:
    result = run_example("ten_thousand_orders.py", instance, "--orders", "150", "--at-once", "50")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "150 confirmed\n"
    assert "150/150" in result.stderr


def test_trade_prints_every_event_of_the_order(instance: Instance) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "infra.cli", "trade", "sell", "0.25"],
        cwd=REPOSITORY,
        env={**os.environ, "ORDERFLOW_HOME": str(instance.state_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert [line.split()[2] for line in result.stdout.splitlines()[1:]] == LIFE
    assert " confirmed  0.25 SOL → " in result.stdout


def test_trade_in_a_terminal_that_has_no_arrows_shows_their_numbers(instance: Instance) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "infra.cli", "trade", "sell", "0.25"],
        cwd=REPOSITORY,
        env={**os.environ, "ORDERFLOW_HOME": str(instance.state_dir), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert r" confirmed  0.25 SOL \u2192 " in result.stdout


class Relay:
    """A way to a local port that can be cut, and then lets nobody through until it is mended."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._target)
        ends = {writer, onward}
        self._open |= ends
        await asyncio.gather(self._pump(reader, onward), self._pump(onward_reader, writer))
        self._open -= ends

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        target.close()


def test_feed_loses_and_doubles_nothing_of_orders_that_came_and_ended_while_it_was_cut_off(
    instance: Instance,
) -> None:
    async def story() -> None:
        direct = f"http://127.0.0.1:{instance.port}"
        relay = Relay(instance.port)
        async with (
            relay as url,
            Client(direct, limits=PATIENT) as trader,
            Client(url, rest_url=f"{direct}/api", limits=PATIENT) as watcher,
        ):
            feed, ours = watcher.events(), set[str]()
            waiting = asyncio.ensure_future(anext(feed))
            # An order that ends before the feed is subscribed is not its business.
            while not waiting.done():
                ours.add((await trader.submit(side="sell", amount="0.2")).id)
            event = await waiting  # what other tests left unfinished may come before
            while event.order_id not in ours:
                event = await anext(feed)
            relay.cut()
            unseen = [await trader.submit(side="sell", amount="0.3") for _ in range(3)]
            for order in unseen:
                await order.result()
            relay.mend()
            last = await trader.submit(side="sell", amount="0.4")
            seen = {event.order_id: [event.seq]}
            first = event.order_id
            async for event in feed:
                seen.setdefault(event.order_id, []).append(event.seq)
                if event.order_id == last.id and event.status in FINAL:
                    break
            for order_id in (first, *(order.id for order in (*unseen, last))):
                assert seen[order_id] == list(range(1, len(LIFE) + 1))

    asyncio.run(story())


def impatient_queues(folder: Path) -> Path:
    """The deployed queues, but what a killed consumer held is there again in seconds."""
    template = json.loads((REPOSITORY / "infra" / "deploy" / "queues.json").read_text("utf-8"))
    for resource in template["Resources"].values():
        if "VisibilityTimeout" in resource.get("Properties", {}):
            resource["Properties"]["VisibilityTimeout"] = VISIBILITY_S
    path = folder / "queues.json"
    path.write_text(json.dumps(template))
    return path


def test_no_event_is_lost_or_doubled_while_consumers_are_killed_and_the_runtime_restarts(
    tmp_path: Path,
) -> None:
    """One story, since each start costs seconds.

    Orders in flight, kill -9, a new gateway on the same port.
    """
    environment = {**IN_FLIGHT, "ORDERFLOW_QUEUES": str(impatient_queues(tmp_path))}
    started = [an_instance(tmp_path / "state", environment=environment)]

    def consumers() -> list[int] | None:
        """Return those that are at work; the status tells of new ones a second later."""
        pids: list[int] = started[0].status()["pids"]["functions"].get("execute_orders", [])
        return [pid for pid in pids if is_running(pid)]

    async def strike() -> None:
        for pid in started[0].wait(consumers, "consumers"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(started[0].stop, signal.SIGTERM)
        started.append(an_instance(tmp_path / "state", port=started[0].port, environment=environment))
        await asyncio.to_thread(started[1].line, "ready in")

    async def story() -> None:
        is_in_flight = asyncio.Event()

        async def one(number: int) -> list[tuple[int, str]]:
            # A start takes as long as the machine is busy.
            order = await client.submit(side="sell", amount=f"0.{10 + number}", valid_for_seconds=3_600)
            seen = []
            async for event in order.events():
                is_in_flight.set()
                seen.append((event.seq, str(event.status)))
            return seen

        async with Client(f"http://127.0.0.1:{started[0].port}", limits=PATIENT) as client:
            following = [asyncio.create_task(one(number)) for number in range(ORDERS)]
            await is_in_flight.wait()
            await strike()
            for events in await asyncio.gather(*following):
                assert [seq for seq, _ in events] == list(range(1, len(events) + 1))
                assert [status for _, status in events if status in FINAL] == ["confirmed"]
                assert events[-1][1] == "confirmed"
            assert len([order async for order in client.orders()]) == ORDERS

    try:
        started[0].line("ready in")
        asyncio.run(story())
        assert tracebacks(started[1]) == []
    finally:
        for each in started:
            each.stop()
