"""The process itself: started, spoken to over HTTP and WebSocket, killed, started again, copied from."""

import base64
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.hash import Hash
from solders.instruction import Instruction as SvmInstruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey as SvmKey
from solders.transaction import VersionedTransaction
from websockets.sync.client import connect

from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from infra.chain.seed import wallet
from tests.support.ports import free_port
from tests.unit.infra.chain.builders import key_of
from tests.unit.infra.chain.running import ROOT, Running, running

CONFIRMED = {"commitment": "confirmed"}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("chain"), "--block-ms", "20", "--nodes", "2", "--seed") as started:
        yield started


def until_confirmed(chain: Running, signature: str) -> None:
    while True:
        status = chain.call("getSignatureStatuses", [signature])["value"][0]
        if status is not None and status["confirmationStatus"] != "processed":
            assert status["err"] is None
            return


def test_a_batch_is_answered_in_its_order(chain: Running) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": number, "method": method}
        for number, method in enumerate(["getSlot", "getBlockHeight", "nope", "getHealth"])
    ]
    _, _, body = chain.post(batch)
    answers = json.loads(body)
    assert [one["id"] for one in answers] == [0, 1, 2, 3]
    assert answers[2]["error"]["code"] == -32601
    assert answers[3]["result"] == "ok"


def test_what_is_no_json_is_told_so(chain: Running) -> None:
    for said in (b"{", b"\xff", b"[" * 200_000):
        _, _, body = chain.post(said)
        assert json.loads(body)["error"]["code"] == -32700


def test_blocks_pass_by_themselves(chain: Running) -> None:
    before = chain.call("getSlot", CONFIRMED)
    while chain.call("getSlot", CONFIRMED) <= before + 3:
        pass


def test_rate_limits_lost_answers_and_garbage_concern_one_node_and_no_administrator(chain: Running) -> None:
    to = address_of(key_of(Keypair()))
    request = {"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": []}
    chain.call("chain_setFaults", {"rate_limit_percent": 100, "retry_after_s": 7}, 1)
    status, headers, _ = chain.post(request, "/nodes/1")
    assert (status, headers["retry-after"]) == (429, "7")
    assert chain.call("getSlot")
    chain.call("chain_setFaults", {"rate_limit_percent": 0, "unavailable_percent": 100}, 1)
    assert chain.post(request, "/nodes/1")[0] == 503
    chain.call("chain_setFaults", {"unavailable_percent": 0, "garbage_percent": 100}, 1)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(chain.post(request, "/nodes/1")[2])
    chain.call("chain_setFaults", {"garbage_percent": 0, "lost_answer_percent": 100}, 1)
    airdrop = request | {"method": "requestAirdrop", "params": [to, 1_000_000_000]}
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        chain.post(airdrop, "/nodes/1")
    while chain.call("getBalance", to, CONFIRMED)["value"] != 1_000_000_000:
        pass  # it was carried out all the same
    assert chain.call("chain_resetFaults", path="/nodes/1")


def test_a_path_behind_a_node_is_ignored_and_an_unknown_node_is_not_found(chain: Running) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
    assert chain.post(request, "/nodes/1/some-key")[0] == 200
    assert chain.post(request, "/some-key")[0] == 200
    assert chain.post(request, "/nodes/2")[0] == 404


@pytest.mark.parametrize("beside", [0, 1])
def test_a_websocket_tells_of_slots_and_signatures_on_both_ports(chain: Running, beside: int) -> None:
    with connect(f"ws://127.0.0.1:{chain.port + beside}") as socket_:
        socket_.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "slotSubscribe"}))
        number = json.loads(socket_.recv(60))["result"]
        first, second = (json.loads(socket_.recv(60))["params"] for _ in range(2))
        assert first["subscription"] == number
        assert second["result"]["slot"] > first["result"]["slot"]
        socket_.send(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "slotUnsubscribe", "params": [number]}))
        to = address_of(key_of(Keypair()))
        signature = chain.call("requestAirdrop", to, 1_000_000)
        request = {"method": "signatureSubscribe", "params": [signature, CONFIRMED]}
        socket_.send(json.dumps({"jsonrpc": "2.0", "id": 3, **request}))
        while (message := json.loads(socket_.recv(60))).get("method") != "signatureNotification":
            pass
        assert message["params"]["result"]["value"] == {"err": None}


