"""What became of transactions: landed, refused, or not known, with what makes "not known" a proof.

Height, slot and statuses come from one node, asked together, and the statuses from a bank at least as new as
the height, whichever it looks up first: only then does a transaction that is not known at a height past its
last one never land. Where more than one witness is asked for, other nodes must say the same, of what landed
as of what did not: one that lies, or has a broken machine behind it, ends no order. A node that prunes its
ledger forgets: the view says from which height on it remembers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from chalicelib.adapters.solana.failures import refusal_of
from chalicelib.adapters.solana.fills import Names, fill_of
from chalicelib.adapters.solana.program_logs import logged_error
from chalicelib.adapters.solana.rpc_answers import (
    EpochInfo,
    RpcSignatureStatus,
    TransactionRecord,
    block_height,
    epoch_info,
    first_available_block,
    statuses_at,
    transaction,
)
from chalicelib.adapters.solana.rpc_calls import (
    SIGNATURES_MAX,
    get_block,
    get_epoch_info,
    get_first_available_block,
    get_signature_statuses,
    get_transaction,
)
from chalicelib.adapters.solana.rpc_errors import MalformedResultError, NodeError, Remedy, RpcError
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.domain.transactions import (
    ChainView,
    SignatureStatus,
    SignedTransaction,
    TransactionStatus,
)
from chalicelib.logs import logger

REMEMBERED_BLOCKS: Final = 1_000
"""A node that does not say how far back it remembers is trusted with so many blocks: some minutes."""

_HISTORY_HOLDS_BLOCKS: Final = 20
_LOOKED_BACK_SLOTS: Final = (1_000, 500, 250, 170)
_SLOTS_TRIED: Final = 4
_SEARCHES: Final = 3
"""Of each address, for what seems dead: behind one there may be many machines, and one of them at fault."""

_WRONG_FOR_S: Final = 10.0
"""A node that did not show what another one did is asked last for so long."""

_NO_BLOCK: Final = frozenset({-32001, -32004, -32007, -32009})
"""Skipped, cleaned up in the meantime, or not there: the next slot may have one."""

_UNKNOWN: Final = TransactionStatus(SignatureStatus.UNKNOWN)


class _Seen(NamedTuple):
    """What one node shows."""

    info: EpochInfo
    statuses: Mapping[str, RpcSignatureStatus | None]
    history_from: int


class ChainReader:
    """Reads what became of transactions; safe to share between threads.

    Args:
        names: Given the words for pools and mints that are in force.
        witnesses: So many nodes have to agree what became of a transaction.
    """

    def __init__(
        self, nodes: RpcNodes, names: Callable[[], Names], *, time_limit_s: float, witnesses: int = 1
    ) -> None:
        assert 1 <= witnesses <= len(nodes.names), "no more witnesses than nodes"
        self._nodes, self._names = nodes, names
        self._time_limit_s, self.witnesses = time_limit_s, witnesses
        self._history: dict[int, tuple[int, int]] = {}  # by node: remembered from, as of a height

    def view(self, signatures: Sequence[str]) -> ChainView:
        """Return the status of each signature, and the height at which one that is not known is not.

        One that is on its way into a block, or that nodes disagree on, is not known, and doubted.

        Raises:
            NodeError: No node answered in time, or none whose answers fit together.
        """
        seen = self._asked(signatures)
        statuses = self._statuses(seen.statuses)
        doubted = frozenset(
            one
            for one, found in seen.statuses.items()
            if found is not None and statuses[one].signature_status is SignatureStatus.UNKNOWN
        )
        return ChainView(seen.info.height, statuses, seen.history_from, doubted)

    def surely_dead(self, transactions: Sequence[SignedTransaction], *, margin_blocks: int) -> frozenset[str]:
        """Return those of which no node shows a status, or the transaction itself, however often it is asked.

        An address that is silent, or not far enough, says nothing; so many as have to agree must prove it.

        Raises:
            NodeError: None of them answered in time.
        """
        left = {one.signature: one for one in transactions}
        proofs: dict[str, list[int]] = {one: [] for one in left}
        last: NodeError | None = None
        is_answered = False
        for place in range(len(self._nodes.names)):
            others = [other for other in range(len(self._nodes.names)) if other != place]

            def search(ask: Ask, place: int) -> dict[str, bool | None]:
                return self._searched(ask, place, list(left.values()), margin_blocks)

            try:
                found = self._nodes.converse(search, time_limit_s=self._time_limit_s, without=others)
            except NodeError as error:
                last = error
                continue
            is_answered = True
            for signature, is_dead in found.items():
                if is_dead:
                    proofs[signature].append(place)
                if is_dead is None:
                    logger.warning(
                        "not dead after all", tx_signature=signature, node=self._nodes.names[place]
                    )
                    del left[signature]
                    for wrong in proofs[signature]:
                        self._nodes.pass_over(wrong, seconds=_WRONG_FOR_S)
        if last is not None and not is_answered:
            raise last
        return frozenset(one for one in left if len(proofs[one]) >= self.witnesses)

    def _searched(
        self, ask: Ask, place: int, transactions: Sequence[SignedTransaction], margin_blocks: int
    ) -> dict[str, bool | None]:
        """Return what one node proves of each: that it is dead, nothing, or (None) that it is there."""
        found: dict[str, bool | None] = dict.fromkeys((one.signature for one in transactions), True)
        for _ in range(_SEARCHES if transactions else 0):
            seen = self._look(ask, place, [*found])
            shown = ask.all([get_transaction(one) for one in found])
            view = ChainView(seen.info.height, {}, seen.history_from)
            for one, record in zip(transactions, shown, strict=True):
                if seen.statuses[one.signature] is not None or record is not None:
                    found[one.signature] = None
                elif found[one.signature]:
                    found[one.signature] = view.proves_dead(one, margin_blocks=margin_blocks)
        return found

    def _asked(self, signatures: Sequence[str]) -> _Seen:
        """Ask one node, and for what it says of landed transactions as many as have to agree on it."""
        seen: list[_Seen] = []
        asked: list[int] = []

        def look(ask: Ask, place: int) -> None:
            wanted = signatures if not seen else [one for one, told in seen[0].statuses.items() if told]
            seen.append(self._look(ask, place, wanted))
            asked.append(place)

        self._nodes.converse(look, time_limit_s=self._time_limit_s)
        first = seen[0]
        final = {one for one, told in first.statuses.items() if told is not None and told.is_final}
        statuses = self._agreed(seen)
        for _ in range(len(self._nodes.names) - 1):
            if all(told.is_final for one, told in statuses.items() if told is not None and one in final):
                break
            try:
                self._nodes.converse(look, time_limit_s=self._time_limit_s, without=tuple(asked))
            except NodeError as error:
                logger.warning("no second witness", reason=str(error))
                break
            statuses = self._agreed(seen)
        return first._replace(statuses=statuses)

    def _agreed(self, seen: Sequence[_Seen]) -> dict[str, RpcSignatureStatus | None]:
        """Return what the first node shows, final only where enough of the others show the same."""
        first, *others = seen
        return {
            one: told and _confirmed(told, [other.statuses[one] for other in others], self.witnesses)
            for one, told in first.statuses.items()
        }

    def _look(self, ask: Ask, place: int, signatures: Sequence[str]) -> _Seen:
        parts = [
            signatures[start : start + SIGNATURES_MAX] for start in range(0, len(signatures), SIGNATURES_MAX)
        ]
        told, *answers = ask.all([get_epoch_info(), *(get_signature_statuses(some) for some in parts)])
        info = epoch_info(told)
        statuses: dict[str, RpcSignatureStatus | None] = {}
        for some, answer in zip(parts, answers, strict=True):
            found = statuses_at(answer, len(some))
            if found.slot < info.slot:
                # Asked together, the statuses may be looked up first. Asked for now they are no older, unless
                # the address is a fleet, and these answers are of different nodes.
                found = statuses_at(ask(get_signature_statuses(some)), len(some))
            if found.slot < info.slot:
                raise MalformedResultError(
                    f"statuses of slot {found.slot} after a height of slot {info.slot}"
                )
            statuses.update(zip(some, found.statuses, strict=True))
        history_from = 0
        if any(found is None for found in statuses.values()):
            history_from = self._remembered_from(ask, place, info)
        return _Seen(info, statuses, history_from)

    def _remembered_from(self, ask: Ask, place: int, info: EpochInfo) -> int:
        known = self._history.get(place)
        if known is not None and 0 <= info.height - known[1] < _HISTORY_HOLDS_BLOCKS:
            # A ledger is pruned no faster than it grows.
            return known[0] + (info.height - known[1] if known[0] else 0)
        history_from = self._first_height(ask, info)
        self._history[place] = history_from, info.height
        return history_from

    def _first_height(self, ask: Ask, info: EpochInfo) -> int:
        """Return the height of the oldest block that the node shows, or of an old enough one."""
        try:
            first = first_available_block(ask(get_first_available_block()))
            # Not every node has the block that it names; then one that it does have is proof for itself.
            for slot in (
                first,
                *(info.slot - back for back in _LOOKED_BACK_SLOTS if info.slot - back > first),
            ):
                for later in range(_SLOTS_TRIED):
                    if slot + later == 0:
                        return 0
                    height = _height_at(ask, slot + later)
                    if height is not None:
                        return height
        except NodeError as error:
            if error.remedy is not Remedy.DEFECT:
                raise
            return max(0, info.height - REMEMBERED_BLOCKS)  # it does not know the method
        raise NodeError("the node shows no block that is old enough to tell what it remembers")

    def _statuses(self, found: Mapping[str, RpcSignatureStatus | None]) -> dict[str, TransactionStatus]:
        """Return what final transactions did; one that no node shows yet is unknown for now."""
        known: dict[str, TransactionStatus] = {}
        final = {one: status for one, status in found.items() if status is not None and status.is_final}

        def fetch(ask: Ask, _: int) -> None:
            missing = [one for one in final if one not in known]
            last: NodeError | None = None
            for signature, answer in zip(
                missing, ask.each([get_transaction(one) for one in missing]), strict=True
            ):
                try:
                    if isinstance(answer, NodeError):
                        raise answer
                    known[signature] = self._landed(final[signature], transaction(answer))
                except NodeError as error:
                    last = error
            if last is not None:
                raise last

        if final:
            try:
                self._nodes.converse(fetch, time_limit_s=self._time_limit_s)
            except NodeError as error:
                # They are final, and stay so: what they moved is asked for again.
                for signature in final.keys() - known.keys():
                    logger.warning("landed transaction not shown", tx_signature=signature, reason=str(error))
        return {one: known.get(one, _UNKNOWN) for one in found}

    def _landed(self, found: RpcSignatureStatus, record: TransactionRecord | None) -> TransactionStatus:
        if record is None:
            raise NodeError("the node does not show a transaction whose status is final")
        if (record.fault is None) != (found.fault is None):
            raise MalformedResultError("a status and its transaction disagree whether it failed")
        names = self._names()
        fee = record.fee_lamports
        if record.fault is not None:
            code = refusal_of(record.fault, record.logs, record.outer, names.ids)
            named = logged_error(record.logs)
            return TransactionStatus(
                SignatureStatus.REFUSED,
                record.slot,
                refusal=code,
                network_fee_lamports=fee,
                refusal_name=named.name if named is not None else None,
            )
        fill = fill_of(record, names)
        return TransactionStatus(
            SignatureStatus.LANDED,
            record.slot,
            fill.input_units,
            fill.output_units,
            fill.legs,
            network_fee_lamports=fee,
        )


def _confirmed(
    told: RpcSignatureStatus, others: Sequence[RpcSignatureStatus | None], witnesses: int
) -> RpcSignatureStatus:
    """Return a status, final only if so many say the same."""
    same = sum(
        other is not None
        and (other.slot, str(other.fault), other.is_final) == (told.slot, str(told.fault), True)
        for other in others
    )
    return told._replace(is_final=told.is_final and same >= witnesses - 1)


def _height_at(ask: Ask, slot: int) -> int | None:
    try:
        return block_height(ask(get_block(slot)))
    except RpcError as error:
        if error.code in _NO_BLOCK:
            return None
        raise
