"""What of Solana's settings is more than a number: read, and refused before an order is accepted for it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.config import ConfigurationError, Settings, SignerName, node_addresses
from chalicelib.domain.amounts import parse_units
from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import Tokens

if TYPE_CHECKING:
    from chalicelib.adapters.solana.spending import SpendCaps


def check_solana(settings: Settings, tokens: Tokens) -> None:
    """Accept settings that the engine can trade with.

    Raises:
        ConfigurationError: It lists everything that is missing or wrong.
    """
    if problems := "; ".join(_problems(settings, tokens)):
        raise ConfigurationError(problems)


def spend_caps(settings: Settings, tokens: Tokens) -> "Mapping[str, SpendCaps]":
    """Return the caps by token, in base units.

    Raises:
        ConfigurationError: An entry is not of the form ``SOL=10/100``, or of an unknown token.
    """
    from chalicelib.adapters.solana.spending import SpendCaps

    caps: dict[str, SpendCaps] = {}
    for symbol, amounts in _entries("SOLANA_CAPS", settings.solana_caps).items():
        if symbol not in tokens:
            raise ConfigurationError(f"SOLANA_CAPS: {symbol!r} is no token that is traded")
        parts = amounts.split("/")
        if len(parts) != 2:
            raise ConfigurationError(
                f"SOLANA_CAPS: {symbol} needs two amounts, per order and per day: 10/100"
            )
        try:
            order, day = (parse_units(part, tokens[symbol].scale, field=symbol) for part in parts)
        except FieldError as error:
            raise ConfigurationError(f"SOLANA_CAPS: {error.message}") from error
        caps[symbol] = SpendCaps(order, day)
    return caps


def kms_keys(settings: Settings) -> Mapping[str, str]:
    """Return the KMS key of each account that has one.

    Raises:
        ConfigurationError: An entry is not of the form ``account=key id``.
    """
    return _entries("SOLANA_KMS_KEYS", settings.solana_kms_keys)


def _problems(settings: Settings, tokens: Tokens) -> Iterator[str]:
    nodes = node_addresses(settings.solana_rpc_urls)
    # A secret is read by those that ask nodes; the function that accepts orders may not.
    if not nodes and not settings.solana_nodes_secret:
        yield "SOLANA_RPC_URLS: is missing: a node's address, or several with commas between"
    elif nodes and settings.solana_witnesses > len(nodes):
        yield f"SOLANA_WITNESSES: {settings.solana_witnesses} cannot be found among {len(nodes)} nodes"
    if not settings.solana_pools_file:
        yield "SOLANA_POOLS_FILE: is missing: the list of pools that are traded"
    elif not Path(settings.solana_pools_file).is_file():
        yield f"SOLANA_POOLS_FILE: there is no file {settings.solana_pools_file}"
    try:
        if settings.solana_signer is SignerName.KMS and not kms_keys(settings):
            yield "SOLANA_KMS_KEYS: is missing: account=key id"
        yield from _leave(settings, tokens)
    except ConfigurationError as error:
        yield str(error)


def _leave(settings: Settings, tokens: Tokens) -> Iterator[str]:
    """Yield why mainnet's money is not to be touched with these settings."""
    from chalicelib.adapters.solana.programs import Cluster
    from chalicelib.adapters.solana.spending import MainnetRefusedError, require_leave

    caps = spend_caps(settings, tokens)
    try:
        require_leave(
            Cluster(settings.solana_cluster),
            is_allowed=settings.solana_allow_mainnet,
            caps=caps,
            tokens=[token.symbol for token in tokens],
        )
    except MainnetRefusedError as error:
        yield f"SOLANA_CLUSTER: mainnet is refused: {error}"


def _entries(name: str, text: str) -> dict[str, str]:
    """Return the entries ``key=value`` of a list with commas between."""
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not (key and equals and value):
            raise ConfigurationError(f"{name}: {entry!r} is not of the form name=value")
        if key in found:
            raise ConfigurationError(f"{name}: {key} is there twice")
        found[key] = value
    return found
