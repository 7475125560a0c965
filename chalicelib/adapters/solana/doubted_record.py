"""The port ``LostTransactions`` on Solana: since when something is sought, and from when on it can be found.

A record may lack commits because its operator says so (``SOLANA_RECORD_RESTORED_TO``), or because it has come
to another server. In the second case consumers were not stopped: what they signed last may be on its way. So
nothing is told of any order, and nothing signed, until that has landed or never will: the chain has to pass
the end of a hash that was good when the new server was seen for the first time, and as much again, for nodes
that lag behind, and for functions to which the old server still answered.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from chalicelib.adapters.postgres.servers import Doubt, FoundOn
from chalicelib.adapters.solana.blockhashes import RecentBlockhash
from chalicelib.adapters.solana.rpc_errors import NodeError, not_answered
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.transactions import VALIDITY_BLOCKS, LostTransaction
from chalicelib.logs import logger

_MAY_LAND: Final = "what was signed on the database server before may land yet"


class Servers(Protocol):
    """Where the record is. Each method raises ``RetryableError``."""

    def found(self) -> FoundOn: ...

    def settles_after(self, server_id: int, height: int) -> None: ...

    def note_settled(self, server_id: int) -> None: ...


class Told(Protocol):
    def of(self, orders: Sequence[Order]) -> Mapping[UUID, LostTransaction]: ...


class DoubtedRecord:
    """Finds what landed for an order and the record lacks, if it lacks anything.

    Args:
        recent: Returns a hash to sign with, and how long it is good; raises ``NodeError``.
        since: Returns what finds all that landed since a moment.
        restored_to: The moment that the operator named, if any.
    """

    def __init__(
        self,
        servers: Servers,
        recent: Callable[[], RecentBlockhash],
        since: Callable[[datetime], Told],
        *,
        restored_to: datetime | None,
    ) -> None:
        self._servers, self._recent, self._since = servers, recent, since
        self._restored_to = restored_to
        self._told: tuple[tuple[datetime, str], Told] | None = None

    def are_sought(self) -> bool:
        # The server is looked at in any case: nothing is recorded on one that was not.
        return self._servers.found().doubt is not None or self._restored_to is not None

    def of(self, orders: Sequence[Order]) -> Mapping[UUID, LostTransaction]:
        found = self._servers.found()
        doubt = found.doubt
        if doubt is not None and not doubt.is_settled:
            self._settle(doubt)
        since = self._restored_to
        if doubt is not None:
            since = min(doubt.lacks_since, since or doubt.lacks_since)
        if since is None:
            return {}
        return self._told_since(since, found.noted if doubt else "").of(orders)

    def _told_since(self, moment: datetime, server: str) -> Told:
        """Return what has read nothing yet before the record came to a server."""
        if self._told is None or self._told[0] != (moment, server):
            self._told = (moment, server), self._since(moment)
        return self._told[1]

    def _settle(self, doubt: Doubt) -> None:
        """Return once nothing of before can land any more; raise ``RetryableError`` until then."""
        try:
            last_valid_height = self._recent().last_valid_height
        except NodeError as error:
            raise not_answered(error) from error
        if doubt.settles_after is None:
            self._servers.settles_after(doubt.server_id, last_valid_height + VALIDITY_BLOCKS)
            raise RetryableError(_MAY_LAND)
        if last_valid_height - VALIDITY_BLOCKS <= doubt.settles_after:
            raise RetryableError(_MAY_LAND)
        self._servers.note_settled(doubt.server_id)
        logger.warning("orders are looked up", since=doubt.lacks_since.isoformat())
