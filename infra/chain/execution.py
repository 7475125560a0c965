"""What a transaction does to the state: run in the machine, with the modelled swaps carried out in Python.

Each swap becomes the two token transfers that its program makes; balances, delegates, frozen accounts and
transfer fees stay the token programs' business. The pool's bytes, the events and the errors are added here.
What comes back is in terms of the transaction as it was sent: inner instructions, the log, and the
instruction that an error belongs to.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.programs import COMPUTE_BUDGET
from infra.chain.amm.anchor import Overlay
from infra.chain.amm.dispatch import MODELLED
from infra.chain.logs import truncated
from infra.chain.machine import Machine
from infra.chain.outcomes import Inner, Outcome
from infra.chain.rewriting import BUDGET_INSTRUCTIONS, built, rewritten
from infra.chain.telling import called, told
from infra.chain.transactions import LAMPORTS_PER_SIGNATURE, Transaction, TransactionError

# Nothing of these lands, and no account pays: the transaction never gets as far as being run.
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
_UNITS_PER_BUDGET_INSTRUCTION: Final = 150


class Executor:
    """Runs transactions against a machine's accounts, and changes none of them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.is_native: Callable[[Pubkey], bool] = machine.is_executable
        self.read: Overlay = machine.get
        """Reads accounts that a transaction itself does not name: mints, mostly."""

    def run(self, transaction: Transaction, clock: ClockSysvar) -> Outcome:
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
        inner = _inner(meta, transaction.keys)
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
        self, transaction: Transaction, clock: ClockSysvar, payer: Account, modelled: set[int]
    ) -> Outcome:
        made = rewritten(transaction, self.read, clock, modelled)
        budget = transaction.budget
        run_as = built(transaction, made)
        # The machine takes the fee of as many signatures as the rewritten message has; vaults' owners are
        # among them.
        taken = LAMPORTS_PER_SIGNATURE * len(run_as.signatures)
        self._machine.put(transaction.payer, payer._replace(lamports=payer.lamports - budget.fee + taken))
        try:
            simulated = self._machine.simulate(run_as)
        finally:
            self._machine.put(transaction.payer, payer)
        meta = simulated.meta()
        err: Any = None
        failed_at: int | None = None
        if isinstance(simulated, FailedTransactionMetadata):
            err = json.loads(simulated.to_json())["err"]
            if isinstance(err, dict) and "InstructionError" in err:
                failed_at = made.origins[max(err["InstructionError"][0] - BUDGET_INSTRUCTIONS, 0)]
                err = {"InstructionError": [failed_at, err["InstructionError"][1]]}
        elif made.failure is not None:
            failed_at, error = made.failure
            err = {"InstructionError": [failed_at, error.err]}
        stated = sum(instruction.program == COMPUTE_BUDGET for instruction in transaction.instructions)
        units = meta.compute_units_consumed() + sum(swap.units for swap in made.swaps.values())
        units += (stated - BUDGET_INSTRUCTIONS) * _UNITS_PER_BUDGET_INSTRUCTION
        if err is None and units > budget.units:
            failed_at = max(made.swaps)
            err = {"InstructionError": [failed_at, "ComputationalBudgetExceeded"]}
        units = min(units, budget.units)
        inner, logs = told(transaction, made, (run_as, meta), failed_at)
        if err is not None:
            return self._failed(transaction, payer, err, (logs, units, inner))
        assert not isinstance(simulated, FailedTransactionMetadata), "it has no error"
        changes = {Pubkey(bytes(key)): _account(account) for key, account in simulated.post_accounts()}
        for key, data in made.writes.items():
            # An instruction of another program may have sent lamports there.
            account = changes.get(key) or self._machine.get(key)
            assert account is not None, "it was written to"
            changes[key] = account._replace(data=data)
        return Outcome(
            None, truncated(logs), units, budget.fee, self._changed(changes), inner, _return_data(meta)
        )


def _account(account: Any) -> Account | None:
    if not account.lamports:
        return None
    return Account(Pubkey(bytes(account.owner)), account.lamports, account.data)


def _inner(meta: TransactionMetadata, keys: tuple[Pubkey, ...]) -> dict[int, tuple[Inner, ...]]:
    return {
        position: tuple(called(one, keys) for one in many)
        for position, many in enumerate(meta.inner_instructions())
        if many
    }


def _return_data(meta: TransactionMetadata) -> tuple[Pubkey, bytes] | None:
    data = meta.return_data()
    raw = bytes(data.data)
    return (Pubkey(bytes(data.program_id)), raw) if raw else None
