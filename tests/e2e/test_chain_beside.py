"""``CHAIN=solana make run``.

A seeded chain beside the functions, killed and killed again, and the audit of it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import an_instance
from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance, is_running
from tests.support.plain_http import NO_TLS

SOLANA = {"CHAIN": "solana", "SOLANA_RPC_URLS": "", "SOLANA_POOLS_FILE": "", "SOLANA_LOCAL_BLOCK_MS": "100"}
ENDED = {"confirmed", "failed", "canceled", "expired"}


def submitted(instance: Instance, given: str, got: str, amount: str) -> str:
    # A start takes as long as the machine is busy.
    body = {"inputToken": given, "outputToken": got, "amount": amount, "validForSeconds": 3_600}
    answer = httpx.post(f"{instance.rest_url}/orders", json=body, timeout=TIME_LIMIT_S, verify=NO_TLS)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["orderId"])


def ended(instance: Instance, order_id: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        order: dict[str, Any] = httpx.get(
            f"{instance.rest_url}/orders/{order_id}", timeout=TIME_LIMIT_S, verify=NO_TLS
        ).json()
        return order if order.get("status") in ENDED else None

    return instance.wait(found, f"end of {order_id}")


def told(port: int, method: str, *params: Any) -> None:
    """Tell the chain something that nodes of a real one are not told."""
    rpc = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    httpx.post(f"http://127.0.0.1:{port}", json=rpc, timeout=TIME_LIMIT_S).raise_for_status()


def orderflow(state_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "infra.cli", "--json", *words]
    environment = {**kept, "ORDERFLOW_HOME": str(state_dir)}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


def chain_pid(instance: Instance, *, besides: int = 0) -> int:
    """Return the chain's process; the status tells of a new one a second later at most."""

    def found() -> int | None:
        pids = [int(pid) for pid in instance.status()["pids"].get("chain", ())]
        return next((pid for pid in pids if pid != besides), None)

    return instance.wait(found, "chain's process")


def test_orders_on_the_chain_beside_survive_its_kill_and_the_runtimes_and_the_audit_holds(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    with an_instance(state, environment=SOLANA) as instance:
        port = instance.status()["companions"]["chain"]
        assert f"Solana http://127.0.0.1:{port}" in instance.lines
        assert ended(instance, submitted(instance, "SOL", "USDC", "0.5"))["status"] == "confirmed"

        killed = chain_pid(instance)
        os.kill(killed, signal.SIGKILL)
        assert ended(instance, submitted(instance, "SOL", "USDC", "0.75"))["status"] == "confirmed"

        last = chain_pid(instance, besides=killed)
        os.kill(instance.process.pid, signal.SIGKILL)
        while is_running(last):
            time.sleep(0.02)
    with an_instance(state, environment=SOLANA) as instance:
        assert instance.status()["companions"]["chain"] == port
        assert ended(instance, submitted(instance, "SOL", "USDC", "0.25"))["status"] == "confirmed"
        # As `make audit` has it. By the simulated market's ledger, which is empty here, each order is lost.
        audit = orderflow(state, "audit", "--finished")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        checks = json.loads(audit.stdout)
        assert any("unknown" in check for check in checks), "compared with the chain"
        assert not [check for check in checks if check["violations"] or check.get("unknown")]

        # A node that has forgotten what it saw must not count as one that says that all is well.
        told(port, "chain_advance", 500)
        told(port, "chain_setFaults", {"history_blocks": 200}, None)
        audit = orderflow(state, "audit", "--chain")
        assert audit.returncode == 3, audit.stdout + audit.stderr
