"""The local Solana of a run, shown by several nodes: it is killed here, and started again on its state."""

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.support.ports import free_port
from tests.unit.infra.chain.running import Running, running

NODES: Final = 3
"""One of them may lie at any time, so what becomes of an order takes two."""

BLOCK_MS: Final = 50
"""Fast: what was lost is dead after some seconds, and not after a minute."""


class OwnChain:
    """A process that outlives the runtime, on one port; entered before, and left after it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pools_file = folder / "pools.toml"
        self._port = free_port(2)
        self._open = ExitStack()
        self._running: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the runtime has to know of it."""
        return {
            "CHAIN": "solana",
            "SOLANA_CLUSTER": "local",
            "SOLANA_RPC_URLS": ",".join(f"{self.url}/nodes/{place}" for place in range(NODES)),
            "SOLANA_POOLS_FILE": str(self.pools_file),
            "SOLANA_WITNESSES": "2",
            "MARKET_FAUCET": "1",
        }

    def start(self) -> None:
        """Start the process, for the first time or again."""
        self._folder.mkdir(parents=True, exist_ok=True)
        options = ("--seed", "--market-maker", "--block-ms", str(BLOCK_MS), "--nodes", str(NODES))
        listed = ("--pools-file", str(self.pools_file))
        process = running(self._folder / "state", *options, *listed, port=self._port)
        self._running = self._open.enter_context(process)

    def kill(self) -> None:
        """End it with -9, in the middle of whatever it does, and start it again."""
        if self._running is not None:
            self._running.kill()
        self._open.close()
        self.start()

    def stop(self) -> None:
        """End it for good."""
        self._open.close()
