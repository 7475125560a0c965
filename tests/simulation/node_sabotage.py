"""Defects in how nodes are believed: each takes away one of the things that the proof of death rests on."""

from collections.abc import Sequence
from typing import Any

from chalicelib.domain.transactions import SignedTransaction
from tests.simulation.engine import Parts
from tests.simulation.nodes import ChainBehindNodes, LedgerReader
from tests.simulation.simulator import Simulator


def missing_status_believed(parts: Parts, _simulator: Simulator) -> Parts:
    """Take what a node does not know for what never landed, however much of its ledger it has thrown away."""
    return _read_by(parts, _Forgetless)


def one_look_believed(parts: Parts, _simulator: Simulator) -> Parts:
    """Give up what one look shows as dead, and look no further."""
    return _read_by(parts, _Hasty)


def one_witness_believed(parts: Parts, _simulator: Simulator) -> Parts:
    """Take one node's word for what landed and what did not."""
    return _read_by(parts, LedgerReader, witnesses=1)


class _Forgetless(LedgerReader):
    def _remembered_from(self, *_: Any) -> int:
        return 0


class _Hasty(LedgerReader):
    def surely_dead(self, transactions: Sequence[SignedTransaction], *, margin_blocks: int) -> frozenset[str]:
        del margin_blocks
        return frozenset(one.signature for one in transactions)


def _read_by(parts: Parts, reader: type[LedgerReader], *, witnesses: int | None = None) -> Parts:
    chain = parts.chain
    assert isinstance(chain, ChainBehindNodes), "nodes show this chain"
    chain.reader = reader(chain.reader.nodes, chain.reader.landed, witnesses or chain.reader.witnesses)
    return parts
