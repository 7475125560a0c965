"""The wallet that airdrops come from; its key is public, like everything else of a local chain."""

import hashlib

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey as SvmKey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey
from infra.chain.chain import Chain

_FAUCET = Keypair.from_seed(hashlib.sha256(b"orderflow local chain: faucet").digest())
_LAMPORTS = 10**18


def fill(chain: Chain) -> None:
    """Give the faucet more than all wallets ask for."""
    chain.put({Pubkey(bytes(_FAUCET.pubkey())): Account(NO_KEY, _LAMPORTS, b"")})


def airdrop(chain: Chain, to: Pubkey, lamports: int, blockhash: bytes) -> VersionedTransaction:
    """Return a transaction that pays lamports; every one differs from those before it."""
    drops = (chain.fact("airdrops") or 0) + 1
    chain.note("airdrops", drops)
    source = _FAUCET.pubkey()
    pay = transfer(TransferParams(from_pubkey=source, to_pubkey=SvmKey(to), lamports=lamports))
    # A second transfer, to the faucet itself, makes equal airdrops different transactions.
    mark = transfer(TransferParams(from_pubkey=source, to_pubkey=source, lamports=drops))
    message = Message.new_with_blockhash([pay, mark], source, Hash.from_bytes(blockhash))
    return VersionedTransaction(message, [_FAUCET])
