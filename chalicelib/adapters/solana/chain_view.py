"""What became of transactions: landed, refused, or not known, with what makes "not known" a proof.

Height, slot and statuses come from one node, asked together, and the statuses from a bank at least as new as
the height, whichever it looks up first: only then does a transaction that is not known at a height past its
last one never land. Where more than one witness is asked for, other nodes must say the same, of what landed
as of what did not: one that lies, or has a broken machine behind it, ends no order. A node that prunes its
ledger forgets: the view says from which height on it remembers.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.landings import ToldLanding, agreed, grouped, status_of, told_landing
from chalicelib.adapters.solana.rpc_answers import (
    EpochInfo,
    RpcSignatureStatus,
    TransactionRecord,
    block_height,
    epoch_info,
    first_available_block,
    statuses_at,
)
from chalicelib.adapters.solana.rpc_calls import (
    SIGNATURES_MAX,
    get_block,
    get_epoch_info,
    get_first_available_block,
    get_signature_statuses,
    get_transaction,
)
from chalicelib.adapters.solana.rpc_errors import NO_BLOCK, MalformedResultError, NodeError, Remedy, RpcError
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.adapters.solana.usual_looks import UsualLooks
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
SLOTS_TRIED: Final = 4
"""From that of the first block on: not every node has the block that it names."""

_SEARCHES: Final = 3
"""Of each address, for what seems dead: behind one there may be many machines, and one of them at fault."""

_WRONG_FOR_S: Final = 10.0
"""A node that did not show what another one did is asked last for so long."""

_DISPUTES_KEPT: Final = 1_000

_UNKNOWN: Final = TransactionStatus(SignatureStatus.UNKNOWN)


_NONE_OF_OURS: Final[Mapping[str, int]] = MappingProxyType({})


class _Seen(NamedTuple):
    """What the node at a place shows.

    Attributes:
        answers: To ``getTransaction``, of those that were asked for: results as JSON, or errors.
    """

    place: int
    info: EpochInfo
    statuses: Mapping[str, RpcSignatureStatus | None]
    history_from: int
    answers: Mapping[str, Any]


class ChainReader:
    """Reads what became of transactions; safe to share between threads.

    Args:
        names: Given the words for pools and mints that are in force.
        witnesses: So many nodes have to agree what became of a transaction, and what it moved.
    """

    def __init__(
        self, nodes: RpcNodes, names: Callable[[], Names], *, time_limit_s: float, witnesses: int = 1
    ) -> None:
        assert 1 <= witnesses <= len(nodes.names), "no more witnesses than nodes"
        self._nodes, self._names = nodes, names
        self._time_limit_s, self.witnesses = time_limit_s, witnesses
        self._history: dict[int, tuple[int, int]] = {}  # by node: remembered from, as of a height
        self._usual = UsualLooks()
        self._disputed: set[str] = set()

    def view(self, signatures: Sequence[str], *, last_valid: Mapping[str, int] = _NONE_OF_OURS) -> ChainView:
        """Return the status of each signature, and the height at which one that is not known is not.

        One that is on its way into a block, or that nodes disagree on, is not known, and doubted.

        Args:
            last_valid: Heights up to which some of them can land. Where all that are not known still can,
                what the node has forgotten is no matter, and not asked.

        Raises:
            NodeError: No node answered in time, or none whose answers fit together.
        """
        expected = self._usual.expected(signatures)

        def look(ask: Ask, place: int) -> _Seen:
            seen = self._look(ask, place, signatures, expected, last_valid)
            missing = [one for one in _final(seen) if one not in seen.answers]
            if not missing:
                return seen
            more = _each(ask, missing)
            return seen._replace(answers={**seen.answers, **dict(zip(missing, more, strict=True))})

        seen = self._nodes.converse(look, time_limit_s=self._time_limit_s)
        final = _final(seen)
        self._usual.looked(signatures, final)
        known = self._told(seen, final)
        doubted = frozenset(
            one
            for one, status in seen.statuses.items()
            if one not in known and (status is not None or _is_shown(seen.answers.get(one)))
        )
        statuses = {one: known.get(one, _UNKNOWN) for one in seen.statuses}
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
            seen = self._look(ask, place, [*found], [*found])
            view = ChainView(seen.info.height, {}, seen.history_from)
            for one in transactions:
                record = seen.answers[one.signature]
                if isinstance(record, NodeError):
                    raise record
                if seen.statuses[one.signature] is not None or record is not None:
                    found[one.signature] = None
                elif found[one.signature]:
                    found[one.signature] = view.proves_dead(one, margin_blocks=margin_blocks)
        return found

    def _look(
        self,
        ask: Ask,
        place: int,
        signatures: Sequence[str],
        expected: Sequence[str] = (),
        last_valid: Mapping[str, int] = _NONE_OF_OURS,
    ) -> _Seen:
        """Ask for height and statuses, and in the same request for the transactions that are expected."""
        parts = [
            signatures[start : start + SIGNATURES_MAX] for start in range(0, len(signatures), SIGNATURES_MAX)
        ]
        needed = [get_epoch_info(), *(get_signature_statuses(some) for some in parts)]
        told, *answers = ask.each([*needed, *(get_transaction(one) for one in expected)])
        shown = dict(zip(expected, answers[len(parts) :], strict=True))
        for answer in (told, *answers[: len(parts)]):
            if isinstance(answer, NodeError):
                raise answer
        info = epoch_info(told)
        statuses: dict[str, RpcSignatureStatus | None] = {}
        for some, answer in zip(parts, answers[: len(parts)], strict=True):
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
        history_from = info.height
        if any(status is None and last_valid.get(one, -1) < info.height for one, status in statuses.items()):
            history_from = self._remembered_from(ask, place, info)
        return _Seen(place, info, statuses, history_from, shown)

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
            # Where the one that it names is not there, one that it does have is proof for itself.
            for slot in (
                first,
                *(info.slot - back for back in _LOOKED_BACK_SLOTS if info.slot - back > first),
            ):
                for later in range(SLOTS_TRIED):
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

    def _told(self, seen: _Seen, final: Collection[str]) -> dict[str, TransactionStatus]:
        """Return what final transactions did, of those on which as many nodes as have to agree do."""
        told: dict[str, list[ToldLanding]] = {one: [] for one in final}
        self._hear(told, seen, seen.answers, seen.place)
        asked = [seen.place]
        while len(asked) < len(self._nodes.names):
            left = [one for one in told if agreed(told[one], self.witnesses) is None]
            if not left:
                break

            def tell(ask: Ask, place: int, left: Sequence[str] = left) -> list[Any]:
                asked.append(place)
                return _each(ask, left)

            try:
                answers = self._nodes.converse(tell, time_limit_s=self._time_limit_s, without=tuple(asked))
            except NodeError as error:
                logger.warning("no second witness", reason=str(error))
                break
            self._hear(told, seen, dict(zip(left, answers, strict=True)), asked[-1])
        return self._settled(told)

    def _hear(
        self, told: dict[str, list[ToldLanding]], seen: _Seen, answers: Mapping[str, Any], place: int
    ) -> None:
        """Add what a node tells; where one node is enough, all must go with the status that it showed."""
        is_bound = self.witnesses == 1 or place == seen.place
        for one in told.keys() & answers.keys():
            try:
                told[one].append(
                    told_landing(
                        one, answers[one], seen.statuses[one] if is_bound else None, place, self._status_of
                    )
                )
            except NodeError as error:
                # It is final, and stays so: it is asked for again. A witness may be a block behind.
                say = logger.info if answers[one] is None and place != seen.place else logger.warning
                name = self._nodes.names[place]
                say("landed transaction not shown", tx_signature=one, node=name, reason=str(error))

    def _settled(self, told: Mapping[str, Sequence[ToldLanding]]) -> dict[str, TransactionStatus]:
        known: dict[str, TransactionStatus] = {}
        for one, landings in told.items():
            status = agreed(landings, self.witnesses)
            if status is not None:
                known[one] = status
            groups = grouped(landings)
            if len(groups) > 1:
                self._disagree(one, groups, status)
        return known

    def _disagree(
        self, signature: str, groups: Sequence[Sequence[ToldLanding]], settled: TransactionStatus | None
    ) -> None:
        """Say which nodes tell differently, and ask those that were outvoted last for a while."""
        nodes = [[self._nodes.names[each.place] for each in group] for group in groups]
        if signature not in self._disputed:
            logger.error("nodes disagree what a transaction did", tx_signature=signature, nodes=nodes)
            if len(self._disputed) >= _DISPUTES_KEPT:
                self._disputed.clear()
            self._disputed.add(signature)
        for group in groups:
            if settled is not None and all(each.status != settled for each in group):
                for each in group:
                    self._nodes.pass_over(each.place, seconds=_WRONG_FOR_S)

    def _status_of(self, record: TransactionRecord) -> TransactionStatus:
        return status_of(record, self._names())


def _final(seen: _Seen) -> list[str]:
    return [one for one, status in seen.statuses.items() if status is not None and status.is_final]


def _each(ask: Ask, signatures: Sequence[str]) -> list[Any]:
    """Return what a node answers for each transaction: a result, or an error."""
    try:
        return ask.each([get_transaction(one) for one in signatures])
    except NodeError as error:
        return [error] * len(signatures)


def _is_shown(answer: Any) -> bool:
    return answer is not None and not isinstance(answer, NodeError)


def _height_at(ask: Ask, slot: int) -> int | None:
    try:
        return block_height(ask(get_block(slot)))
    except RpcError as error:
        if error.code in NO_BLOCK:
            return None
        raise
