import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.solana.keys import NO_KEY, Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account, derived, is_on_curve
from chalicelib.adapters.solana.programs import (
    PROGRAM_IDS,
    TOKEN,
    TOKEN_2022,
    Cluster,
    SwapProgram,
    account_discriminator,
    event_discriminator,
    instruction_discriminator,
)
from chalicelib.adapters.solana.raydium_clmm import tick_array_of

IDS = PROGRAM_IDS[Cluster.MAINNET]


@pytest.mark.parametrize(
    ("program", "seeds", "address"),
    [
        (IDS.cpmm, [b"vault_and_lp_mint_auth_seed"], "GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL"),
        (IDS.clmm, [b"amm_config", b"\0\x08"], "3h2e43PunVA5K34vwKCLHWhZF4aZpyaC9RmxvshGAQpL"),
        (IDS.dlmm, [b"__event_authority"], "D1ZN9Wj1fRSUQfCjhvnu1hqDMT7hzjzBBpi12nVniYD6"),
        (IDS.damm_v2, [b"pool_authority"], "HLnpSz9h2S4hiLQ43rnSD9XkcUThA7B8hQMKmDaiTLcC"),
        (IDS.damm_v2, [b"__event_authority"], "3rmHSu74h1ZcmAisVcWerTCiRDQbUrBKmcwptYGjHfet"),
    ],
)
def test_known_addresses_are_derived(program: Pubkey, seeds: list[bytes], address: str) -> None:
    assert address_of(derived(program, *seeds)) == address


def test_tick_array_of_a_mainnet_pool_is_where_it_is() -> None:
    pool = pubkey("3ucNos4NbumPLZNWztqGHNFFgkHeRMBQAVemeeomsUxv")
    assert address_of(tick_array_of(IDS.clmm, pool, -24480)) == "CRH2mjtHSHrGEJGgLsRBqLm6nvhSbVtkG4q62qhm3i6h"


def test_associated_token_account_depends_on_the_token_program() -> None:
    owner = pubkey("B7uZnQ5uDaH3ZG6eqrCycEx3acMFCtuFfhpQtx19T9Sr")
    mint = pubkey("3rfBmcJttUP4b1jqQJD3w77Qp92RiYANdaAvE8VzRBKf")
    classic = associated_token_account(owner, mint, TOKEN)
    assert address_of(classic) == "6SRozLqGL6sLPBNpsf2rbDnsb3LbzEQpA4hPvdECYasv"
    assert associated_token_account(owner, mint, TOKEN_2022) != classic


def test_public_keys_are_on_the_curve_and_derived_addresses_are_not() -> None:
    for number in range(1, 30):
        key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key()
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        assert is_on_curve(raw)
        assert not is_on_curve(derived(IDS.cpmm, raw))


def test_long_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 32"):
        derived(IDS.cpmm, bytes(33))


@pytest.mark.parametrize("text", ["", "1" * 31, "1" * 33, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5D0"])
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|base58"):
        pubkey(text)


def test_program_is_known_by_its_id_per_cluster() -> None:
    assert [IDS.program_of(key) for key in IDS] == list(SwapProgram)
    assert IDS.program_of(NO_KEY) is None
    assert PROGRAM_IDS[Cluster.DEVNET].program_of(IDS.cpmm) is None


@pytest.mark.parametrize(
    ("discriminator", "text"),
    [
        (instruction_discriminator("swap_base_input"), "8fbe5adac41e33de"),
        (instruction_discriminator("swap_base_output"), "37d96256a34ab4ad"),
        (instruction_discriminator("swap_v2"), "2b04ed0b1ac91e62"),
        (instruction_discriminator("swap2"), "414b3f4ceb5b5b88"),
        (instruction_discriminator("swap_exact_out2"), "2bd7f784893cf351"),
        (account_discriminator("PoolState"), "f7ede3f5d7c3de46"),
        (account_discriminator("AmmConfig"), "daf42168cbcb2b6f"),
        (account_discriminator("TickArrayState"), "c09b55cd31f9812a"),
        (account_discriminator("TickArrayBitmapExtension"), "3c9624db61808b99"),
        (account_discriminator("LbPair"), "210b3162b565b10d"),
        (account_discriminator("BinArray"), "5c8e5cdc059446b5"),
        (account_discriminator("BinArrayBitmapExtension"), "506f7c7137ed1205"),
        (account_discriminator("Pool"), "f19a6d0411b16dbc"),
        (event_discriminator("SwapEvent"), "40c6cde8260871e2"),
        (event_discriminator("Swap2Evt"), "2e7452d7941b544d"),
        (event_discriminator("EvtSwap2"), "bd4233a826507599"),
    ],
)
def test_discriminators_are_those_on_chain(discriminator: bytes, text: str) -> None:
    assert discriminator.hex() == text
