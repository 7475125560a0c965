"""What our own app leaves when it is imported: nothing that keeps environments from sharing it."""

from pathlib import Path

from tests.e2e.trader import Trader
from tests.support.instance import Instance


def test_environments_are_forked_from_one_import_of_the_app(instance: Instance, trader: Trader) -> None:
    assert trader.finished(trader.submit(side="sell", amount="0.01"))[-1]["status"] == "confirmed"

    def forked() -> tuple[int, set[int | None]] | None:
        """Return the snapshot, and what consumers and message functions were forked from."""
        functions = instance.status()["pids"]["functions"]
        consumers, messages = functions.get("execute_orders"), functions.get("websocket_message")
        if not consumers or not messages:
            return None  # the status tells of new ones a second later
        (snapshot,) = functions["snapshot"]
        return snapshot, {parent(pid) for pid in [*consumers, *messages]} - {None}

    snapshot, parents = instance.wait(forked, "consumers and message functions")
    assert parents == {snapshot}


def parent(pid: int) -> int | None:
    """Return a process's parent; None if it has ended, which the status tells a second later."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1])
