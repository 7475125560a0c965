"""What a stage on Solana is given beside the others: settings, files of its package, addresses of nodes.

They are read from the variables that `make run` reads, and refused here as the functions would refuse them:
a stage that takes orders and cannot execute one is never deployed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chalicelib.adapters.solana.pool_list import PoolListError, load_pools
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.solana_settings import check_solana
from chalicelib.config import ChainName, ClusterName, ConfigurationError, Settings, chain_of

POOLS_FILE: Final = "solana-pools.toml"
TOKENS_FILE: Final = "traded-tokens.toml"
"""Their names in the package's root, which is where functions start."""

SETTINGS: Final = {
    "SOLANA_CLUSTER": "SolanaCluster",
    "SOLANA_ALLOW_MAINNET": "SolanaAllowMainnet",
    "SOLANA_CAPS": "SolanaCaps",
    "SOLANA_WITNESSES": "SolanaWitnesses",
    "SOLANA_SIGNER": "SolanaSigner",
    "SOLANA_KMS_KEYS": "SolanaKmsKeys",
    "SOLANA_DESK_KMS_KEY": "SolanaDeskKmsKey",
    "SOLANA_DESK_OPENS_ACCOUNTS": "SolanaDeskOpensAccounts",
    "SOLANA_PRIORITY_PERCENTILE": "SolanaPriorityPercentile",
    "SOLANA_PRIORITY_PRICE_MAX": "SolanaPriorityPriceMax",
    "SOLANA_PRIORITY_FEE_MAX": "SolanaPriorityFeeMax",
    "SOLANA_SIMULATES": "SolanaSimulates",
    "SOLANA_CALL_TIME_LIMIT_MS": "SolanaCallTimeLimitMs",
    "SOLANA_POLL_MS": "SolanaPollMs",
    "SOLANA_SEARCH_MS": "SolanaSearchMs",
    "SOLANA_RECORD_RESTORED_TO": "SolanaRecordRestoredTo",
}
"""Parameters of the template by setting; what is not set keeps the functions' own default."""


@dataclass(frozen=True, slots=True)
class SolanaStage:
    """A stage's chain.

    Attributes:
        parameters: Of the templates.
        files: Put into the package, by their names there.
        rpc_urls: Kept as a secret, since they hold a provider's key.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    rpc_urls: str = field(default="", repr=False)


NO_SOLANA: Final = SolanaStage()
"""A stage of the simulated market."""


def solana_stage(environment: Mapping[str, str], *, is_emulated: bool) -> SolanaStage:
    """Return what the environment says of the chain; nothing unless ``CHAIN=solana``.

    Raises:
        ConfigurationError: It lists what is missing or wrong. Mainnet needs its leave and a cap for every
            token; on AWS no function reaches a chain of this machine.
    """
    if chain_of(environment) is not ChainName.SOLANA:
        return NO_SOLANA
    own = {name: value for name in SETTINGS if (value := environment.get(name))}
    named = {name: environment.get(name, "") for name in ("SOLANA_RPC_URLS", "SOLANA_POOLS_FILE")}
    tokens_file = environment.get("TOKENS_FILE", "")
    # Who may come in is decided elsewhere, and refused there.
    entry = {"AUTH_MODE": "none", "LOCAL_GATEWAY_HOST": "127.0.0.1", "CHAIN": "solana"}
    settings = Settings.from_env({**own, **named, **entry})
    if settings.solana_cluster is ClusterName.LOCAL and not is_emulated:
        raise ConfigurationError(
            "SOLANA_CLUSTER: devnet or mainnet; functions on AWS reach no chain of this machine"
        )
    try:
        tokens = load_tokens(Path(tokens_file)) if tokens_file else load_tokens()
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"TOKENS_FILE: {tokens_file}: {error}") from error
    check_solana(settings, tokens)
    pools_file = Path(settings.solana_pools_file)
    try:
        load_pools(pools_file, tokens)
    except PoolListError as error:
        raise ConfigurationError(f"SOLANA_POOLS_FILE: {error}") from error
    files = {POOLS_FILE: pools_file.read_bytes()}
    parameters = {"Chain": "solana", "SolanaPoolsFile": POOLS_FILE}
    parameters |= {SETTINGS[name]: value for name, value in own.items()}
    if tokens_file:
        files[TOKENS_FILE] = Path(tokens_file).read_bytes()
        parameters["TokensFile"] = TOKENS_FILE
    return SolanaStage(parameters, files, settings.solana_rpc_urls)
