"""The Solana that a command talks to.

Its nodes, which cluster they show, and the pools that are traded there.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import click

from chalicelib.adapters.solana.cluster import cluster_shown
from chalicelib.adapters.solana.pool_list import ListedPool, PoolListError, load_pools
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster, ProgramIds
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.tokens import Tokens
from infra.cli.parameters import wrong
from infra.cli.session import CliSession

TIME_LIMIT_S: Final = 20.0
"""For one question, the pauses that nodes ask for included."""

_DEVNET: Final = "https://api.devnet.solana.com"


def rpc_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of ``SolanaNodes``."""
    for option in (
        click.option(
            "--rpc-url",
            "rpc_urls",
            envvar="SOLANA_RPC_URLS",
            show_envvar=True,
            help="Nodes, with commas between.  [default: the local chain of the runtime that is running]",
        ),
        click.option(
            "--pools-file",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="SOLANA_POOLS_FILE",
            show_envvar=True,
            help="Which pools are traded.  [default: the local chain's]",
        ),
        click.option(
            "--tokens-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            envvar="TOKENS_FILE",
            show_envvar=True,
            help="Which tokens are traded.  [default: chalicelib/tokens.toml]",
        ),
    ):
        command = option(command)
    return command


class SolanaNodes:
    """What the options name, else what the running runtime uses."""

    def __init__(
        self,
        session: CliSession,
        *,
        rpc_urls: str | None,
        pools_file: Path | None,
        tokens_file: Path | None,
    ) -> None:
        """Take the options of ``rpc_options``."""
        self._session, self._rpc_urls = session, rpc_urls
        self._pools_file, self._tokens_file = pools_file, tokens_file

    @property
    def urls(self) -> Sequence[str]:
        """The nodes' addresses, none if none are known."""
        named = self._rpc_urls or self._session.running_value("SOLANA_RPC_URLS") or ""
        return [url for part in named.split(",") if (url := part.strip())]

    @property
    def pools_file(self) -> Path | None:
        """The list of pools, None if none is known."""
        if self._pools_file is not None:
            return self._pools_file
        named = self._session.running_value("SOLANA_POOLS_FILE")
        return Path(named) if named else None

    @cached_property
    def nodes(self) -> RpcNodes:
        """The nodes."""
        if not self.urls:
            raise click.ClickException(
                "which Solana? Give --rpc-url or set SOLANA_RPC_URLS, say to "
                f"{_DEVNET}; or start a local one: CHAIN=solana make run"
            )
        try:
            nodes = [RpcNode(url) for url in self.urls]
        except ValueError as error:
            raise wrong("--rpc-url", error) from error
        for node in nodes:
            self._session.at_end(node.close)
        return RpcNodes(nodes)

    @cached_property
    def cluster(self) -> Cluster:
        """Which cluster the first node shows, by its genesis."""
        try:
            return self.nodes.converse(
                lambda ask, _: cluster_shown(lambda call, **_: ask(call), time_limit_s=TIME_LIMIT_S),
                time_limit_s=TIME_LIMIT_S,
            )
        except NodeError as error:
            raise click.ClickException(f"no node answers: {error}") from error

    @property
    def ids(self) -> ProgramIds:
        """The cluster's swap programs."""
        return PROGRAM_IDS[self.cluster]

    @cached_property
    def tokens(self) -> Tokens:
        """The tokens that are traded."""
        path = self._tokens_file
        try:
            return load_tokens(path) if path else load_tokens()
        except (OSError, ValueError, KeyError) as error:
            raise wrong("--tokens-file", f"{path}: {error}") from error

    def listed(self) -> tuple[ListedPool, ...]:
        """Return the pools of the list, none if there is no such file yet."""
        path = self.pools_file
        if path is None or not path.exists():
            return ()
        try:
            return load_pools(path, self.tokens)
        except PoolListError as error:
            raise wrong("--pools-file", error) from error
