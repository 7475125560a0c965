"""Settings: read once from the environment, frozen, with the unit in each name."""

import ipaddress
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chalicelib.aws_addresses import service_url

JWT_SECRET_BYTES_MIN: Final = 32
KEPT_DAYS: Final = 400
"""A year and a month: how long an archived order's row and its client order id stay after its end."""

DAYS_MAX: Final = 36_500
"""Of what is counted back from now: there are no dates before the year 1."""


class ConfigurationError(Exception):
    """The environment lacks something, or holds something unusable; the message lists all of it."""


class AuthMode(StrEnum):
    """Which clients are let in: all of them, on a machine that only its user reaches,
    or those with a good token.
    """

    NONE = "none"
    JWT = "jwt"


class ChainName(StrEnum):
    """Which market stands behind the ports ``Chain`` and ``Venue``."""

    SIMULATED = "simulated"
    SOLANA = "solana"


class ClusterName(StrEnum):
    """Which Solana the nodes must show; another genesis than its own is not traded on."""

    LOCAL = "local"
    DEVNET = "devnet"
    MAINNET = "mainnet"


class SignerName(StrEnum):
    """Whose keys sign Solana's transactions."""

    SEED = "seed"  # a wallet per account, derived from WALLET_SEED
    KMS = "kms"  # a key of AWS KMS per account
    DESK = "desk"  # one key that the accounts' registered wallets have approved as delegate


