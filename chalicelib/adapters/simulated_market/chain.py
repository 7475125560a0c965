"""The simulated chain: signs, takes transactions in, and answers for signatures."""

import base64
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from time import monotonic
from typing import Final

from sqlalchemy import Engine

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
from chalicelib.adapters.simulated_market.landing import Landing
from chalicelib.adapters.simulated_market.locking import LANDING_LOCK, retried
from chalicelib.adapters.simulated_market.pool_cache import PoolCache, RecentBlock
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.adapters.simulated_market.statuses import StatusReader
from chalicelib.adapters.simulated_market.transactions import OwnSignatures, sign, wallet_of
from chalicelib.adapters.simulated_market.wallets import Faucet
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction

BLOCK_FRESH_S: Final = 1.0
"""A block seen so recently is signed with as it is; a second of the sixty that a transaction is valid for."""

_NODE: Final = Statement("""
    SELECT market.height_at(market.now()) AS height, extract(epoch FROM genesis_at)::text AS genesis,
        floor(extract(epoch FROM market.now()) * 1000)::bigint AS moment_ms
    FROM market.chain
""")

# The lock is held before the clock is read, and until the commit: see `locking`.
_TAKE_IN: Final = Statement("""
    WITH landing AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:landing_lock)),
    moment AS MATERIALIZED (SELECT market.now() AS now FROM landing)
    INSERT INTO market.mempool (signature, payload, last_valid_height, lands_at)
    SELECT new.signature, decode(new.payload, 'base64'), new.last_valid_height,
           moment.now + new.delay_ms * interval '1 millisecond'
    FROM moment CROSS JOIN jsonb_to_recordset(CAST(:transactions AS jsonb))
        AS new (signature text, payload text, last_valid_height bigint, delay_ms integer)
    WHERE NOT EXISTS (SELECT FROM market.transactions AS old WHERE old.signature = new.signature)
    ORDER BY new.signature
    ON CONFLICT DO NOTHING
""")


class MarketChain:
    """The port ``Chain`` on the market in Postgres; safe to share between threads.

    Args:
        wallet_seed: Asked for when something is to be signed: who only sends and looks needs none.
    """

    def __init__(
        self,
        engine: Engine,
        wallet_seed: Callable[[], bytes],
        tokens: Tokens,
        settings: MarketSettings,
        *,
        faults: FaultBoard | None = None,
        cache: PoolCache | None = None,
    ) -> None:
        self._database = Database(engine)
        self._wallet_seed = wallet_seed
        self._settings = settings
        self._cache = cache or PoolCache()
        self._own = OwnSignatures()
        self._faults = faults or FaultBoard(engine)
        faucet = Faucet(engine, tokens, is_faucet_on=settings.is_faucet_on)
        self._landing = Landing(engine, self._cache, faucet)
        self._statuses = StatusReader(engine, self._landing)

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        """Sign one transaction per instruction, all with the
        block that came with the pools, or one asked for.

        An older block makes a transaction's validity end sooner, and its ``last_valid_height`` says so.
        """
        block, wallet_seed = self._recent_block(), self._wallet_seed()
        made = [
            sign(
                wallet_of(wallet_seed, instruction.account_id),
                instruction,
                genesis=block.genesis,
                height=block.height,
            )
            for instruction in instructions
        ]
        for signed_bytes, transaction in made:
            self._own.keep(signed_bytes, transaction)
        return [signed_bytes for signed_bytes, _ in made]

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        """Hand over transactions; bytes that are not signed by their wallet vanish, as on a real network."""
        faults = self._faults.current()
        if self._faults.happens(faults.error_before_rate):
            raise RetryableError("the market's node refused the connection")
        arrived = [each for each in transactions if not self._faults.happens(faults.drop_rate)]
        checked = [(each, self._own.verified(each.signature, each.payload)) for each in arrived]
        real = [(each, transaction) for each, transaction in checked if transaction is not None]
        if real and self._settings.settlement_latency_ms + faults.extra_delay_ms == 0:
            self._landing.land_now([transaction for _, transaction in real])
        elif real:
            self._take_in(
                [replace(each, last_valid_height=found.message.last_valid_height) for each, found in real],
                faults.extra_delay_ms,
            )
        if self._faults.happens(faults.error_after_rate):
            raise RetryableError("the market's node closed the connection")

    def view(self, signatures: Sequence[str]) -> ChainView:
        """Land what is due, then answer; see ``statuses`` for what "unknown" is worth."""
        faults = self._faults.current()
        return retried(lambda: self._statuses.view(signatures, faults.view_lag_ms))

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        """Look once more: there is one ledger."""
        view = self.view([each.signature for each in transactions])
        return view.dead(transactions, margin_blocks=margin_blocks)

    def _recent_block(self) -> RecentBlock:
        seen, now = self._cache.block, monotonic()
        if seen is not None and now - seen.asked_at < BLOCK_FRESH_S:
            return seen
        with translated_errors():
            (node,) = self._database.execute(_NODE)
        return RecentBlock(node.genesis, node.height, node.moment_ms, now)

    def _take_in(self, transactions: Sequence[SignedTransaction], extra_delay_ms: int) -> None:
        latency_ms = self._settings.settlement_latency_ms
        rows = [
            {
                "signature": each.signature,
                "payload": base64.b64encode(each.payload).decode(),
                "last_valid_height": each.last_valid_height,
                "delay_ms": round(self._faults.jittered_s(latency_ms) * 1000) + extra_delay_ms,
            }
            for each in transactions
        ]
        parameters = {"landing_lock": LANDING_LOCK, "transactions": json.dumps(rows)}
        retried(lambda: self._database.execute(_TAKE_IN, parameters))
