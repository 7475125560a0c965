"""Stopping with orders in flight, and starting again on the same state: every accepted order ends once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from chalice_offline.services.postgres_binaries import postgres_binaries
from chalice_offline.services.privileges import become_nobody, runs_as_root
from tests.e2e.conftest import an_instance, tracebacks
from tests.e2e.trader import FINAL, TIME_LIMIT_S, Frame, Trader, assert_whole, following, statuses
from tests.support.cluster import give_cluster
from tests.support.instance import REPOSITORY, Instance, is_running, processes_of
from tests.support.ports import free_port

IN_FLIGHT = {"QUOTE_LATENCY_MS": "50", "SETTLEMENT_LATENCY_MS": "700"}
ORDERS = 15


def submit_until_in_flight(instance: Instance) -> list[str]:
    """Submit orders; return when they are accepted, and the last event of one of them is that it was sent."""
    with Trader(instance.websocket_url) as trader:

        def submit(n: int) -> str:
            # A start takes as long as the machine is busy.
            return trader.submit(side="sell", amount=f"0.{n}", validForSeconds=3_600)

        order_ids = [submit(n) for n in range(10, 10 + ORDERS)]
        trader.until(lambda: any(event["status"] == "submitted" for event in trader.events()))
        while not any(trader.events(each)[-1]["status"] == "submitted" for each in order_ids):
            order_ids.append(submit(10))  # a busy machine confirms the first while it accepts the last
            trader.until(lambda: "submitted" in statuses(trader.events(order_ids[-1])))
        return order_ids


def subscribe(instance: Instance, order_id: str) -> str:
    """Replay an order; what a restart makes the engine send twice is the same both times."""
    with following(instance.websocket_url, order_id) as trader:
        trader.finished(order_id)
        assert trader.is_open()
        by_seq: dict[int, Frame] = {}
        for event in trader.events(order_id):
            assert by_seq.setdefault(event["seq"], event) == event
    events = list(by_seq.values())
    assert_whole(events)
    return str(events[-1]["status"])


def assert_each_ended_once(instance: Instance, order_ids: list[str]) -> None:
    with ThreadPoolExecutor(5) as clients:
        ended = list(clients.map(lambda order_id: subscribe(instance, order_id), order_ids))
    assert set(ended) == {"confirmed"}
    listed = httpx.get(f"{instance.rest_url}/orders", params={"limit": 100}, timeout=TIME_LIMIT_S).json()[
        "orders"
    ]
    assert {order["orderId"] for order in listed} >= set(order_ids)
    assert {order["status"] for order in listed} <= FINAL


@contextmanager
def server_of_pg_ctl(state_dir: Path, log: Path) -> Iterator[int]:
    """Have ``pg_ctl`` start a server on the instance's data; yield its process."""
    give_cluster(state_dir, is_migrated=True)
    run = become_nobody(signal.SIGKILL) if runs_as_root() else None
    data = state_dir / "postgres" / "data"
    log.touch()
    log.chmod(0o666)
    settings = f"-p {free_port()} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    subprocess.run(
        [str(postgres_binaries() / "pg_ctl"), "start", "-D", str(data), "-o", settings, "-l", str(log)],
        env={**os.environ, "LC_ALL": "C"},
        check=True,
        preexec_fn=run,
    )
    pid = int((data / "postmaster.pid").read_text().split()[0])
    try:
        yield pid
    finally:
        if is_running(pid):
            os.kill(pid, signal.SIGQUIT)


def reset(state_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.run", "reset"],
        env={**os.environ, "ORDERFLOW_HOME": str(state_dir)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_orders_in_flight_survive_restarts_and_end_exactly_once(tmp_path: Path) -> None:
    """One long story, since each start costs seconds: SIGTERM, then SIGINT with a child killed before.

    On the first start's data is a server already that ``pg_ctl`` started; it is ended, and nothing is left.
    """
    state_dir = tmp_path / "state"
    with server_of_pg_ctl(state_dir, tmp_path / "log") as other:
        assert is_running(other)
        with an_instance(state_dir, environment=IN_FLIGHT) as first:
            assert not is_running(other)
            port = first.port
            accepted = submit_until_in_flight(first)
            assert first.stop(signal.SIGTERM) == 0
        assert processes_of(state_dir) == []

    with an_instance(state_dir, port=port, environment=IN_FLIGHT) as second:
        assert_each_ended_once(second, accepted)
        accepted += submit_until_in_flight(second)
        refused = reset(state_dir)
        assert refused.returncode == 1
        assert "error:" in refused.stderr
        assert second.stop(signal.SIGINT) == 0
    assert processes_of(state_dir) == []

    with an_instance(state_dir, port=port, environment=IN_FLIGHT) as third:
        assert_each_ended_once(third, accepted)
        errors = tracebacks(first) + tracebacks(second) + tracebacks(third)
        os.kill(third.status()["pids"]["postgres"][0], signal.SIGKILL)
        assert third.stop(signal.SIGINT) == 0
    assert processes_of(state_dir) == []
    assert errors == []

    assert reset(state_dir).returncode == 0
    assert not state_dir.exists()


def test_reset_of_nothing_is_fine(tmp_path: Path) -> None:
    assert reset(tmp_path / "never").returncode == 0


def test_help_explains_every_option_with_its_variable() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "infra.run", "start", "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    explained = ("--host", "--port", "--state-dir", "--reload", "ORDERFLOW_PORT")
    assert [each for each in explained if each not in shown.stdout] == []
