"""A recent block hash, and up to which height a message with it can land."""

from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic
from typing import Any, Final, NamedTuple

from chalicelib.adapters.solana.beside import Beside
from chalicelib.adapters.solana.rpc_answers import epoch_info, latest_blockhash
from chalicelib.adapters.solana.rpc_calls import get_epoch_info, get_latest_blockhash
from chalicelib.adapters.solana.rpc_errors import MalformedResultError, NodeError
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.domain.transactions import VALIDITY_BLOCKS
from chalicelib.logs import logger

FRESH_S: Final = 1.0
"""A hash seen so recently is signed with as it is: a second of the thirty that a transaction is valid for."""

_FRESH_ENOUGH_S: Final = 0.5
"""One that is older may have gone stale by the time that it is signed with."""

_WRONG_FOR_S: Final = 10.0
"""A node that was outvoted is asked last for so long."""

_LEFT_MIN: Final = 100
_LEFT_MAX: Final = VALIDITY_BLOCKS + 32


class RecentBlockhash(NamedTuple):
    """A hash to sign with."""

    blockhash: bytes
    last_valid_height: int


class _Told(NamedTuple):
    """What the node at a place said: a hash, and how long it is good at the least."""

    place: int
    at_s: float
    blockhash: bytes
    last_valid_height: int


_CALLS: Final = (get_epoch_info(), get_latest_blockhash())


class Blockhashes:
    """Asks for hashes; safe to share between threads.

    A last valid height that is too low would let a transaction be called dead that can still land. So it is
    never believed to be lower than what the highest block would make it that any of so many nodes shows as
    have to agree. With fewer of them nothing is signed: the one that answers may be the one that is wrong.
    Nor do they agree if they are further apart than a hash is good for.
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
        self._ahead: _Told | None = None

    def recent(self) -> RecentBlockhash:
        """Return a hash that is good for most of the usual time.

        Raises:
            NodeError: Not enough nodes gave one.
        """
        with self._lock:
            now_s = self._monotonic_s()
            if self._recent is None or now_s - self._asked_at_s >= FRESH_S:
                ahead, self._ahead = self._ahead, None
                if ahead is None or now_s - ahead.at_s >= FRESH_S:
                    ahead = self._nodes.converse(self._look, time_limit_s=self._time_limit_s)
                self._recent, self._asked_at_s = self._witnessed(ahead), ahead.at_s
            return self._recent

    def beside(self) -> Sequence[Beside]:
        """Return what to ask beside something else to save ``recent`` asking; nothing while it is fresh."""
        since_s = self._monotonic_s() - _FRESH_ENOUGH_S
        ahead = self._ahead
        if (self._recent is not None and self._asked_at_s > since_s) or (ahead and ahead.at_s > since_s):
            return ()

        def take(place: int, answers: Sequence[Any]) -> None:
            try:
                self._ahead = self._told(place, at_s, answers)
            except NodeError as error:
                logger.info("no hash read ahead", reason=str(error))

        at_s = self._monotonic_s()
        return [Beside(_CALLS, take)]

    def _look(self, ask: Ask, place: int) -> _Told:
        return self._told(place, self._monotonic_s(), ask.each(_CALLS))

    def _told(self, place: int, at_s: float, answers: Sequence[Any]) -> _Told:
        for answer in answers:
            if isinstance(answer, NodeError):
                raise answer
        info, latest = answers
        height, found = epoch_info(info).height, latest_blockhash(latest)
        if not _LEFT_MIN <= found.last_valid_height - height <= _LEFT_MAX:
            raise MalformedResultError(
                f"a hash at height {height} that is valid up to {found.last_valid_height}"
            )
        return _Told(place, at_s, found.blockhash, max(found.last_valid_height, height + VALIDITY_BLOCKS))

    def _witnessed(self, first: _Told) -> RecentBlockhash:
        told = [first]
        while not (alike := _alike(told, self._witnesses)):
            asked = tuple(one.place for one in told)
            told.append(self._nodes.converse(self._look, time_limit_s=self._time_limit_s, without=asked))
        for one in told:
            if one not in alike:
                logger.error("nodes disagree how far the chain is", node=self._nodes.names[one.place])
                self._nodes.pass_over(one.place, seconds=_WRONG_FOR_S)
        return RecentBlockhash(alike[0].blockhash, max(one.last_valid_height for one in alike))


def _alike(told: Sequence[_Told], witnesses: int) -> Sequence[_Told]:
    """Return what so many nodes tell that are no further apart than one may be behind; none if too few do.

    One alone that puts an end far off would have what does not land waited for without end.
    """
    for highest in sorted(told, key=lambda one: -one.last_valid_height):
        group = [
            one for one in told if 0 <= highest.last_valid_height - one.last_valid_height <= VALIDITY_BLOCKS
        ]
        if len(group) >= witnesses:
            return group
    return ()
