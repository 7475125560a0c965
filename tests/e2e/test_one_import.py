"""What our own app leaves when it is imported: nothing that keeps environments from sharing it."""

from pathlib import Path

from tests.e2e.trader import Trader
from tests.support.instance import Instance


def test_environments_are_forked_from_one_import_of_the_app(instance: Instance, trader: Trader) -> None:
    assert trader.finished(trader.submit(side="sell", amount="0.01"))[-1]["status"] == "confirmed"
    functions = instance.status()["pids"]["functions"]
    (snapshot,) = functions["snapshot"]
    consumers, messages = functions["execute_orders"], functions["websocket_message"]
    assert {parent(pid) for pid in [*consumers, *messages]} == {snapshot}


def parent(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])
