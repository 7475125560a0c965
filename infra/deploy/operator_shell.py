"""What an operator's shell needs to know of a stage, as lines that it evaluates. Pure."""

from collections.abc import Callable, Iterator, Mapping
from shlex import quote
from typing import Final

_PLAIN: Final = {
    "OwnerSecretArn": "DATABASE_SECRET_ARN",
    "DatabaseHost": "DATABASE_HOST",
    "ArchiveUrl": "ARCHIVE_URL",
    "DeskKeyArn": "SOLANA_DESK_KMS_KEY",
}
# The shell fetches these by itself.
_SECRET: Final = {"WalletSeedSecretArn": "WALLET_SEED", "SolanaNodesSecretArn": "SOLANA_RPC_URLS"}
_STACKS: Final = ("database", "given-database", "secrets", "archive", "solana-nodes", "app")

Outputs = Callable[[str], Mapping[str, str] | None]
"""Returns a stack's outputs; None if there is no such stack."""


def shell_lines(stage: str, outputs: Outputs, *, region: str) -> Iterator[str]:
    """Yield the lines; no secret is in them, only how it is fetched.

    Raises:
        LookupError: The stage has no database.
    """
    found: dict[str, str] = {}
    for name in _STACKS:
        found |= outputs(f"orderflow-{stage}-{name}") or {}
    if "OwnerSecretArn" not in found:
        raise LookupError(f"there is no stage {stage} with a database here")
    yield f"export STAGE={quote(stage)} AWS_REGION={quote(region)}"
    if "SolanaNodesSecretArn" in found:
        yield "export CHAIN=solana"
    for output, variable in _PLAIN.items():
        if found.get(output):
            yield f"export {variable}={quote(found[output])}"
    for output, variable in _SECRET.items():
        if output in found:
            fetched = f"aws secretsmanager get-secret-value --secret-id {quote(found[output])}"
            yield f'export {variable}="$({fetched} --query SecretString --output text)"'
