"""What a transaction does to the state: run in the machine, with the modelled swaps carried out in Python.

Each swap becomes the two token transfers that its program makes; balances, delegates, frozen accounts and transfer
fees stay the token programs' business. The pool's bytes, the events and the errors are added here. What comes back is
in terms of the transaction as it was sent: inner instructions, the log, and the instruction that an error belongs to.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from solders.hash import Hash
from solders.message import MessageV0
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.instructions import (
    Instruction,
    compute_unit_limit,
    loaded_accounts_data_size_limit,
    transfer_checked,
)
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.messages import v0_message
from chalicelib.adapters.solana.programs import ASSOCIATED_TOKEN, COMPUTE_BUDGET
from chalicelib.adapters.solana.tokens import Clock
from infra.chain.amm.anchor import Executed, ProgramError
from infra.chain.amm.dispatch import MODELLED, execute
from infra.chain.logs import by_instruction, deeper, truncated
from infra.chain.machine import Machine
from infra.chain.transactions import LAMPORTS_PER_SIGNATURE, Transaction, TransactionError

# Nothing of these lands, and nobody pays: the transaction never gets as far as being run.
_NOT_CHARGED: Final = frozenset(
    {
        "AccountNotFound",
        "InsufficientFundsForFee",
        "InvalidAccountForFee",
        "SanitizeFailure",
        "AccountLoadedTwice",
        "TooManyAccountLocks",
        "SignatureFailure",
        "CallChainTooDeep",
        "MissingSignatureForFee",
        "InvalidAccountIndex",
        "InvalidWritableAccount",
        "InvalidRentPayingAccount",
    }
)
_AMOUNT: Final = slice(64, 72)


@dataclass(frozen=True, slots=True)
class Inner:
    """One instruction that a program called."""

    program: Pubkey
    accounts: tuple[Pubkey, ...]
    data: bytes
    height: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction.

    Attributes:
        err: As JSON-RPC has it; None if it succeeded.
        changes: Accounts after it, None for those that are gone. On failure just the payer's.
        inner: By outer instruction.
    """

    err: object
    logs: tuple[str, ...]
    units: int
    fee: int
    changes: Mapping[Pubkey, Account | None]
    inner: Mapping[int, tuple[Inner, ...]] = field(default_factory=dict)
    return_data: tuple[Pubkey, bytes] | None = None


@dataclass(slots=True)
class _Rewritten:
    """The transaction as the machine runs it, and where each of its instructions came from."""

    instructions: list[Instruction] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    swaps: dict[int, Executed] = field(default_factory=dict)
    writes: dict[Pubkey, bytes] = field(default_factory=dict)
    balances: dict[Pubkey, int] = field(default_factory=dict)
    failure: tuple[int, ProgramError] | None = None


