"""Chains, wallets and transactions for the tests of the local chain."""

from collections.abc import Sequence
from pathlib import Path

from solders.hash import Hash
from solders.instruction import Instruction as SvmInstruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey
from infra.chain.chain import Chain, Commitment, Lags
from infra.chain.store import Store

SOL = 10**9

opened: list[Store] = []
"""Chains' files of the module that runs; they are closed at its end (``conftest``)."""


class Time:
    """Unix time that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1_790_000_000.0

    def __call__(self) -> float:
        return self.seconds


def a_chain(directory: Path, *, lags: Lags | None = None, time: Time | None = None) -> Chain:
    """A chain whose state is in a directory; a second one there goes on where the first ended."""
    opened.append(Store(directory / "chain.sqlite3"))
    return Chain(opened[-1], now=time or Time(), lags=lags or Lags(1, 3))


def a_wallet(chain: Chain, lamports: int = 100 * SOL) -> Keypair:
    wallet = Keypair()
    chain.put({key_of(wallet): Account(NO_KEY, lamports, b"")})
    return wallet


def key_of(wallet: Keypair) -> Pubkey:
    return Pubkey(bytes(wallet.pubkey()))


def pay(source: Keypair, to: Keypair, lamports: int) -> SvmInstruction:
    return transfer(TransferParams(from_pubkey=source.pubkey(), to_pubkey=to.pubkey(), lamports=lamports))


def signed(
    chain: Chain,
    wallet: Keypair,
    instructions: Sequence[SvmInstruction],
    *,
    blockhash: bytes | None = None,
) -> VersionedTransaction:
    if blockhash is None:
        blockhash, _ = chain.latest_blockhash(chain.view(Commitment.PROCESSED))
    message = MessageV0.try_compile(wallet.pubkey(), list(instructions), [], Hash.from_bytes(blockhash))
    return VersionedTransaction(message, [wallet])


def balance(chain: Chain, wallet: Keypair, slot: int | None = None) -> int:
    account = chain.account(key_of(wallet), slot)
    return 0 if account is None else account.lamports
