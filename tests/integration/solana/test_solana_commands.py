"""``orderflow pools`` and ``orderflow wallet`` on Postgres and a local chain, and the audit's last rules."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.adapters import base58
from chalicelib.adapters.solana.keys import address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import TOKEN, WRAPPED_SOL
from chalicelib.adapters.solana.signer import SeedKey, SeedSigner, desk_key_of
from infra.cli.orderflow import orderflow
from tests.unit.infra.chain.running import Running, running

Run = Callable[..., Result]

SEED = "the engine's seed"
WALLET = SeedKey(b"w" * 32)
MINT = address_of(SeedKey(b"m" * 32).key)
REVOKE = ("wallet", "revoke", "--keypair")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("chain"), "--seed", "--block-ms", "20") as process:
        yield process


@pytest.fixture
def run(database_url: str, chain: Running) -> Run:
    """Run a command on the test's database and chain, printing JSON."""
    environment = {"SOLANA_RPC_URLS": f"http://127.0.0.1:{chain.port}", "WALLET_SEED": SEED}

    def invoke(*words: str) -> Result:
        arguments = ["--database-url", database_url, "--json", *words]
        return CliRunner().invoke(orderflow, arguments, env=environment)

    return invoke


@pytest.fixture
def keypair(tmp_path: Path) -> Path:
    path = tmp_path / "keypair.json"
    path.write_text(json.dumps([*b"w" * 32, *WALLET.key]))
    return path


def shown(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def allowances(run: Run) -> dict[str, str]:
    facts = shown(run("wallet", "show", "--account", "alice", "--signer", "desk"))
    return {row["token"]: row["allowance"] for row in facts["tokens"] if row["allowance"] != "0"}


def delegated(chain: Running) -> dict[str, int]:
    """What the wallet has approved delegates for, by mint, as the chain shows it."""
    return {one["mint"]: int(one["delegatedAmount"]["amount"]) for one in delegated_places(chain)}


def delegated_places(chain: Running) -> list[dict[str, Any]]:
    """The wallet's token accounts with a delegate."""
    asked = {"programId": address_of(TOKEN)}, {"encoding": "jsonParsed", "commitment": "confirmed"}
    held = chain.call("getTokenAccountsByOwner", address_of(WALLET.key), *asked)["value"]
    shown = [one["account"]["data"]["parsed"]["info"] for one in held]
    return [one for one in shown if "delegate" in one]


def test_pools_of_a_pair_are_found_listed_and_can_be_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pools.toml"
    facts = shown(run("pools", "discover", "SOL/USDC", "JUP/mSOL", "--pools-file", str(path)))
    assert [one["program"] for one in facts["pools"]] == [
        "raydium_cpmm",
        "raydium_clmm",
        "meteora_dlmm",
        "meteora_damm_v2",
    ]
    before = path.read_text()
    shown(run("pools", "discover", "USDC/SOL", "--pools-file", str(path), "--venue", "other"))
    assert path.read_text() == before  # what it has keeps its venue
    listed = shown(run("pools", "show", "--pools-file", str(path)))
    assert {(one["pair"], one["problem"]) for one in listed} == {("SOL/USDC", None)}
    assert all(140 < float(one["price"]) < 160 for one in listed)


def test_pools_that_no_node_shows_are_an_error_that_says_so(run: Run, chain: Running, tmp_path: Path) -> None:
    path = tmp_path / "pools.toml"
    shown(run("pools", "discover", "SOL/USDC", "--pools-file", str(path)))
    chain.call("chain_setFaults", {"garbage_percent": 100, "methods": ["getMultipleAccounts"]}, None)
    try:
        result = run("pools", "show", "--pools-file", str(path))
    finally:
        chain.call("chain_resetFaults")
    assert (result.exit_code, "Error: no node shows the pools" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("pools", "discover", "SOL/USDC"), "Give --pools-file"),
        (("pools", "discover", "SOL", "--pools-file", "/nowhere/p"), "a pair is two tokens"),
        (("pools", "discover", "SOL/DOGE", "--pools-file", "/nowhere/p"), "must be a known token"),
        (("pools", "show"), "no pool is listed: ./orderflow pools discover"),
        (("wallet", "show", "--address", "0"), "base58"),
        (("wallet", "airdrop", "--sol", "much", "--address", address_of(WALLET.key)), "sol"),
        (("wallet", "register", "--account", "a"), "either --keypair, or"),
        (("wallet", "revoke"), "which of them"),
    ],
)
def test_mistake_is_an_error_that_says_what_to_do(run: Run, words: tuple[str, ...], problem: str) -> None:
    result = run(*words)
    assert result.exit_code != 0
    assert problem in result.output, result.output


