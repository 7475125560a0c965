"""The runtime and the local chain of the Solana tests, each of which can be killed and started again."""

import os
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tests.e2e.conftest import APP, tracebacks
from tests.support.instance import Instance, queues_with
from tests.support.local_chain import write_pool_file
from tests.support.ports import free_port
from tests.unit.infra.chain.running import Running, running

SEED = "the seed of the tests' wallets"
VISIBILITY_S = 12
"""Of the messages of a killed consumer: the wait for them is all that is cut."""


class LocalChain:
    """A seeded chain that can be killed, and goes on from its disk."""

    OPTIONS = ("--seed", "--block-ms", "100", "--nodes", "3")

    def __init__(self, state: Path) -> None:
        self._state = state
        self.port = free_port(2)
        self._open = ExitStack()
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, *params: Any) -> Any:
        return self.process.call(method, *params)

    def kill(self) -> None:
        self.process.kill()

    def start_again(self) -> None:
        self._open.close()
        self.process = self._start()

    def close(self) -> None:
        self._open.close()

    def _start(self) -> Running:
        return self._open.enter_context(running(self._state, *self.OPTIONS, port=self.port))


class Engine:
    """The runtime on one state, which can be stopped and started again."""

    def __init__(self, home: Path, chain: LocalChain) -> None:
        self.pools_file = write_pool_file(home / "pools.toml", chain.url, chain.call("chain_status"))
        self._state = home / "state"
        self._environment = {
            "CHAIN": "solana",
            "SOLANA_RPC_URLS": ",".join(f"{chain.url}/nodes/{place}" for place in range(3)),
            "SOLANA_POOLS_FILE": str(self.pools_file),
            "SOLANA_WITNESSES": "2",
            "SOLANA_POLL_MS": "50",
            "SOLANA_SEARCH_MS": "500",
            "WALLET_SEED": SEED,
            "LEASE_MS": "6000",
        }
        queues = queues_with(home / "queues.json", visibility_s=VISIBILITY_S)
        self._options = ("--no-reload", "--queues", str(queues))
        self.tracebacks: list[str] = []
        self.start()

    def start(self) -> None:
        self.instance = Instance(
            APP, self._state, *self._options, environment=self._environment, program="infra.run"
        )
        self.instance.__enter__()

    def stop(self) -> None:
        self.instance.stop()
        # An order that was under way for too long on a busy machine is no defect: it has ended.
        self.tracebacks += [line for line in tracebacks(self.instance) if "dead letter resolved" not in line]

    def kill_consumers(self) -> None:
        for pid in self.instance.status()["pids"]["functions"].get("execute_orders", []):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def database(self) -> str:
        return str(self.instance.status()["database_url"])

    @property
    def url(self) -> str:
        return self.instance.websocket_url
