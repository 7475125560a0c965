"""The virtual machine that everything but the modelled swaps runs in, and accounts as it keeps them."""

from typing import Final

from solders.account import Account as SvmAccount
from solders.clock import Clock as SvmClock
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey as SvmKey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, SimulatedTransactionInfo

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey

RENT_EPOCH_NEVER: Final = 2**64 - 1
_UPGRADEABLE_LOADER: Final = bytes(SvmKey.from_string("BPFLoaderUpgradeab1e11111111111111111111111"))
_PROGRAM, _PROGRAM_DATA = b"\2\0\0\0", b"\3\0\0\0"

Simulated = SimulatedTransactionInfo | FailedTransactionMetadata


class Machine:
    """LiteSVM, of which only the simulation is used: what a transaction changes is written by ``put``.

    So a transaction can be looked at before anything of it is kept, and fees that LiteSVM does not charge can
    be. Signatures, blockhashes and repetition are checked before a transaction comes here.
    """

    def __init__(self) -> None:
        svm = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)  # noqa: FBT003 - its own interface
        self._svm = svm.with_log_bytes_limit(None)
        self._svm.set_clock(SvmClock(0, 0, 0, 0, 0))

    def get(self, key: Pubkey) -> Account | None:
        """Return an account; one without lamports does not exist."""
        found = self._svm.get_account(SvmKey(key))
        if found is None or not found.lamports:
            return None
        return Account(Pubkey(bytes(found.owner)), found.lamports, found.data)

    def is_executable(self, key: Pubkey) -> bool:
        found = self._svm.get_account(SvmKey(key))
        return found is not None and found.executable

    def put(self, key: Pubkey, account: Account | None, *, executable: bool = False) -> None:
        """Write an account, unchecked; None removes it."""
        if account is None:
            gone = SvmAccount(0, b"", SvmKey(NO_KEY), executable=False, rent_epoch=RENT_EPOCH_NEVER)
            self._svm.set_account(SvmKey(key), gone)
            return
        owner = SvmKey(account.owner)
        stored = SvmAccount(
            account.lamports, account.data, owner, executable=executable, rent_epoch=RENT_EPOCH_NEVER
        )
        self._svm.set_account(SvmKey(key), stored)

    def set_clock(self, clock: ClockSysvar) -> None:
        epoch_began = clock.unix_timestamp
        self._svm.set_clock(
            SvmClock(clock.slot, epoch_began, clock.epoch, clock.epoch + 1, clock.unix_timestamp)
        )

    def simulate(self, transaction: VersionedTransaction) -> Simulated:
        return self._svm.simulate_transaction(transaction)

    def rent_exempt_lamports(self, data_bytes: int) -> int:
        return self._svm.minimum_balance_for_rent_exemption(data_bytes)


def program_data_key(program: Account) -> Pubkey | None:
    """Return where a program's code is, if it is an upgradeable program's account."""
    if program.owner == _UPGRADEABLE_LOADER and program.data[:4] == _PROGRAM:
        return Pubkey(program.data[4:36])
    return None
