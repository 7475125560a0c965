"""What a start says on the terminal, and what becomes of one beside an instance that runs."""

from pathlib import Path

from tests.e2e.conftest import an_instance
from tests.e2e.trader import Trader
from tests.support.instance import TIME_LIMIT_S, Instance, processes_of


def test_taken_port_is_said_in_one_line_and_nothing_is_left(instance: Instance, tmp_path: Path) -> None:
    second = an_instance(tmp_path / "state", port=instance.port)
    assert second.process.wait(timeout=TIME_LIMIT_S) == 1
    second.stop()
    (line,) = second.lines
    assert line.startswith("error:")
    assert str(instance.port) in line
    assert "ORDERFLOW_PORT" in line
    assert processes_of(tmp_path / "state") == []


def test_state_in_use_is_refused(instance: Instance) -> None:
    second = an_instance(instance.state_dir)
    assert second.process.wait(timeout=TIME_LIMIT_S) == 1
    second.stop()
    assert second.lines[0].startswith("error:")
    assert str(instance.state_dir) in second.lines[0]


def test_ready_instance_prints_where_to_connect(instance: Instance) -> None:
    ready = next(number for number, line in enumerate(instance.lines) if line.startswith("ready"))
    assert instance.lines[ready + 1] == f"wscat -c ws://127.0.0.1:{instance.port}/ws"
    assert instance.lines[ready + 2] == f"REST http://127.0.0.1:{instance.port}/api"


def test_every_order_event_is_a_line_that_reads_like_a_sentence(instance: Instance) -> None:
    with Trader(instance.websocket_url) as trader:
        order_id = trader.submit(side="sell", amount="0.01")
        events = trader.finished(order_id)
    shown = f" {order_id[:8]}…{order_id[-4:]}"
    for event in events:
        line = instance.line(f"{shown} {event['status']}")
        assert "{" not in line
    assert instance.line(f"{shown} confirmed  0.01 SOL → ").endswith(" USDC")
