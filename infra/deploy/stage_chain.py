"""Keeps a stage's orders from coming to a chain that they were not meant for."""

from collections.abc import Mapping

from chalicelib.config import ChainName, ClusterName, ConfigurationError
from infra.deploy.cloud import Target
from infra.deploy.cloudformation import CloudFormation
from infra.deploy.stacks import APP, MIGRATION, SOLANA, stacks


def keep_chain(
    cloudformation: CloudFormation,
    target: Target,
    stage: str,
    after: Mapping[str, str],
    *,
    enters_mainnet: bool,
) -> None:
    """Refuse to let a stage's orders come to where they were not meant for.

    A stage on Solana, deployed by a shell without CHAIN, would trade on the simulated market: its orders
    would end as confirmed, and nothing have executed them. One at rest that was meant for devnet would be
    executed on mainnet, and one that was sent there be looked for on devnet.

    Args:
        after: The parameters that the stage would have.
        enters_mainnet: A stage that is there already may come to mainnet with the orders that it has.

    Raises:
        ConfigurationError: What the stage was deployed with, or what has to be said.
    """
    named = {each.kind: each.name for each in stacks(target, stage, is_on_solana=True)}

    def known(kind: str) -> Mapping[str, str] | None:
        is_there = cloudformation.outputs(named[kind]) is not None
        return cloudformation.parameters(named[kind]) if is_there else None

    app = known(APP)
    before = app or {}
    # Without its functions, where nodes are tells. With them, they may have failed to come to those.
    was_on_solana = before.get("Chain") == ChainName.SOLANA or (
        app is None and cloudformation.outputs(named[SOLANA]) is not None
    )
    if was_on_solana and after.get("Chain") != ChainName.SOLANA:
        raise ConfigurationError(
            f"stage {stage} trades on Solana: give CHAIN=solana and what it was deployed with, or "
            "destroy the stage first"
        )
    is_on_mainnet = _is_on_mainnet(after)
    if _is_on_mainnet(before) and not is_on_mainnet:
        raise ConfigurationError(
            f"stage {stage} trades on mainnet: give SOLANA_CLUSTER=mainnet, or destroy the stage first"
        )
    # Where functions are gone and a queue has orders, as `make destroy` leaves them, what prepared their
    # record tells what they were for.
    was = app if app is not None else known(MIGRATION)
    if is_on_mainnet and was is not None and not (_is_on_mainnet(was) or enters_mainnet):
        raise ConfigurationError(
            f"stage {stage} does not trade on mainnet, where its orders at rest would be executed "
            "with money: have them canceled, and give --enter-mainnet"
        )


def _is_on_mainnet(parameters: Mapping[str, str]) -> bool:
    return parameters.get("SolanaCluster") == ClusterName.MAINNET
