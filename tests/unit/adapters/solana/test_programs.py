"""Program ids and discriminators."""

import pytest

from chalicelib.adapters.solana.keys import NO_KEY
from chalicelib.adapters.solana.programs import (
    PROGRAM_IDS,
    SYSTEM,
    Cluster,
    SwapProgram,
    account_discriminator,
    event_discriminator,
    instruction_discriminator,
)


@pytest.mark.parametrize("cluster", Cluster)
def test_each_swap_program_is_known_by_its_id_and_no_other_account_is_one(cluster: Cluster) -> None:
    ids = PROGRAM_IDS[cluster]
    assert [ids.program_of(each) for each in ids] == list(SwapProgram)
    assert ids.program_of(SYSTEM) is None
    assert SYSTEM == NO_KEY


def test_programs_of_one_cluster_are_not_taken_for_anothers() -> None:
    assert PROGRAM_IDS[Cluster.DEVNET].program_of(PROGRAM_IDS[Cluster.MAINNET].cpmm) is None


def test_discriminators_are_anchors() -> None:
    # As in the published IDLs: ``global:swap`` and ``account:PoolState``.
    assert instruction_discriminator("swap").hex() == "f8c69e91e17587c8"
    assert account_discriminator("PoolState").hex() == "f7ede3f5d7c3de46"
    assert (
        len({d("swap") for d in (account_discriminator, event_discriminator, instruction_discriminator)}) == 3
    )
