"""Trades that move the pools' prices, signed by a wallet like any other and landed like any other."""

import asyncio
import hashlib
import math
import random
import tomllib
from typing import Final

from solders.hash import Hash
from solders.instruction import AccountMeta as SvmMeta
from solders.instruction import Instruction as SvmInstruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey as SvmKey
from solders.transaction import VersionedTransaction

from chalicelib.adapters.simulated_market.definition import DEFINITION_FILE
from chalicelib.adapters.solana.accounts import Account, UnsupportedPoolError
from chalicelib.adapters.solana.instructions import Instruction, compute_unit_limit
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.pool_reading import OnChainPool, arrays_around, keys_beside, pool_at
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm import pools
from chalicelib.amm.swaps import TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from infra.chain.chain import Chain, Commitment
from infra.chain.fork import ForkError
from infra.chain.network import Network
from infra.chain.seed import fund

STEP_S: Final = 1.0
TRADES_PER_STEP: Final = 2
VOLATILITY_BPS: Final = 4.0
"""Of each token's worth, per step, about."""

_PULL: Final = 0.02  # back to the opening price, per step
_SHARE_MAX: Final = 1_000  # a trade is at most one part in so many of what the pool holds
_UNITS: Final = 600_000
_IDS: Final = PROGRAM_IDS[Cluster.MAINNET]
_MAKER: Final = Keypair.from_seed(hashlib.sha256(b"orderflow local chain: market maker").digest())


def read_pool(chain: Chain, key: Pubkey) -> OnChainPool:
    """Return a pool as it is now, with the arrays around its price.

    Raises:
        UnsupportedPoolError: It is not one to trade with.
    """
    accounts: dict[Pubkey, Account | None] = {key: chain.account(key)}
    for needed in (keys_beside, arrays_around):
        accounts |= {other: chain.account(other) for other in needed(_IDS, key, accounts)}
    return pool_at(_IDS, key, accounts, chain.clock)


class WanderingMarket:
    """Lets each token's worth wander, and trades pools towards it.

    Args:
        seed: Of all chance: equal seeds make equal walks.
    """

    def __init__(self, network: Network, seed: int) -> None:
        self._network = network
        self._chance = random.Random(seed)  # noqa: S311 - prices of play money
        usd = tomllib.loads(DEFINITION_FILE.read_text(encoding="utf-8"))["usd"]
        self._start = {token.mint: float(usd[token.symbol]) / 10**token.scale for token in load_tokens()}
        self._walk = dict.fromkeys(self._start, 0.0)
        self.key = Pubkey(bytes(_MAKER.pubkey()))

    async def run(self) -> None:
        """Trade until cancelled."""
        fund(self._network.chain, self.key)
        while True:
            await asyncio.sleep(STEP_S)
            self.step()

    def step(self) -> None:
        """Let worths move, and trade in a few pools."""
        for mint, log in self._walk.items():
            self._walk[mint] = log * (1 - _PULL) + self._chance.gauss(0, VOLATILITY_BPS / 10_000)
        listed = self._network.chain.fact("pools") or []
        for pool in self._chance.sample(listed, min(TRADES_PER_STEP, len(listed))):
            try:
                self._trade(read_pool(self._network.chain, pubkey(pool["address"])))
            except (UnsupportedPoolError, ForkError):
                continue

    def _trade(self, pool: OnChainPool) -> None:
        worth = [
            self._start[address_of(mint.key)] * math.exp(self._walk[address_of(mint.key)])
            for mint in pool.mints
        ]
        numerator, denominator = pools.spot_price(pool.state)
        # More of token 1 per token 0 than it is worth: token 0 is dear, and sold.
        token_in: TokenIndex = 0 if numerator / denominator > worth[0] / worth[1] else 1
        held = pools.reserves(pool.state)[token_in]
        amount = held // _SHARE_MAX * self._chance.randint(10, 100) // 100
        if amount == 0:
            return
        accounts = [associated_token_account(self.key, mint.key, mint.program) for mint in pool.mints]
        terms = SwapTerms(
            self.key, accounts[token_in], accounts[1 - token_in], token_in, SwapMode.EXACT_IN, amount, 1
        )
        self._send([compute_unit_limit(_UNITS), pool.swap(terms)])

    def _send(self, instructions: list[Instruction]) -> None:
        chain = self._network.chain
        blockhash, _ = chain.latest_blockhash(chain.view(Commitment.PROCESSED))
        message = MessageV0.try_compile(
            _MAKER.pubkey(), [as_svm(one) for one in instructions], [], Hash.from_bytes(blockhash)
        )
        self._network.arrivals.deliver(VersionedTransaction(message, [_MAKER]))


def as_svm(instruction: Instruction) -> SvmInstruction:
    """Return an instruction as the machine's library has it."""
    accounts = [
        SvmMeta(SvmKey(meta.key), is_signer=meta.is_signer, is_writable=meta.is_writable)
        for meta in instruction.accounts
    ]
    return SvmInstruction(SvmKey(instruction.program), instruction.data, accounts)
