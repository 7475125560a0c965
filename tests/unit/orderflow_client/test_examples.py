"""The examples that need orders that rest, as a reader of the README runs them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.fakes.engine_server import FakeEngine
from tests.unit.orderflow_client.test_sync import an_engine

CLIENT = Path(__file__).parents[3] / "clients" / "python"


def command(engine: FakeEngine, name: str, *options: str) -> list[str]:
    where = ["--url", engine.url, "--rest-url", engine.rest_url]
    return [sys.executable, str(CLIENT / "examples" / name), *where, *options]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CLIENT / "src")}


def run(engine: FakeEngine, name: str, *options: str) -> list[str]:
    result = subprocess.run(
        command(engine, name, *options), env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_ladder_has_a_rung_at_each_price_and_is_taken_down() -> None:
    with an_engine() as engine:
        lines = run(engine, "limit_ladder.py", "--top", "150", "--rungs", "3", "--seconds", "0")
        prices = [terms["limitPrice"] for terms in engine.terms.values()]
    assert prices == ["150", "149", "148"]
    assert "3 taken down, 0 on their way to the chain" in lines
    assert "buy at 148: canceled" in lines


def test_stop_that_fires_cancels_the_take_profit() -> None:
    async def story() -> str:
        async with FakeEngine() as engine:
            example = await asyncio.create_subprocess_exec(
                *command(engine, "stop_and_take_profit.py"), env=ENVIRONMENT, stdout=subprocess.PIPE
            )
            await engine.until(lambda: len([e for e in engine.orders.values() if len(e) == 2]) == 2)
            stop, profit = engine.orders
            assert engine.terms[profit]["trigger"] == {"price": "180", "when": "above"}
            await engine.happens(stop, "triggered", observedPrice="119.9")
            await engine.happens(stop, "routing", "routed", "building", "submitted", "confirmed")
            printed, _ = await example.communicate()
            assert engine.orders[profit][-1]["status"] == "canceled"
            return printed.decode()

    assert asyncio.run(story()).splitlines() == [
        "stop at 120 fired",
        "take profit at 180: canceled",
        "stop at 120: confirmed",
    ]


def test_market_maker_quotes_both_sides_and_leaves_nothing_behind() -> None:
    with an_engine() as engine:
        lines = run(engine, "market_maker.py", "--rounds", "3", "--pause", "0.01")
        prices = sorted(terms["limitPrice"] for terms in engine.terms.values())
        ends = {events[-1]["status"] for events in engine.orders.values()}
    assert prices == ["149.25", "150.75"]
    assert lines[-1] == "2 canceled"
    assert ends == {"canceled"}
