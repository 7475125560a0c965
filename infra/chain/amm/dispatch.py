"""Which instruction is a swap that this chain carries out itself."""

from collections.abc import Callable
from typing import Final, NamedTuple

from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
from infra.chain.amm import clmm, cpmm, damm_v2, dlmm
from infra.chain.amm.anchor import Executed, Overlay, ProgramError, token_account


class _Program(NamedTuple):
    is_swap: Callable[[bytes], bool]
    execute: Callable[[Instruction, Overlay, ClockSysvar], Executed]


def _by_id() -> dict[Pubkey, _Program]:
    found = {}
    for ids in PROGRAM_IDS.values():
        found[ids.cpmm] = _Program(cpmm.is_swap, cpmm.execute)
        found[ids.clmm] = _Program(clmm.is_swap, clmm.execute)
        found[ids.dlmm] = _Program(dlmm.is_swap, dlmm.execute)
        found[ids.damm_v2] = _Program(damm_v2.is_swap, damm_v2.execute)
    return found


_PROGRAMS: Final = _by_id()
MODELLED: Final = frozenset(_PROGRAMS)
"""The programs, at their ids on every cluster. One that was cloned runs instead of what is here."""

_DAMM_V2: Final = PROGRAM_IDS[Cluster.MAINNET].damm_v2


def execute(
    instruction: Instruction, overlay: Overlay, clock: ClockSysvar, earlier: tuple[Instruction, ...] = ()
) -> Executed:
    """Return what an instruction of one of the ``MODELLED`` programs does.

    Raises:
        ProgramError: It fails, or is not a swap.
    """
    program = _PROGRAMS[instruction.program]
    if not program.is_swap(instruction.data):
        raise ProgramError("InstructionFallbackNotFound", 101, "Fallback functions are not supported")
    if instruction.program == _DAMM_V2:
        pool = instruction.accounts[1].key if len(instruction.accounts) > 1 else None
        is_single = all(meta.key != pool for other in earlier for meta in other.accounts)
        executed = damm_v2.execute(instruction, overlay, clock, is_single=is_single)
    else:
        executed = program.execute(instruction, overlay, clock)
    # The token program would find a missing account, too, and call it by another error than Anchor's.
    token_account(overlay, executed.transfers[0].source, "input_token_account")
    token_account(overlay, executed.transfers[1].destination, "output_token_account")
    return executed
