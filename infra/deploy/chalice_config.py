"""What ``.chalice/config.json`` has to say for ``chalice deploy`` beside stacks that are there already. Pure.

Queues and secrets are found by their names, so only what the stage's name does not tell is said.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from infra.deploy.json_types import JsonObject
from infra.deploy.solana_stage import SETTINGS

# Environment variable by output or option.
_VARIABLES: Final = {
    "AUTH_MODE": "AuthMode",
    "JWKS_URL": "JwksUrl",
    "JWT_SECRET": "JwtSecret",
    "JWT_ISSUER": "JwtIssuer",
    "JWT_AUDIENCE": "JwtAudience",
    "DATABASE_HOST": "DatabaseHost",
    "ARCHIVE_URL": "ArchiveUrl",
    "MARKET_FAUCET": "MarketFaucet",
    "POWERTOOLS_LOG_LEVEL": "LogLevel",
    "AWS_ENDPOINT_URL": "EmulatorUrl",
    "CHAIN": "Chain",
    "SOLANA_POOLS_FILE": "SolanaPoolsFile",
    "TOKENS_FILE": "TokensFile",
    **SETTINGS,
}


def chalice_config(stage: str, values: Mapping[str, str]) -> JsonObject:
    """Return the members to merge into the file.

    Args:
        values: The deployment's options and the outputs of its stacks.
    """
    own: JsonObject = {"environment_variables": dict(_variables(stage, values))}
    if values.get("FunctionSecurityGroupId"):
        own["subnet_ids"] = values["SubnetIds"].split(",")
        own["security_group_ids"] = [values["FunctionSecurityGroupId"]]
    return {"stages": {stage: own}}


def _variables(stage: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, source in _VARIABLES.items():
        if value := values.get(source):
            yield name, value
    if values["AuthMode"] == "none":
        # Only the local stage lets all clients in, and that stage has no secrets to be found by its name.
        yield "STAGE", "local"
        yield "LOCAL_GATEWAY_HOST", "127.0.0.1"
        yield "DATABASE_SECRET_ARN", f"orderflow/{stage}/database"
        yield "WALLET_SEED_SECRET_ARN", f"orderflow/{stage}/wallet-seed"
        if values.get("Chain") == "solana":
            yield "SOLANA_RPC_URLS_SECRET_ARN", f"orderflow/{stage}/solana-nodes"
