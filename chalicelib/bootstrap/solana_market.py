"""Solana behind the ports: its chain, and the venues of the listed pools."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chalicelib.adapters.time_left import time_left
from chalicelib.bootstrap.clients import Clients
from chalicelib.config import ClusterName, ConfigurationError, Settings, SignerName
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.tokens import DECIMALS_MAX, Tokens
from chalicelib.domain.transactions import ChainHealth
from chalicelib.logs import logger
from chalicelib.made_once import made_once
from chalicelib.services.mints import NO_MINTS
from chalicelib.services.ports import Clock

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.adapters.postgres.servers import PostgresServers
    from chalicelib.adapters.solana.beside import Beside
    from chalicelib.adapters.solana.blockhashes import Blockhashes
    from chalicelib.adapters.solana.book import Book
    from chalicelib.adapters.solana.chain import SolanaChain
    from chalicelib.adapters.solana.chain_view import ChainReader
    from chalicelib.adapters.solana.doubted_record import DoubtedRecord
    from chalicelib.adapters.solana.fills import Names
    from chalicelib.adapters.solana.found_pools import FoundPools, JudgedPool
    from chalicelib.adapters.solana.keys import Pubkey
    from chalicelib.adapters.solana.lost_transactions import SolanaLostTransactions
    from chalicelib.adapters.solana.pool_list import ListedPool
    from chalicelib.adapters.solana.pool_reader import PoolReader
    from chalicelib.adapters.solana.programs import ProgramIds
    from chalicelib.adapters.solana.rpc_nodes import RpcNodes
    from chalicelib.adapters.solana.signer import KeyHolder, Signer
    from chalicelib.adapters.solana.spending import Spending
    from chalicelib.adapters.solana.wallet_reader import WalletReader
    from chalicelib.domain.transactions import ExpectedSwap, SignedTransaction
    from chalicelib.services.ports import Mints, Venue


LAST_S: Final = 1.0
"""Of an invocation, kept for the record and the queue: what nodes have said must still be written down."""

HEALTH_HOLDS_S: Final = 2.0
"""Any client may ask how the chain is; its nodes count our calls, and are asked no more often than this."""


class SolanaMarket:
    """Chain and venues behind the nodes that the settings name."""

    def __init__(self, settings: Settings, clock: Clock, tokens: Tokens, clients: Clients) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = tokens
        self._clients = clients
        self._call_limit_s = settings.solana_call_time_limit_ms / 1000

    @made_once
    def chain(self) -> "SolanaChain":
        from chalicelib.adapters.solana.chain import SendingPolicy, SolanaChain
        from chalicelib.adapters.solana.found_pools import TradedKeys
        from chalicelib.adapters.solana.message_guard import GuardedSigner, SigningRules
        from chalicelib.adapters.solana.priority_fees import PriorityFees, PriorityPolicy
        from chalicelib.adapters.solana.signer import DeferredSigner

        settings, limit_s = self._settings, self._call_limit_s
        rules = SigningRules(
            self._ids,
            TradedKeys(self._listed, self._found_keys),
            fee_lamports_max=settings.solana_priority_fee_max,
        )
        priority = PriorityPolicy(
            settings.solana_priority_percentile,
            settings.solana_priority_price_max,
            settings.solana_priority_fee_max,
        )
        return SolanaChain(
            self.nodes,
            # Who sends again, or looks, may not read the key, and need not.
            GuardedSigner(DeferredSigner(lambda: self.funded(self.signer)), rules),
            self.pools,
            self._listed_names,
            blockhashes=self._blockhashes,
            wallets=self._wallets,
            priority_fees=PriorityFees(self.nodes, priority, time_limit_s=limit_s),
            reader=self.reader,
            policy=SendingPolicy(
                limit_s,
                is_simulated=settings.solana_simulates,
                desk_opens_accounts=settings.desk_opens_accounts,
                signs_elsewhere=self._signs_elsewhere,
            ),
            executor=self._clients.executor,
            spending=self._spending,
        )

    @made_once
    def _blockhashes(self) -> "Blockhashes":
        from chalicelib.adapters.solana.blockhashes import Blockhashes

        return Blockhashes(
            self.nodes, time_limit_s=self._call_limit_s, witnesses=self._settings.solana_witnesses
        )

    @made_once
    def _wallets(self) -> "WalletReader":
        from chalicelib.adapters.solana.wallet_reader import WalletReader

        return WalletReader(self.nodes, time_limit_s=self._call_limit_s)

    def expect(self, swaps: "Sequence[ExpectedSwap]") -> None:
        """Have what these need beside the pools read together with the pools."""
        self._wallets.expect(swaps)

    def _beside_pools(self, book: "Book | None", newest_slot: int) -> "Sequence[Beside]":
        wallets = self._wallets.beside(book, newest_slot)
        return [*wallets, *self._blockhashes.beside()] if wallets else ()

    @made_once
    def venues(self) -> "Sequence[Venue]":
        from chalicelib.adapters.solana.venue import SolanaVenue

        names = sorted({pool.venue for pool in self._listed}, reverse=True)
        name_tokens = [self.found.name] if self.found else []
        is_delegated = self._settings.solana_signer is SignerName.DESK
        return [
            SolanaVenue(name, self._listed, self.pools, *name_tokens, is_delegated=is_delegated)
            for name in names
        ]

    @made_once
    def reader(self) -> "ChainReader":
        """What looks transactions and heights up; it needs no key that signs."""
        from chalicelib.adapters.solana.chain_view import ChainReader

        return ChainReader(
            self.nodes,
            lambda: self._names,
            time_limit_s=self._call_limit_s,
            witnesses=self._settings.solana_witnesses,
        )

    @made_once
    def servers(self) -> "PostgresServers":
        """Where the record is, which may lack what the chain has."""
        from chalicelib.adapters.postgres.servers import PostgresServers

        return PostgresServers(self._clients.engine)

    def may_have_executed(self) -> bool:
        """Return whether the record may lack something; raises ``RetryableError`` if it does not tell."""
        is_set_back = self._settings.solana_record_restored_to is not None
        return is_set_back or self.servers.found().doubt is not None

    def may_lack_later(self, transaction: "SignedTransaction") -> bool:
        """Return whether the record may lack later transactions of the order that one is of; likewise.

        None that was signed on the server that the record is on. Where an operator named a moment, what rests
        is looked up when it fires: a pause after refusals, which cost fees, is not cut short for that.
        """
        doubt = self.servers.found().doubt
        return doubt is not None and doubt.is_of_before(transaction)

    @made_once
    def lost_transactions(self) -> "DoubtedRecord":
        """What finds transactions that the record has lost."""
        from chalicelib.adapters.solana.doubted_record import DoubtedRecord

        restored_to = self._settings.solana_record_restored_to
        return DoubtedRecord(
            self.servers, self._blockhashes.recent, self._lost_since, restored_to=restored_to
        )

    def _lost_since(self, moment: "datetime") -> "SolanaLostTransactions":
        from chalicelib.adapters.solana.lost_transactions import SolanaLostTransactions

        return SolanaLostTransactions(
            self.nodes, self.reader, self.signer.wallet, restored_to=moment, time_limit_s=self._call_limit_s
        )

    @property
    def mints(self) -> "Mints":
        """What is known of mints in no list: those of pools that were found."""
        return self.found or NO_MINTS

    def require_key(self) -> None:
        """Raise ``ConfigurationError`` if nothing is there to sign with."""
        _ = self.signer

    def height(self) -> int:
        """Return the latest block that a node shows.

        Raises:
            RetryableError: No node answered.
        """
        from chalicelib.adapters.solana.rpc_errors import NodeError, not_answered

        try:
            return self.reader.view(()).height
        except NodeError as error:
            raise not_answered(error) from error

    def check(self) -> ChainHealth:
        """Read the pools, and return how the chain is.

        Raises:
            RetryableError: No node shows the present chain, or no pool can be traded with.
        """
        from chalicelib.adapters.solana.rpc_errors import NodeError, not_answered

        try:
            book = self.pools.recent(HEALTH_HOLDS_S)
        except NodeError as error:
            raise not_answered(error) from error
        if not book.pools:
            raise RetryableError(f"none of {len(self._listed)} pools can be traded with")
        age_s = int(self._clock.now().timestamp()) - book.clock.unix_timestamp
        return ChainHealth(book.clock.slot, max(0, age_s), len(book.pools), len(book.refused))

    @made_once
    def nodes(self) -> "RpcNodes":
        """The nodes, each of which has to be of the right cluster."""
        from chalicelib.adapters.solana.cluster import ClusterNode
        from chalicelib.adapters.solana.programs import Cluster
        from chalicelib.adapters.solana.rpc_nodes import RpcNodes

        cluster = Cluster(self._settings.solana_cluster)
        addresses, witnesses = self._clients.solana_nodes(), self._settings.solana_witnesses
        if witnesses > len(addresses):
            raise ConfigurationError(f"SOLANA_WITNESSES: {witnesses} among {len(addresses)} nodes")
        if witnesses == len(addresses) > 1:
            logger.warning("no order ends while one of the nodes is silent", nodes=witnesses)
        if witnesses == 1 and cluster is Cluster.MAINNET:
            logger.warning("one node alone says what landed", setting="SOLANA_WITNESSES")
        try:
            nodes = [ClusterNode(url, cluster) for url in addresses]
        except ValueError as error:
            raise ConfigurationError(f"SOLANA_RPC_URLS: {error}") from error
        return RpcNodes(nodes, within=_within)

    @made_once
    def pools(self) -> "PoolReader":
        """What reads the listed pools, once for all venues."""
        from chalicelib.adapters.solana.pool_reader import PoolReader

        return PoolReader(
            self.nodes,
            self._ids,
            self._listed,
            self._tokens,
            now_unix_s=lambda: self._clock.now().timestamp(),
            time_limit_s=self._settings.quote_time_limit_ms / 1000,
            found=self.found.offered if self.found else tuple,
            beside=self._beside_pools,
        )

    @made_once
    def found(self) -> "FoundPools | None":
        """Pools beside the list, for sniper orders; None if none are searched for."""
        from chalicelib.adapters.solana.found_pools import FoundPools

        settings = self._settings
        if not settings.solana_search_ms or not (settings.database_url or settings.database_secret):
            return None
        return FoundPools(
            self._clients.engine,
            self.nodes,
            self._ids,
            self._tokens,
            self._listed,
            judge=self._judged,
            every_s=settings.solana_search_ms / 1000,
            time_limit_s=self._call_limit_s,
        )

    def _judged(self, pools: "Sequence[ListedPool]") -> "tuple[Sequence[JudgedPool], Sequence[ListedPool]]":
        """Return of pools that were found those to keep, and those not to look at again."""
        from chalicelib.adapters.solana.found_pools import TRADED_FOR_S, JudgedPool
        from chalicelib.adapters.solana.pool_reader import PoolReader
        from chalicelib.adapters.solana.venue import chain_time
        from chalicelib.bootstrap.venue_openings import FORESEEN_S, age_s

        now_s = self._clock.now().timestamp
        reader = PoolReader(
            self.nodes, self._ids, pools, self._tokens, now_unix_s=now_s, time_limit_s=self._call_limit_s
        )
        book = reader.read()
        now = chain_time(book.clock)
        ages = {pool_id: age_s(pool.state, now) for pool_id, pool in book.pools.items()}
        decimals = {
            pool_id: (pool.on_chain.mints[0].decimals, pool.on_chain.mints[1].decimals)
            for pool_id, pool in book.pools.items()
        }
        young = {
            pool_id
            for pool_id, age in ages.items()
            if age is not None and age < TRADED_FOR_S and max(decimals[pool_id]) <= DECIMALS_MAX
        }
        # What opens too late to be told of yet is looked at again, and takes none of the places meanwhile.
        later = {pool_id for pool_id in young if (ages[pool_id] or 0) < -FORESEEN_S}
        return (
            [JudgedPool(pool, decimals[pool.pool_id]) for pool in pools if pool.pool_id in young - later],
            [pool for pool in pools if pool.pool_id in ages.keys() - young],
        )

    def _found_keys(self) -> "Collection[Pubkey]":
        return self.found.named().keys() if self.found else ()

    @made_once
    def signer(self) -> "Signer":
        """Whose keys sign; what they sign is not looked at here."""
        from chalicelib.adapters.solana.signer import OwnKeySigner, SeedSigner

        match self._settings.solana_signer:
            case SignerName.SEED:
                return SeedSigner(self._clients.wallet_seed().encode())
            case SignerName.KMS:
                holders = {account: self._kms_key(key) for account, key in self._kms_keys.items()}
                return OwnKeySigner(holders.get)
            case SignerName.DESK:
                return self._desk_signer()

    @property
    def _signs_elsewhere(self) -> bool:
        signer = self._settings.solana_signer
        is_desks = signer is SignerName.DESK and bool(self._settings.solana_desk_kms_key)
        return signer is SignerName.KMS or is_desks

    def _desk_signer(self) -> "Signer":
        from chalicelib.adapters.solana.registered_wallets import RegisteredWallets
        from chalicelib.adapters.solana.signer import DelegateSigner, desk_key_of

        key_id = self._settings.solana_desk_kms_key
        desk = self._kms_key(key_id) if key_id else desk_key_of(self._clients.wallet_seed().encode())
        return DelegateSigner(desk, RegisteredWallets(self._clients.engine).owner_of)

    def funded(self, signer: "Signer") -> "Signer":
        """Return a signer whose wallets have money from the start, where money is nothing."""
        if not self._settings.market_faucet or self._settings.solana_cluster is not ClusterName.LOCAL:
            return signer
        from chalicelib.adapters.solana.local_faucet import FundedSigner

        return FundedSigner(signer, self.nodes, time_limit_s=self._call_limit_s)

    @made_once
    def _spending(self) -> "Spending | None":
        from chalicelib.bootstrap.solana_settings import spend_caps

        caps = spend_caps(self._settings, self._tokens)
        if not caps:
            return None
        from chalicelib.adapters.solana.day_spending import DaySpending

        is_demanded = self._settings.solana_cluster is ClusterName.MAINNET
        return DaySpending(self._clients.engine, caps, is_demanded=is_demanded)

    @made_once
    def _kms_keys(self) -> Mapping[str, str]:
        from chalicelib.bootstrap.solana_settings import kms_keys

        return kms_keys(self._settings)

    def _kms_key(self, key_id: str) -> "KeyHolder":
        from chalicelib.adapters.solana.kms_key import KmsKey

        return KmsKey(lambda: self._clients.kms, key_id)

    @made_once
    def _listed(self) -> "tuple[ListedPool, ...]":
        from chalicelib.adapters.solana.pool_list import PoolListError, load_pools

        try:
            return load_pools(Path(self._settings.solana_pools_file), self._tokens)
        except PoolListError as error:
            raise ConfigurationError(f"SOLANA_POOLS_FILE: {error}") from error

    @made_once
    def _ids(self) -> "ProgramIds":
        from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster

        return PROGRAM_IDS[Cluster(self._settings.solana_cluster)]

    @property
    def _names(self) -> "Names":
        found = self.found.named() if self.found else {}
        return self._listed_names._replace(pools={**found, **self._listed_names.pools})

    @made_once
    def _listed_names(self) -> "Names":
        from chalicelib.adapters.solana.fills import names_of

        return names_of(self._ids, self._listed, self._tokens)._replace(bin_step=self.pools.bin_step)


def _within(seconds: float) -> float:
    """Return how long nodes may be asked for what may take so long by itself."""
    return max(0.0, time_left.for_work(seconds + LAST_S) - LAST_S)
