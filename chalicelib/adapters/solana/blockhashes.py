"""A recent block hash, and up to which height a message with it can land."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from chalicelib.adapters.solana.rpc_answers import LatestBlockhash, epoch_info, latest_blockhash
from chalicelib.adapters.solana.rpc_calls import get_epoch_info, get_latest_blockhash
from chalicelib.adapters.solana.rpc_errors import MalformedResultError, NodeError
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.domain.transactions import VALIDITY_BLOCKS
from chalicelib.logs import logger

FRESH_S: Final = 1.0
"""A hash seen so recently is signed with as it is: a second of the thirty that a transaction is valid for."""

_LEFT_MIN: Final = 100
_LEFT_MAX: Final = VALIDITY_BLOCKS + 32


class RecentBlockhash(NamedTuple):
    """A hash to sign with."""

    blockhash: bytes
    last_valid_height: int


class Blockhashes:
    """Asks for hashes; safe to share between threads.

    A last valid height that is too low would let a transaction be called dead that can still land. So it is
    never believed to be lower than what the highest block that any node has shown would make it.
    """

    def __init__(
        self,
        nodes: RpcNodes,
        *,
        time_limit_s: float,
        witnesses: int = 1,
        monotonic_s: Callable[[], float] = monotonic,
    ) -> None:
        self._nodes, self._time_limit_s, self._witnesses = nodes, time_limit_s, witnesses
        self._monotonic_s = monotonic_s
        self._lock = Lock()
        self._recent: RecentBlockhash | None = None
        self._asked_at_s = 0.0

    def recent(self) -> RecentBlockhash:
        """Return a hash that is good for most of the usual time.

        Raises:
            NodeError: No node gave one.
        """
        with self._lock:
            now_s = self._monotonic_s()
            if self._recent is None or now_s - self._asked_at_s >= FRESH_S:
                self._recent, self._asked_at_s = self._newest(), now_s
            return self._recent

    def _newest(self) -> RecentBlockhash:
        asked: list[int] = []

        def look(ask: Ask, place: int) -> tuple[LatestBlockhash, int]:
            told, latest = ask.all([get_epoch_info(), get_latest_blockhash()])
            height, found = epoch_info(told).height, latest_blockhash(latest)
            if not _LEFT_MIN <= found.last_valid_height - height <= _LEFT_MAX:
                raise MalformedResultError(
                    f"a hash at height {height} that is valid up to {found.last_valid_height}"
                )
            asked.append(place)
            return found, height

        first, height = self._nodes.converse(look, time_limit_s=self._time_limit_s)
        last = max(first.last_valid_height, height + VALIDITY_BLOCKS)
        for _ in range(self._witnesses - 1):
            try:
                other, height = self._nodes.converse(
                    look, time_limit_s=self._time_limit_s, without=tuple(asked)
                )
            except NodeError as error:
                logger.warning("no second witness", reason=str(error))
                break
            last = max(last, other.last_valid_height, height + VALIDITY_BLOCKS)
        return RecentBlockhash(first.blockhash, last)