def test_killed_and_started_again_it_has_all_that_it_confirmed(tmp_path: Path) -> None:
    to = address_of(key_of(Keypair()))
    signatures = []
    with running(tmp_path, "--block-ms", "10") as first:
        for number in range(5):
            signatures.append(first.call("requestAirdrop", to, 1_000_000 + number))
            until_confirmed(first, signatures[-1])
        genesis = first.call("getGenesisHash")
        slot = first.call("getSlot", CONFIRMED)
        first.kill()
    with running(tmp_path, "--block-ms", "10") as second:
        assert second.call("getGenesisHash") == genesis
        assert second.call("getSlot", CONFIRMED) >= slot - 1
        assert second.call("getBalance", to, CONFIRMED)["value"] == sum(1_000_000 + n for n in range(5))
        statuses = second.call("getSignatureStatuses", signatures, {"searchTransactionHistory": True})
        assert [status["err"] for status in statuses["value"]] == [None] * 5


def test_without_a_pace_a_block_ends_as_soon_as_something_is_in_it(tmp_path: Path) -> None:
    with running(tmp_path, "--block-ms", "0", "--confirmed-lag", "0", "--finalized-lag", "0") as chain:
        signature = chain.call("requestAirdrop", address_of(key_of(Keypair())), 1_000_000)
        until_confirmed(chain, signature)


def test_a_fork_fetches_what_it_is_asked_for_and_keeps_it_when_the_source_is_gone(
    chain: Running, tmp_path: Path
) -> None:
    pool = chain.call("chain_status")["pools"][0]["address"]
    trader = address_of(key_of(wallet(0)))
    wanted = chain.call("getAccountInfo", pool, {"encoding": "base64", **CONFIRMED})["value"]
    url = f"http://127.0.0.1:{chain.port}"
    with running(tmp_path, "--fork", url, "--block-ms", "20") as fork:
        assert fork.call("getGenesisHash") == chain.call("getGenesisHash")
        assert fork.call("getAccountInfo", pool, {"encoding": "base64", **CONFIRMED})["value"] == wanted
        assert fork.call("getBalance", trader, CONFIRMED) != 0
        of_length = {"encoding": "base64", "filters": [{"dataSize": wanted["space"]}], **CONFIRMED}
        found = fork.call("getProgramAccounts", wanted["owner"], of_length)
        assert found == chain.call("getProgramAccounts", wanted["owner"], of_length)
        assert pool in {one["pubkey"] for one in found}
        assert fork.call("getBalance", address_of(key_of(Keypair())), CONFIRMED)["value"] == 0
    with running(tmp_path, "--block-ms", "20") as alone:
        found = alone.call("getAccountInfo", pool, {"encoding": "base64", **CONFIRMED})["value"]
        assert found == wanted


def test_a_program_that_is_copied_runs_itself_and_is_not_modelled(tmp_path: Path) -> None:
    # Any program will do to tell: the token program's code stands at the address of a swap program.
    swap_program, code_at = "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C", address_of(key_of(Keypair()))
    token = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    encoding = {"encoding": "base64"}
    with running(tmp_path / "source", "--block-ms", "20") as source:
        program = source.call("getAccountInfo", token, encoding)["value"]
        code_key = Pubkey(base64.b64decode(program["data"][0])[4:36])
        code = source.call("getAccountInfo", address_of(code_key), encoding)["value"]
        source.call("chain_setAccount", code_at, code | {"executable": False})
        data = base64.b64encode(b"\2\0\0\0" + pubkey(code_at)).decode()
        source.call("chain_setAccount", swap_program, program | {"data": data, "executable": True})
        with running(tmp_path / "fork", "--fork", f"http://127.0.0.1:{source.port}") as fork:
            payer = Keypair()
            fork.call("requestAirdrop", address_of(key_of(payer)), 1_000_000_000)
            while not fork.call("getBalance", address_of(key_of(payer)), CONFIRMED)["value"]:
                pass
            call = SvmInstruction(SvmKey.from_string(swap_program), b"\xff", [])
            message = MessageV0.try_compile(payer.pubkey(), [call], [], Hash.default())
            text = base64.b64encode(bytes(VersionedTransaction(message, [payer]))).decode()
            config = {**encoding, "replaceRecentBlockhash": True, "commitment": "processed"}
            tried = fork.call("simulateTransaction", text, config)["value"]
            assert tried["err"] == {
                "InstructionError": [0, {"Custom": 12}]
            }  # the token program's InvalidInstruction
            assert fork.call("chain_status")["nativePrograms"] == [swap_program]


def test_the_state_of_a_running_chain_is_not_opened_twice(tmp_path: Path) -> None:
    with running(tmp_path):
        command = [
            sys.executable,
            "-m",
            "infra.chain",
            "--port",
            str(free_port(2)),
            "--state",
            str(tmp_path),
        ]
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert "the chain does not start" in second.stderr


def test_help_documents_every_option_and_fault() -> None:
    command = [sys.executable, "-m", "infra.chain", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for word in ("--fork", "--market-maker", "--nodes", "chain_setFaults", "lost_answer_percent"):
        assert word in shown