def test_without_nodes_commands_say_where_to_get_some(database_url: str) -> None:
    words = ["--database-url", database_url, "wallet", "show", "--address", address_of(WALLET.key)]
    result = CliRunner().invoke(orderflow, words, env={"SOLANA_RPC_URLS": "", "WALLET_SEED": SEED})
    assert result.exit_code == 1
    assert "CHAIN=solana make run" in result.output


def test_wallet_of_an_account_is_its_signers_and_is_funded_by_an_airdrop(run: Run) -> None:
    facts = shown(run("wallet", "show", "--account", "bob"))
    assert facts["wallet"] == address_of(SeedSigner(SEED.encode()).wallet("bob").owner)
    assert (facts["cluster"], facts["sol"], facts["missing"]) == ("local", "0", [])
    assert any("./orderflow wallet airdrop" in hint for hint in facts["hints"])
    assert shown(run("wallet", "airdrop", "--account", "bob"))["funded"]
    facts = shown(run("wallet", "show", "--account", "bob"))
    assert (facts["sol"], facts["hints"]) == ("10000", [])
    assert all(float(row["balance"]) > 0 for row in facts["tokens"])


def test_registered_wallet_approves_the_desk_and_takes_it_back(run: Run, keypair: Path) -> None:
    desk = address_of(desk_key_of(SEED.encode()).key)
    facts = shown(run("wallet", "show", "--account", "alice", "--signer", "desk"))
    assert (facts["wallet"], facts["registered"]) == (desk, False)
    assert shown(run("wallet", "register", "--account", "alice", "--keypair", str(keypair)))["new"]
    facts = shown(run("wallet", "show", "--account", "alice", "--signer", "desk"))
    assert (facts["wallet"], facts["registered"]) == (address_of(WALLET.key), True)
    poor = run("wallet", "approve", "--keypair", str(keypair), "--token", "USDC", "--amount", "1")
    assert poor.exit_code == 1
    assert "has no SOL for the fee: ./orderflow wallet airdrop --address" in poor.output
    shown(run("wallet", "airdrop", "--address", address_of(WALLET.key)))
    for token, amount in (("USDC", "100.5"), ("SOL", "2")):
        shown(run("wallet", "approve", "--keypair", str(keypair), "--token", token, "--amount", amount))
    assert allowances(run) == {"USDC": "100.5", "SOL": "2"}
    shown(run("wallet", "revoke", "--keypair", str(keypair), "--token", "USDC"))
    assert allowances(run) == {"SOL": "2"}
    shown(run("wallet", "revoke", "--keypair", str(keypair)))
    assert allowances(run) == {}
    assert shown(run("wallet", "revoke", "--account", "alice"))["wallet"] == address_of(WALLET.key)
    assert not shown(run("wallet", "show", "--account", "alice", "--signer", "desk"))["registered"]


def test_mint_in_no_list_is_approved_by_its_address_and_taken_back_with_the_rest(
    run: Run, chain: Running, keypair: Path
) -> None:
    opened = {"kind": "cpmm", "base": MINT, "quote": "USDC", "price": "2", "depth": "100", "decimals": 4}
    chain.call("chain_openPool", opened)
    shown(run("wallet", "airdrop", "--address", address_of(WALLET.key)))
    approve = ("wallet", "approve", "--keypair", str(keypair), "--token")
    assert "at most 4 decimals" in run(*approve, MINT, "--amount", "0.00001").output
    assert "is no mint that can be traded" in run(*approve, address_of(WALLET.key), "--amount", "1").output
    shown(run(*approve, MINT, "--amount", "1.5"))
    assert delegated(chain) == {MINT: 15_000}
    assert "has approved no delegate" in run(*REVOKE, str(keypair), "--token", "USDC").output
    shown(run(*REVOKE, str(keypair), "--token", MINT))
    assert delegated(chain) == {}
    shown(run(*approve, MINT, "--amount", "2"))
    shown(run(*approve, "USDC", "--amount", "3"))
    shown(run(*REVOKE, str(keypair)))
    assert delegated(chain) == {}


def test_wallet_shows_what_it_holds_of_mints_in_no_list_and_what_the_desk_may_move_of_it(
    run: Run, chain: Running, keypair: Path
) -> None:
    opened = {"kind": "cpmm", "base": MINT, "quote": "USDC", "price": "2", "depth": "100", "decimals": 4}
    chain.call("chain_openPool", opened)
    shown(run("wallet", "airdrop", "--address", address_of(WALLET.key)))
    approve = ("wallet", "approve", "--keypair", str(keypair), "--token", MINT, "--amount", "1.5")
    shown(run(*approve))
    place = address_of(associated_token_account(WALLET.key, pubkey(MINT), TOKEN))
    hold(chain, place, place, amount=25_000)
    shown(run("wallet", "register", "--account", "alice", "--keypair", str(keypair)))
    show = ("wallet", "show", "--account", "alice", "--signer", "desk")
    (row,) = [row for row in shown(run(*show))["tokens"] if row["token"] == MINT]
    assert row == {"token": MINT, "balance": "2.5", "allowance": "1.5", "account": place}
    shown(run(*REVOKE, str(keypair)))
    hold(chain, place, place, amount=0)
    assert not [row for row in shown(run(*show))["tokens"] if row["token"] == MINT]


