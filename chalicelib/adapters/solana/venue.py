"""The port ``Venue`` on Solana: one venue's share of the listed pools."""

from collections.abc import Callable, Collection, Sequence

from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.room import room_of
from chalicelib.adapters.solana.rpc_errors import NodeError, not_answered
from chalicelib.domain.chosen_route import RefusedPool
from chalicelib.domain.errors import VenueUnavailableError
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import ChainTime, Offers


def chain_time(clock: ClockSysvar) -> ChainTime:
    """Return a clock's time, with the length of its slots as blocks' if it shows that: few have no block."""
    now = ChainTime(clock.unix_timestamp, clock.slot)
    return now._replace(block_s=clock.slot_s) if clock.slot_s is not None else now


def _no_matter(_: Collection[str]) -> None:
    pass


class SolanaVenue:
    """One venue; all of them share a reader, and so one read.

    Args:
        name_tokens: Told what is to be traded, before the pools are read: those of a mint that is in no list
            are not read for who does not name it.
        is_delegated: As of ``room_of``.
    """

    def __init__(
        self,
        name: str,
        listed: Sequence[ListedPool],
        reader: PoolReader,
        name_tokens: Callable[[Collection[str]], object] = _no_matter,
        *,
        is_delegated: bool = False,
    ) -> None:
        self._name_tokens = name_tokens
        self._name = name
        self._listed = [pool for pool in listed if pool.venue == name]
        self._reader = reader
        self._is_delegated = is_delegated

    @property
    def name(self) -> str:
        return self._name

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        """Return the pools that can be traded with now.

        Raises:
            VenueUnavailableError: No node showed the present chain, or none of the pools can be traded with.
        """
        self._name_tokens({token for each in wanted for token in (each.token_in, each.token_out)})
        try:
            book = self._reader.read()
        except NodeError as error:
            raise not_answered(error, VenueUnavailableError) from error
        refused = [
            RefusedPool(listed.pool_id, listed.tokens, why)
            for listed in self._listed
            if (why := book.refused.get(listed.pool_id)) is not None
        ]
        found = [
            RoutablePool(pool.pool_id, pool.venue, pool.tokens, pool.state, pool.is_listed)
            for pool in book.pools.values()
            if pool.venue == self._name
        ]
        if not found:
            reasons = "; ".join(f"{pool.pool_id}: {pool.problem}" for pool in refused)
            raise VenueUnavailableError(f"no pool can be traded with ({reasons})" if reasons else "no pools")
        time = chain_time(book.clock)
        room = room_of(book, is_delegated=self._is_delegated)
        return Offers(found, refused=refused, chain_time=time, room=room)