class Executor:
    """Runs transactions against a machine's accounts, and changes none of them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.is_native: Callable[[Pubkey], bool] = machine.is_executable

    def run(self, transaction: Transaction, clock: Clock) -> Outcome:
        """Return what the transaction does.

        Raises:
            TransactionError: It cannot land; nothing is charged.
        """
        payer = self._payer(transaction)
        modelled = {
            index
            for index, instruction in enumerate(transaction.instructions)
            if instruction.program in MODELLED and not self.is_native(instruction.program)
        }
        unpaid = transaction.budget.priority_fee if transaction.version == 1 else 0
        if modelled:
            return self._run_rewritten(transaction, clock, payer, modelled)
        if unpaid:
            # LiteSVM does not charge the priority fee of version 1: it is gone before the transaction runs.
            self._machine.put(transaction.payer, payer._replace(lamports=payer.lamports - unpaid))
        try:
            simulated = self._machine.simulate(transaction.parsed)
        finally:
            if unpaid:
                self._machine.put(transaction.payer, payer)
        meta = simulated.meta()
        inner = _inner(meta, transaction.keys, dict(enumerate(range(len(transaction.instructions)))))
        units = meta.compute_units_consumed()
        logs = tuple(meta.logs())
        if isinstance(simulated, FailedTransactionMetadata):
            err = json.loads(simulated.to_json())["err"]
            return self._failed(transaction, payer, err, (logs, units, inner))
        changes = {Pubkey(bytes(key)): _account(account) for key, account in simulated.post_accounts()}
        if units > transaction.budget.units:
            err = {"InstructionError": [len(transaction.instructions) - 1, "ComputationalBudgetExceeded"]}
            return self._failed(transaction, payer, err, (logs, transaction.budget.units, inner))
        return Outcome(
            None,
            truncated(logs),
            units,
            transaction.budget.fee,
            self._changed(changes),
            inner,
            _return_data(meta),
        )

    def _payer(self, transaction: Transaction) -> Account:
        payer = self._machine.get(transaction.payer)
        if payer is None:
            raise TransactionError("AccountNotFound")
        if payer.lamports < transaction.budget.fee:
            raise TransactionError("InsufficientFundsForFee")
        if payer.data:
            raise TransactionError("InvalidAccountForFee")
        left = payer.lamports - transaction.budget.fee
        if 0 < left < self._machine.rent_exempt_lamports(0):
            raise TransactionError({"InsufficientFundsForRent": {"account_index": 0}})
        return payer

    def _failed(
        self,
        transaction: Transaction,
        payer: Account,
        err: object,
        seen: tuple[tuple[str, ...], int, Mapping[int, tuple[Inner, ...]]],
    ) -> Outcome:
        logs, units, inner = seen
        if isinstance(err, str) and err in _NOT_CHARGED:
            raise TransactionError(err)
        left = payer.lamports - transaction.budget.fee
        paid = {transaction.payer: payer._replace(lamports=left) if left else None}
        return Outcome(err, truncated(logs), units, transaction.budget.fee, paid, inner)

    def _changed(self, after: Mapping[Pubkey, Account | None]) -> dict[Pubkey, Account | None]:
        return {key: account for key, account in after.items() if self._machine.get(key) != account}

    # Swaps that are carried out here.

    def _run_rewritten(
        self, transaction: Transaction, clock: Clock, payer: Account, modelled: set[int]
    ) -> Outcome:
        rewritten = self._rewrite(transaction, clock, modelled)
        budget = transaction.budget
        ours = sum(swap.units for swap in rewritten.swaps.values())
        built = _built(transaction, rewritten)
        # The machine takes the fee of as many signatures as the rewritten message has; vaults' owners are among them.
        taken = LAMPORTS_PER_SIGNATURE * len(built.signatures)
        self._machine.put(transaction.payer, payer._replace(lamports=payer.lamports - budget.fee + taken))
        try:
            simulated = self._machine.simulate(built)
        finally:
            self._machine.put(transaction.payer, payer)
        meta = simulated.meta()
        err: Any = None
        if isinstance(simulated, FailedTransactionMetadata):
            err = json.loads(simulated.to_json())["err"]
        failed_at: int | None = None
        if isinstance(err, dict) and "InstructionError" in err:
            # Two budget instructions go before those of the transaction.
            failed_at = rewritten.origins[max(err["InstructionError"][0] - 2, 0)]
            err = {"InstructionError": [failed_at, err["InstructionError"][1]]}
        if err is None and rewritten.failure is not None:
            failed_at, error = rewritten.failure
            err = {"InstructionError": [failed_at, error.err]}
        units = meta.compute_units_consumed() - 2 * 150 + ours
        if err is None and units > budget.units:
            failed_at = max(rewritten.swaps)
            err = {"InstructionError": [failed_at, "ComputationalBudgetExceeded"]}
            units = budget.units
        inner, logs = self._told(transaction, rewritten, (built, meta), failed_at)
        if err is not None:
            return self._failed(transaction, payer, err, (logs, min(units, budget.units), inner))
        assert not isinstance(simulated, FailedTransactionMetadata), "it has no error"
        changes = {Pubkey(bytes(key)): _account(account) for key, account in simulated.post_accounts()}
        for key, data in rewritten.writes.items():
            # An instruction of another program may have sent lamports there.
            account = changes.get(key) or self._machine.get(key)
            assert account is not None, "it was written to"
            changes[key] = account._replace(data=data)
        return Outcome(
            None, truncated(logs), units, budget.fee, self._changed(changes), inner, _return_data(meta)
        )

    def _rewrite(self, transaction: Transaction, clock: Clock, modelled: set[int]) -> _Rewritten:
        rewritten = _Rewritten()

        def overlay(key: Pubkey) -> Account | None:
            account = self._machine.get(key)
            if account is None:
                return None
            if key in rewritten.writes:
                return account._replace(data=rewritten.writes[key])
            if key in rewritten.balances:
                data = bytearray(account.data)
                data[_AMOUNT] = rewritten.balances[key].to_bytes(8, "little")
                return account._replace(data=bytes(data))
            return account

        for index, instruction in enumerate(transaction.instructions):
            if index not in modelled:
                if instruction.program != COMPUTE_BUDGET:
                    rewritten.instructions.append(instruction)
                    rewritten.origins.append(index)
                continue
            earlier = transaction.instructions[:index]
            try:
                created = _with_created(overlay, earlier)
                swap = execute(instruction, created, clock, earlier)
            except ProgramError as e:
                rewritten.failure = (index, e)
                return rewritten
            rewritten.swaps[index] = swap
            rewritten.writes |= swap.writes
            rewritten.balances |= swap.balances
            for source, mint, destination, authority, amount, decimals, program in swap.transfers:
                rewritten.instructions.append(
                    transfer_checked(
                        source,
                        mint,
                        destination,
                        authority,
                        amount=amount,
                        decimals=decimals,
                        token_program=program,
                    )
                )
                rewritten.origins.append(index)
        return rewritten

    def _told(
        self,
        transaction: Transaction,
        rewritten: _Rewritten,
        ran_as: tuple[VersionedTransaction, TransactionMetadata],
        failed_at: int | None,
    ) -> tuple[dict[int, tuple[Inner, ...]], tuple[str, ...]]:
        """Inner instructions and log, as if the programs had run."""
        built, meta = ran_as
        ran = by_instruction(meta.logs())[2:]
        keys = tuple(Pubkey(bytes(key)) for key in built.message.account_keys)
        called = meta.inner_instructions()[2:]
        inner: dict[int, list[Inner]] = {}
        lines: list[str] = []
        at = 0
        limit = transaction.budget.units
        last = len(transaction.instructions) - 1 if failed_at is None else failed_at
        for index in range(last + 1):
            instruction = transaction.instructions[index]
            if instruction.program == COMPUTE_BUDGET:
                name = address_of(COMPUTE_BUDGET)
                lines += [f"Program {name} invoke [1]", f"Program {name} success"]
                continue
            mine: list[tuple[list[str], int]] = []
            while at < len(rewritten.origins) and rewritten.origins[at] == index:
                mine.append((ran[at] if at < len(ran) else [], at))
                at += 1
            if index not in rewritten.swaps and not (rewritten.failure and rewritten.failure[0] == index):
                for part, position in mine:
                    lines += part
                    if position < len(called):
                        inner.setdefault(index, []).extend(_called(one, keys) for one in called[position])
                continue
            swap = rewritten.swaps.get(index)
            lines += self._swap_log(
                instruction, swap, mine, limit, rewritten, index, is_last=index == failed_at
            )
            for part, position in mine:
                if not part:
                    continue
                transfer = rewritten.instructions[position]
                accounts = tuple(meta.key for meta in transfer.accounts)
                inner.setdefault(index, []).append(Inner(transfer.program, accounts, transfer.data, 2))
                if position < len(called):
                    inner[index].extend(_called(one, keys, 1) for one in called[position])
            if swap is not None and index != failed_at:
                inner.setdefault(index, []).extend(
                    Inner(instruction.program, (_event_authority(instruction),), data, 2)
                    for data in swap.cpi_events
                )
        return {index: tuple(many) for index, many in inner.items()}, tuple(lines)

    def _swap_log(
        self,
        instruction: Instruction,
        swap: Executed | None,
        ran: list[tuple[list[str], int]],
        limit: int,
        rewritten: _Rewritten,
        index: int,
        *,
        is_last: bool,
    ) -> list[str]:
        program = address_of(instruction.program)
        lines = [f"Program {program} invoke [1]"]
        if swap is not None:
            lines.append(f"Program log: Instruction: {swap.name}")
            for part, _ in ran:
                lines += deeper(part)
            if not is_last:
                lines += [f"Program data: {base64.b64encode(event).decode()}" for event in swap.log_events]
                for _ in swap.cpi_events:
                    lines += [f"Program {program} invoke [2]", f"Program {program} success"]
        units = swap.units if swap is not None else 10_000
        consumed = f"Program {program} consumed {units} of {limit} compute units"
        if not is_last:
            return [*lines, consumed, f"Program {program} success"]
        failure = rewritten.failure
        reason = "An error occurred"
        if failure is not None and failure[0] == index:
            error = failure[1]
            if error.number is not None:
                lines.append(error.log())
                reason = f"custom program error: {hex(error.number)}"
            else:
                lines.append(f"Program log: {error.message}")
                reason = error.name
        else:
            inside = [line for part, _ in ran for line in part if " failed: " in line]
            if inside:
                reason = inside[-1].split(" failed: ", 1)[1]
        return [*lines, consumed, f"Program {program} failed: {reason}"]


def _built(transaction: Transaction, rewritten: _Rewritten) -> VersionedTransaction:
    """The transaction for the machine; vaults' owners stand among its signers, and nobody looks at signatures."""
    budget = transaction.budget
    instructions = [
        compute_unit_limit(budget.units),
        loaded_accounts_data_size_limit(budget.loaded_bytes),
        *rewritten.instructions,
    ]
    compiled = v0_message(transaction.payer, instructions, bytes(Hash.default()))
    message = MessageV0.from_bytes(compiled.raw[1:])
    return VersionedTransaction.populate(message, [Signature.default()] * len(compiled.signers))