@pytest.fixture
def approvals(run: Run, chain: Running, keypair: Path) -> Iterator[int]:
    """Yield how many approvals the wallet has given: more than there is room for in two transactions."""
    shown(run("wallet", "airdrop", "--address", address_of(WALLET.key)))
    shown(run("wallet", "approve", "--keypair", str(keypair), "--token", "USDC", "--amount", "1"))
    (usdc,) = [
        row["account"]
        for row in shown(run("wallet", "show", "--address", address_of(WALLET.key)))["tokens"]
        if row["token"] == "USDC"
    ]
    others = [address_of(SeedKey(bytes([number] * 32)).key) for number in range(50)]
    for other in others:
        hold(chain, usdc, other)
    yield 51
    for other in others:
        chain.call("chain_setAccount", other, None)


def test_more_approvals_than_a_transaction_has_room_for_are_taken_back_in_several(
    run: Run, chain: Running, keypair: Path, approvals: int
) -> None:
    assert len(delegated_places(chain)) == approvals
    facts = shown(run(*REVOKE, str(keypair)))
    assert len(facts["txSignatures"]) == 3
    assert delegated_places(chain) == []


def test_approvals_that_were_taken_back_before_a_transaction_failed_are_told_of(
    run: Run, chain: Running, keypair: Path, approvals: int
) -> None:
    wallet = address_of(WALLET.key)
    account = chain.call("getAccountInfo", wallet, {"encoding": "base64"})["value"]
    chain.call("chain_setAccount", wallet, account | {"lamports": 5_000})
    failed = run(*REVOKE, str(keypair))
    assert failed.exit_code == 1
    assert re.search(rf"20 of {approvals} are revoked \(\w+\); the next: {wallet} has no SOL", failed.output)
    assert len(delegated_places(chain)) == approvals - 20


def hold(chain: Running, like: str, place: str, *, amount: int | None = None) -> None:
    """Have a token account at a place that is like another one, but for what it holds."""
    account = chain.call("getAccountInfo", like, {"encoding": "base64"})["value"]
    data = bytearray(base64.b64decode(account["data"][0]))
    if amount is not None:
        data[64:72] = amount.to_bytes(8, "little")
    chain.call("chain_setAccount", place, account | {"data": base64.b64encode(data).decode()})


def test_sol_is_wrapped_as_far_as_the_wallet_has_not_wrapped_enough(
    run: Run, chain: Running, tmp_path: Path
) -> None:
    key = SeedKey(b"p" * 32)
    path = tmp_path / "poor.json"
    path.write_text(json.dumps([*b"p" * 32, *key.key]))
    chain.call("requestAirdrop", address_of(key.key), 10**10)
    approve = ("wallet", "approve", "--keypair", str(path), "--token", "SOL", "--amount")
    place = associated_token_account(key.key, WRAPPED_SOL, TOKEN)
    for amount, wrapped in (("2", 2), ("3", 3), ("1", 3)):
        shown(run(*approve, amount))
        held = chain.call("getTokenAccountBalance", address_of(place), {"commitment": "confirmed"})
        assert held["value"]["amount"] == str(wrapped * 10**9)
    assert "does not hold enough SOL" in run(*approve, "30").output
    account = chain.call("getAccountInfo", address_of(place), {"encoding": "base64"})["value"]
    data = bytearray(base64.b64decode(account["data"][0]))
    data[108] = 2
    frozen = account | {"data": base64.b64encode(data).decode()}
    chain.call("chain_setAccount", address_of(place), frozen)
    assert "the token account is frozen" in run(*approve, "1").output


def test_wallet_that_signs_elsewhere_is_registered_by_its_answer(run: Run, tmp_path: Path) -> None:
    address = address_of(WALLET.key)
    text = shown(run("wallet", "challenge", "--account", "carol", "--address", address))["text"]
    path = tmp_path / "text"
    path.write_text(text)
    answer = ("--account", "carol", "--address", address, "--text", str(path), "--signature")
    forged = base58.encode(SeedKey(b"x" * 32).sign(text.encode()))
    assert "must be the wallet's signature" in run("wallet", "register", *answer, forged).output
    assert shown(run("wallet", "register", *answer, base58.encode(WALLET.sign(text.encode()))))["new"]


def test_audit_of_a_record_without_orders_holds_on_the_chain_too(run: Run) -> None:
    checks = shown(run("audit", "--chain"))
    compared = [check for check in checks if "unknown" in check]
    assert len(compared) == 5
    assert not [check for check in checks if check["violations"] or check.get("unknown")]
