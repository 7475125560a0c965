"""The public client of PyPI, unchanged, against the local chain."""

import asyncio
from collections.abc import Iterator

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solana.rpc.models import TokenAccountOpts
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey as SvmKey
from solders.transaction import VersionedTransaction

from infra.chain.seed import wallet
from tests.unit.infra.chain.builders import SOL, pay
from tests.unit.infra.chain.running import Running, running

TOKEN = SvmKey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
DAMM_V2 = SvmKey.from_string("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("chain"), "--block-ms", "20", "--seed") as started:
        yield started


def test_it_gets_an_airdrop_pays_and_reads_balances_and_statuses(chain: Running) -> None:
    async def paid() -> None:
        payer, to = Keypair(), Keypair()
        async with AsyncClient(f"http://127.0.0.1:{chain.port}", commitment=Confirmed) as client:
            assert await client.is_connected()
            airdrop = (await client.request_airdrop(payer.pubkey(), SOL)).value
            await client.confirm_transaction(airdrop, Confirmed, sleep_seconds=0.02)
            assert (await client.get_balance(payer.pubkey())).value == SOL
            blockhash = (await client.get_latest_blockhash()).value
            message = MessageV0.try_compile(
                payer.pubkey(), [pay(payer, to, SOL // 2)], [], blockhash.blockhash
            )
            transaction = VersionedTransaction(message, [payer])
            assert (await client.get_fee_for_message(message)).value == 5000
            tried = (await client.simulate_transaction(transaction)).value
            assert (tried.err, tried.units_consumed) == (None, 150)
            sent = (await client.send_raw_transaction(bytes(transaction))).value
            confirmed = await client.confirm_transaction(sent, Confirmed, sleep_seconds=0.02)
            assert confirmed.value[0] is not None
            assert confirmed.value[0].err is None
            assert (await client.get_balance(to.pubkey())).value == SOL // 2
            found = (await client.get_transaction(sent, max_supported_transaction_version=0)).value
            assert found is not None
            assert found.transaction.meta is not None
            assert found.transaction.meta.fee == 5000
            assert len((await client.get_signatures_for_address(to.pubkey())).value) == 1

    asyncio.run(paid())


def test_it_reads_token_accounts_and_pools(chain: Running) -> None:
    async def read() -> None:
        async with AsyncClient(f"http://127.0.0.1:{chain.port}", commitment=Confirmed) as client:
            held = await client.get_token_accounts_by_owner_json_parsed(
                wallet(0).pubkey(), TokenAccountOpts(program_id=TOKEN)
            )
            assert len(held.value) == 10
            pools = await client.get_program_accounts(DAMM_V2, encoding="base64", filters=[1112])
            assert len(pools.value) >= 5

    asyncio.run(read())