def _event_authority(instruction: Instruction) -> Pubkey:
    # It stands right before the program in the accounts of those that call themselves.
    places = [at for at, meta in enumerate(instruction.accounts) if meta.key == instruction.program]
    return instruction.accounts[places[-1] - 1].key


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


def _account(account: Any) -> Account | None:
    if not account.lamports:
        return None
    return Account(Pubkey(bytes(account.owner)), account.lamports, account.data)


def _called(one: Any, keys: tuple[Pubkey, ...], more: int = 0) -> Inner:
    compiled = one.instruction()
    height = (one.stack_height() or 2) + more
    return Inner(
        keys[compiled.program_id_index],
        tuple(keys[at] for at in bytes(compiled.accounts)),
        bytes(compiled.data),
        height,
    )


def _inner(
    meta: TransactionMetadata, keys: tuple[Pubkey, ...], origins: Mapping[int, int]
) -> dict[int, tuple[Inner, ...]]:
    return {
        origins[position]: tuple(_called(one, keys) for one in many)
        for position, many in enumerate(meta.inner_instructions())
        if many
    }


def _return_data(meta: TransactionMetadata) -> tuple[Pubkey, bytes] | None:
    data = meta.return_data()
    raw = bytes(data.data)
    return (Pubkey(bytes(data.program_id)), raw) if raw else None