class Settings(BaseModel):
    """The application's settings; every name is that of an environment variable, in lower case.

    Attributes:
        database_secret_arn: Where the login is, in the form that
            RDS writes, when there is no ``database_url``.
        database_host: Connected to instead of the host that the secret names: a proxy's endpoint.
        wallet_seed_secret_arn: Where the seed is when there is no ``wallet_seed``.
        partial_batch_responses: The queues' event source mappings report batch item failures; without it,
            a batch of which something has to come back fails as a whole.
        route_responses: The WebSocket API's ``$default`` route has a route response, and the stage serves it:
            a frame is answered in the function's result instead of by a post.
        connections_url: The management API of every connection; without it, that of the API by which each
            came in.
        connections_hosts: Without ``connections_url``, the only hosts that frames are posted to, with commas
            between them; empty: API Gateway's own.
        aws_endpoint_url_sqs: Where SQS is, if not at AWS; goes before ``aws_endpoint_url``, as in the SDKs.
        aws_endpoint_url_kms: Where KMS is, likewise.
        aws_endpoint_url_secrets_manager: Where Secrets Manager is, likewise.
        aws_endpoint_url_s3: Where S3 is, likewise.
        aws_use_fips_endpoint: Ask AWS where it holds to FIPS 140, as in the SDKs.
        aws_use_dualstack_endpoint: Ask AWS where it has IPv6 as well, likewise.
        aws_ca_bundle: A file of the authorities that vouch for what is asked as AWS, instead of the system's.
        local_gateway_host: The address that the local runtime listens on; no deployed function has it.
        jwks_url: Where the token issuer publishes its keys. Goes before ``jwt_secret``.
        jwt_algorithm: The one that tokens must be signed with; RS256, or HS256 with a secret, unless given.
        look_again_s: Before the chain is asked again; doubled
            from the fourth time on, up to eight times this.
        batch_hold_ms: How long events for a batched connection wait for more of them.
        packed_events: Whether long fields of events are packed, which releases before 0.3 cannot read.
        archive_url: A folder's whole path, or ``s3://bucket/prefix``, that what ended
            ``retention_days`` ago is moved to by the clock; empty: nothing is.
        client_order_keys_days: How long after its end a retry finds an order; then the record forgets it.
        metrics: Whether ``GET /metrics`` answers.
        traces: Whether orders are told to an OpenTelemetry collector; where that is, its own variables say.
        orders_per_second_max: Of an account, in each execution environment; ``orders_burst_max`` at once.
        quotes_per_second_max: Of an account, in each execution environment, as are the others of
            this name; twice as many at once. As many subscriptions and connections as there may
            be come at once after a lost network.
        tokens_file: Which tokens are traded, if not those of ``tokens.toml``: devnet has other mints.
        solana_rpc_urls: Nodes, the preferred one first, with commas between; often with a provider's key.
        solana_rpc_urls_secret_arn: Where they are when there are no ``solana_rpc_urls``.
        solana_pools_file: Which pools are traded (``adapters/solana/pool_list.py``).
        solana_caps: For mainnet, per token: ``SOL=10/100`` lets one order spend 10, and a day's orders 100.
        solana_witnesses: So many nodes have to say the same of a transaction: landed, or dead.
        solana_search_ms: How often new pools of a pair are searched for while a sniper order waits for one; 0
            turns it off, and sniper orders see listed pools alone.
        solana_kms_keys: With the signer ``kms``: ``account=key id``, with commas between.
        solana_desk_kms_key: With the signer ``desk``: the KMS key; without one a key derived from the seed.
        solana_desk_opens_accounts: Whether the desk pays for accounts of tokens that a wallet has none of,
            which its owner may close and keep what they cost; where nothing is said, not on mainnet.
        solana_priority_price_max: Micro-lamports per compute unit that are bid at most; 0 bids nothing.
        solana_priority_fee_max: Lamports of priority fee that one transaction pays at most.
        solana_simulates: Whether a node tries a transaction before it is signed: what would be refused costs
            no fee then, and each order one call more.
        watches_when_idle: Prices are looked at by the clock also while no order waits for one: what is armed
            then is looked at within a second, not from the next minute on. Where a function's time costs, so
            does that.
        solana_record_restored_to: The moment that the record was set back to, from a backup or by a failover:
            what executed since is looked up before an order is signed for.
        open_orders_max: Of an account; best effort, see ``services/intake/limits.py``.
        resting_orders_max: Of an account, beside those that are under way; best effort likewise.
        connections_max: Of an account.
        subscriptions_max: Unfinished orders that one connection may subscribe to.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = "local"
    chain: ChainName = ChainName.SIMULATED
    database_url: str = Field(default="", repr=False)
    database_secret_arn: str = ""
    database_host: str = ""
    orders_queue_url: str = ""
    orders_queue_name: str = "orderflow-local-orders"
    orders_dlq_name: str = "orderflow-local-orders-dlq"
    partial_batch_responses: bool = False
    route_responses: bool = False
    connections_url: str = ""
    connections_hosts: str = ""
    aws_region: str = "us-east-1"
    aws_endpoint_url: str = ""
    aws_endpoint_url_sqs: str = ""
    aws_endpoint_url_kms: str = ""
    aws_endpoint_url_secrets_manager: str = ""
    aws_endpoint_url_s3: str = ""
    aws_use_fips_endpoint: bool = False
    aws_use_dualstack_endpoint: bool = False
    aws_ca_bundle: str = ""
    wallet_seed: str = Field(default="", repr=False)
    wallet_seed_secret_arn: str = ""

    auth_mode: AuthMode = AuthMode.JWT
    local_gateway_host: str = ""
    jwks_url: str = ""
    jwt_secret: str = Field(default="", repr=False)
    jwt_algorithm: Literal["RS256", "ES256", "PS256", "EdDSA", "HS256"] | None = None
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_leeway_s: int = Field(default=5, ge=0, le=60)
    jwks_lifespan_s: int = Field(default=600, ge=10)
    jwks_refresh_interval_s: int = Field(default=30, ge=1)

    lease_ms: int = Field(default=9_000, gt=0)
    attempts_max: int = Field(default=3, ge=1, le=10)
    retry_delay_s: int = Field(default=2, ge=0)
    look_again_s: int = Field(default=1, ge=0, le=60)
    quote_latency_ms: int = Field(default=150, ge=0)
    quote_time_limit_ms: int = Field(default=1_000, gt=0)
    quote_valid_ms: int = Field(default=2_000, gt=0)
    settlement_latency_ms: int = Field(default=800, ge=0)
    confirmation_wait_ms: int = Field(default=2_000, ge=0)
    confirmation_poll_ms: int = Field(default=50, gt=0)
    post_time_limit_ms: int = Field(default=1_000, gt=0)
    batch_hold_ms: int = Field(default=100, ge=0)
    order_lookup_wait_ms: int = Field(default=1_500, ge=0)
    market_faucet: bool = False
    watches_when_idle: bool = False
    packed_events: bool = True
    archive_url: str = ""
    retention_days: int = Field(default=30, ge=1, le=DAYS_MAX)
    client_order_keys_days: int = Field(default=KEPT_DAYS, ge=60, le=DAYS_MAX)
    metrics: bool = False
    traces: bool = False

    solana_record_restored_to: AwareDatetime | None = None

    tokens_file: str = ""
    solana_rpc_urls: str = Field(default="", repr=False)
    solana_rpc_urls_secret_arn: str = ""
    solana_cluster: ClusterName = ClusterName.LOCAL
    solana_pools_file: str = ""
    solana_allow_mainnet: bool = False
    solana_caps: str = ""
    solana_witnesses: int = Field(default=1, ge=1, le=5)
    solana_signer: SignerName = SignerName.SEED
    solana_kms_keys: str = ""
    solana_desk_kms_key: str = ""
    solana_desk_opens_accounts: bool | None = None
    solana_priority_percentile: int = Field(default=75, ge=0, le=100)
    solana_priority_price_max: int = Field(default=0, ge=0)
    solana_priority_fee_max: int = Field(default=1_000_000, ge=0)
    solana_simulates: bool = False
    solana_call_time_limit_ms: int = Field(default=2_000, gt=0)
    solana_poll_ms: int = Field(default=400, gt=0)
    solana_search_ms: int = Field(default=2_000, ge=0)

    orders_per_second_max: int = Field(default=100, gt=0)
    orders_burst_max: int = Field(default=200, gt=0)
    quotes_per_second_max: int = Field(default=20, gt=0)
    pings_per_second_max: int = Field(default=20, gt=0)
    subscribes_per_second_max: int = Field(default=50, gt=0)
    cancels_per_second_max: int = Field(default=100, gt=0)
    reads_per_second_max: int = Field(default=50, gt=0)
    connects_per_second_max: int = Field(default=20, gt=0)
    operator_requests_per_second_max: int = Field(default=10, gt=0)
    open_orders_max: int = Field(default=1_000, gt=0)
    resting_orders_max: int = Field(default=10_000, gt=0)
    connections_max: int = Field(default=100, gt=0)
    subscriptions_max: int = Field(default=500, gt=0)
    query_page_size_max: int = Field(default=100, gt=0)
    message_bytes_max: int = Field(default=32_768, gt=0)
    text_length_max: int = Field(default=512, gt=0)
    json_depth_max: int = Field(default=8, gt=0)

    @property
    def sqs_endpoint(self) -> str:
        """Where SQS answers: an emulator, or the region's public endpoint."""
        return self._endpoint("sqs", self.aws_endpoint_url_sqs)

    @property
    def kms_endpoint(self) -> str:
        """Where KMS answers, likewise."""
        return self._endpoint("kms", self.aws_endpoint_url_kms)

    @property
    def secrets_endpoint(self) -> str:
        """Where Secrets Manager answers, likewise."""
        return self._endpoint("secretsmanager", self.aws_endpoint_url_secrets_manager)

    def _endpoint(self, service: str, own: str) -> str:
        return (
            own
            or self.aws_endpoint_url
            or service_url(
                service,
                self.aws_region,
                is_fips=self.aws_use_fips_endpoint,
                is_dual_stack=self.aws_use_dualstack_endpoint,
            )
        )

    @property
    def database_secret(self) -> str:
        """The database login's secret, by ARN or by the name that the deployment's stacks give it;
        empty for the local stage, which has none.
        """
        return self.database_secret_arn or self._secret_of_stage("database")

    @property
    def wallet_seed_secret(self) -> str:
        """The wallet seed's secret, named as ``database_secret`` is."""
        return self.wallet_seed_secret_arn or self._secret_of_stage("wallet-seed")

    @property
    def desk_opens_accounts(self) -> bool:
        said = self.solana_desk_opens_accounts
        return self.solana_cluster is not ClusterName.MAINNET if said is None else said

    @property
    def solana_nodes_secret(self) -> str:
        """The secret with the nodes' addresses, named as ``database_secret`` is."""
        return self.solana_rpc_urls_secret_arn or self._secret_of_stage("solana-nodes")

    def _secret_of_stage(self, name: str) -> str:
        return "" if self.stage == "local" else f"orderflow/{self.stage}/{name}"

    @property
    def poll_ms(self) -> int:
        """How often the chain is asked while it is waited for.

        A node counts its calls, and a block takes time.
        """
        return self.solana_poll_ms if self.chain is ChainName.SOLANA else self.confirmation_poll_ms

    @property
    def first_look_ms(self) -> int:
        """How long what was just sent is left alone.

        A call to a node before a block can have ended is wasted.
        """
        return self.solana_poll_ms if self.chain is ChainName.SOLANA else 0

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read every setting from variables of the same name in upper case.

        Raises:
            ConfigurationError: Something is unusable, or would let in clients that were not meant to be;
                every problem is listed at once.
        """
        settings = cls.read(environment)
        if doubts := "; ".join(_open_doors(settings)):
            raise ConfigurationError(doubts)
        return settings

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read them for what lets no clients in.

        Raises:
            ConfigurationError: Something is unusable; every problem is listed at once.
        """
        named = {
            name: environment[name.upper()] for name in cls.model_fields if environment.get(name.upper())
        }
        try:
            return cls.model_validate(named)
        except ValidationError as error:
            problems = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            raise ConfigurationError(problems) from error


