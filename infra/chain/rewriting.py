"""A transaction with modelled swaps, as the machine runs it.

Each swap is the two token transfers that it makes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from solders.hash import Hash
from solders.message import MessageV0
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import (
    Instruction,
    compute_unit_limit,
    loaded_accounts_data_size_limit,
    transfer_checked,
)
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.messages import v0_message
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, COMPUTE_BUDGET
from infra.chain.amm.anchor import Executed, Overlay, ProgramError
from infra.chain.amm.dispatch import execute
from infra.chain.transactions import Transaction

BUDGET_INSTRUCTIONS: Final = 2
"""So many go before those of the transaction."""

_AMOUNT: Final = slice(64, 72)


@dataclass(slots=True)
class Rewritten:
    """The transaction as the machine runs it.

    Attributes:
        instructions: Without those of the budget.
        origins: Which instruction of the transaction each of them stands for, wholly or in part.
        swaps: What the modelled instructions do.
        writes, balances: What the swaps before some instruction have changed.
        failure: Of the first modelled instruction that fails; nothing from it on is in ``instructions``.
    """

    instructions: list[Instruction] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    swaps: dict[int, Executed] = field(default_factory=dict)
    writes: dict[Pubkey, bytes] = field(default_factory=dict)
    balances: dict[Pubkey, int] = field(default_factory=dict)
    failure: tuple[int, ProgramError] | None = None


def rewritten(transaction: Transaction, get: Overlay, clock: ClockSysvar, modelled: set[int]) -> Rewritten:
    """Return a transaction as the machine runs it.

    Args:
        get: Reads the state before the transaction.
        modelled: Which instructions are carried out here.
    """
    made = Rewritten()
    overlay = _over(get, made)
    for index, instruction in enumerate(transaction.instructions):
        if index not in modelled:
            if instruction.program != COMPUTE_BUDGET:
                made.instructions.append(instruction)
                made.origins.append(index)
            continue
        earlier = transaction.instructions[:index]
        try:
            swap = execute(instruction, _with_created(overlay, earlier), clock, earlier)
        except ProgramError as e:
            made.failure = (index, e)
            break
        made.swaps[index] = swap
        made.writes |= swap.writes
        made.balances |= swap.balances
        for source, mint, destination, authority, amount, decimals, program in swap.transfers:
            transfer = transfer_checked(
                source,
                mint,
                destination,
                authority,
                amount=amount,
                decimals=decimals,
                token_program=program,
            )
            made.instructions.append(transfer)
            made.origins.append(index)
    return made


def built(transaction: Transaction, made: Rewritten) -> VersionedTransaction:
    """Return the transaction for the machine.

    Vaults' owners stand among its signers, which no key could sign for; the machine looks at no signature.
    """
    budget = transaction.budget
    instructions = [
        compute_unit_limit(budget.units),
        loaded_accounts_data_size_limit(budget.loaded_bytes),
        *made.instructions,
    ]
    compiled = v0_message(transaction.payer, instructions, bytes(Hash.default()))
    message = MessageV0.from_bytes(compiled.raw[1:])
    return VersionedTransaction.populate(message, [Signature.default()] * len(compiled.signers))


def _over(get: Overlay, made: Rewritten) -> Overlay:
    """The state with what the swaps so far have changed."""

    def overlay(key: Pubkey) -> Account | None:
        account = get(key)
        if account is None:
            return None
        if key in made.writes:
            return account._replace(data=made.writes[key])
        if key in made.balances:
            data = bytearray(account.data)
            data[_AMOUNT] = made.balances[key].to_bytes(8, "little")
            return account._replace(data=bytes(data))
        return account

    return overlay


def _with_created(
    overlay: Callable[[Pubkey], Account | None], earlier: tuple[Instruction, ...]
) -> Callable[[Pubkey], Account | None]:
    """The state with token accounts that earlier instructions create: empty ones, of the mint they name."""
    created = {
        instruction.accounts[1].key: instruction
        for instruction in earlier
        if instruction.program == ASSOCIATED_TOKEN and len(instruction.accounts) > 5
    }

    def get(key: Pubkey) -> Account | None:
        account = overlay(key)
        if account is None and key in created:
            metas = created[key].accounts
            data = metas[3].key + metas[2].key + bytes(44) + b"\1" + bytes(56)
            return Account(metas[5].key, 1, data)
        return account

    return get