def chain_of(environment: Mapping[str, str]) -> ChainName:
    """Return the chain that the environment names, for what needs no other setting.

    Raises:
        ConfigurationError: There is no such chain.
    """
    named = environment.get("CHAIN") or ChainName.SIMULATED
    try:
        return ChainName(named)
    except ValueError:
        known = " or ".join(f"'{each}'" for each in ChainName)
        raise ConfigurationError(f"CHAIN: Input should be {known}, not '{named}'") from None


def node_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses of a list with commas between, each once, the preferred one first."""
    found: dict[str, str] = {}
    for url in filter(None, map(str.strip, text.split(","))):
        found.setdefault(url.rstrip("/"), url)
    return tuple(found.values())


def _open_doors(settings: Settings) -> Iterator[str]:
    """Yield why these settings cannot keep strangers out."""
    return (
        _doubts_about_none(settings) if settings.auth_mode is AuthMode.NONE else _doubts_about_jwt(settings)
    )


def _doubts_about_none(settings: Settings) -> Iterator[str]:
    # Both, since either can be forgotten: a stage without a name is called local.
    if settings.stage != "local":
        yield f"AUTH_MODE: none is for the local stage, not for {settings.stage}"
    if not _is_loopback(settings.local_gateway_host):
        yield "AUTH_MODE: none needs the local runtime on a loopback address (LOCAL_GATEWAY_HOST)"


def _doubts_about_jwt(settings: Settings) -> Iterator[str]:
    algorithm = settings.jwt_algorithm
    if not settings.jwt_issuer or not settings.jwt_audience:
        yield "JWT_ISSUER, JWT_AUDIENCE: both are needed with AUTH_MODE=jwt"
    if settings.jwks_url:
        if not settings.jwks_url.startswith("https://") and settings.stage != "local":
            yield "JWKS_URL: must be https"
        if not _is_address(settings.jwks_url):
            yield "JWKS_URL: is no address of a server"
        if algorithm == "HS256":
            yield "JWT_ALGORITHM: HS256 needs a shared secret, not published keys"
        return
    if not settings.jwt_secret:
        yield "JWKS_URL or JWT_SECRET: one is needed with AUTH_MODE=jwt"
    elif len(settings.jwt_secret.encode()) < JWT_SECRET_BYTES_MIN:
        yield f"JWT_SECRET: must have at least {JWT_SECRET_BYTES_MIN} bytes (RFC 7518, 3.2)"
    if algorithm not in {None, "HS256"}:
        yield f"JWT_ALGORITHM: {algorithm} needs JWKS_URL, not a shared secret"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # as of a port that is no number
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
