"""Answers of a node, read by solders' copy of the node's own types, and what each fault does to them."""

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.rpc import responses
from solders.rpc.errors import SendTransactionPreflightFailureMessage
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.keys import address_of, pubkey
from infra.chain.chain import Chain
from infra.chain.faucet import fill
from infra.chain.faults import Faults
from infra.chain.network import Network, network
from infra.chain.node import Node
from infra.chain.rpc.admin import admin_methods
from infra.chain.rpc.methods import METHODS, answer
from infra.chain.rpc.subscriptions import Session
from tests.unit.infra.chain.builders import SOL, a_chain, a_wallet, balance, key_of, pay, signed

CONFIRMED = {"commitment": "confirmed"}
PROCESSED = {"commitment": "processed"}


class Served:
    """A chain, its nodes, and calls of them."""

    def __init__(self, directory: Path, *, nodes: int = 1) -> None:
        self.chain: Chain = a_chain(directory)
        self.chain.note("genesis_hash", "4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM")
        self.network: Network = network(self.chain, nodes=nodes, block_ms=None)
        self.source, self.to = a_wallet(self.chain), Keypair()

    def call(self, method: str, *params: Any, node: int = 0) -> dict[str, Any]:
        asked: Node = self.network.nodes[node]
        asked.begin_request()
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answered = answer(asked, request, admin_methods(self.network))
        assert answered is not None
        return json.loads(json.dumps(answered))  # type: ignore[no-any-return]

    def result(self, method: str, *params: Any, node: int = 0) -> Any:
        answered = self.call(method, *params, node=node)
        assert "error" not in answered, answered
        return answered["result"]

    def error(self, method: str, *params: Any, node: int = 0) -> dict[str, Any]:
        error: dict[str, Any] = self.call(method, *params, node=node)["error"]
        return error

    def send(self, transaction: VersionedTransaction, node: int = 0, **config: Any) -> str:
        text = base64.b64encode(bytes(transaction)).decode()
        config = {"encoding": "base64", "preflightCommitment": "processed", **config}
        return str(self.result("sendTransaction", text, config, node=node))

    def a_payment(self, lamports: int = SOL) -> VersionedTransaction:
        return signed(self.chain, self.source, [pay(self.source, self.to, lamports)])

    def status(self, signature: str, node: int = 0) -> Any:
        return self.result(
            "getSignatureStatuses", [signature], {"searchTransactionHistory": True}, node=node
        )["value"][0]

    def advance(self, blocks: int) -> None:
        for _ in range(blocks):
            self.network.seal()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_a_transaction_goes_through_all_commitments_and_is_found(served: Served) -> None:
    signature = served.send(served.a_payment())
    levels = []
    for _ in range(5):
        status = served.status(signature)
        levels.append(status["confirmationStatus"])
        served.advance(1)
    assert levels == ["processed", "processed", "confirmed", "confirmed", "finalized"]
    found = served.result(
        "getTransaction", signature, {"encoding": "json", "maxSupportedTransactionVersion": 1}
    )
    meta = found["meta"]
    assert meta["preBalances"][0] - meta["postBalances"][0] == SOL + meta["fee"]
    assert found["version"] == 0


def test_a_transaction_of_version_0_needs_a_client_that_knows_it(served: Served) -> None:
    signature = served.send(served.a_payment())
    served.advance(5)
    assert served.error("getTransaction", signature, {})["code"] == -32015


def test_answers_are_what_the_nodes_own_types_accept(served: Served) -> None:
    signature = served.send(served.a_payment())
    served.advance(5)
    address = address_of(key_of(served.source))
    text = base64.b64encode(bytes(served.a_payment())).decode()
    message = base64.b64encode(to_bytes_versioned(served.a_payment().message)).decode()
    blockhash = served.result("getLatestBlockhash", CONFIRMED)["value"]["blockhash"]
    calls: list[tuple[str, type[Any], list[Any]]] = [
        ("getLatestBlockhash", responses.GetLatestBlockhashResp, [CONFIRMED]),
        ("getBlockHeight", responses.GetBlockHeightResp, [CONFIRMED]),
        ("getSlot", responses.GetSlotResp, [CONFIRMED]),
        ("getEpochInfo", responses.GetEpochInfoResp, [CONFIRMED]),
        ("getBalance", responses.GetBalanceResp, [address, CONFIRMED]),
        ("getAccountInfo", responses.GetAccountInfoResp, [address, {"encoding": "base64"}]),
        ("getMultipleAccounts", responses.GetMultipleAccountsResp, [[address, "1" * 31 + "2"], CONFIRMED]),
        ("getSignatureStatuses", responses.GetSignatureStatusesResp, [[signature]]),
        (
            "getTransaction",
            responses.GetTransactionResp,
            [signature, {"encoding": "json", "maxSupportedTransactionVersion": 1}],
        ),
        (
            "simulateTransaction",
            responses.SimulateTransactionResp,
            [text, {"encoding": "base64", "replaceRecentBlockhash": True, **PROCESSED}],
        ),
        ("getFeeForMessage", responses.GetFeeForMessageResp, [message, PROCESSED]),
        ("isBlockhashValid", responses.IsBlockhashValidResp, [blockhash, PROCESSED]),
        (
            "getMinimumBalanceForRentExemption",
            responses.GetMinimumBalanceForRentExemptionResp,
            [165],
        ),
        ("getRecentPrioritizationFees", responses.GetRecentPrioritizationFeesResp, [[address]]),
        ("getSignaturesForAddress", responses.GetSignaturesForAddressResp, [address, CONFIRMED]),
        ("getVersion", responses.GetVersionResp, []),
        ("getGenesisHash", responses.GetGenesisHashResp, []),
        ("getHealth", responses.GetHealthResp, []),
        ("getEpochSchedule", responses.GetEpochScheduleResp, []),
        (
            "getBlock",
            responses.GetBlockResp,
            [served.status(signature)["slot"], {"maxSupportedTransactionVersion": 1}],
        ),
    ]
    for method, kind, params in calls:
        answered = served.call(method, *params)
        parsed = kind.from_json(json.dumps(answered))
        assert type(parsed) is kind, (method, parsed)


def test_preflight_tells_why_a_transaction_would_fail_and_does_not_send_it(served: Served) -> None:
    text = base64.b64encode(bytes(served.a_payment(1000 * SOL))).decode()
    answered = served.call(
        "sendTransaction", text, {"encoding": "base64", "preflightCommitment": "processed"}
    )
    error = answered["error"]
    assert (error["code"], error["data"]["err"]) == (-32002, {"InstructionError": [0, {"Custom": 1}]})
    assert error["message"].endswith("Error processing Instruction 0: custom program error: 0x1")
    assert SendTransactionPreflightFailureMessage.from_json(json.dumps(error))
    served.advance(2)
    assert balance(served.chain, served.source) == 100 * SOL


def test_a_transaction_that_nobody_signed_is_refused(served: Served) -> None:
    paid = served.a_payment()
    forged = VersionedTransaction.populate(paid.message, [Keypair().sign_message(b"something else")])
    text = base64.b64encode(bytes(forged)).decode()
    config = {"encoding": "base64", "preflightCommitment": "processed"}
    assert served.error("sendTransaction", text, config)["code"] == -32003
    served.result("sendTransaction", text, config | {"skipPreflight": True})
    served.advance(2)
    assert balance(served.chain, served.to) == 0


def test_sent_twice_it_lands_once_and_preflight_says_so(served: Served) -> None:
    transaction = served.a_payment()
    served.send(transaction)
    text = base64.b64encode(bytes(transaction)).decode()
    config = {"encoding": "base64", "preflightCommitment": "processed"}
    error = served.error("sendTransaction", text, config)
    assert error["data"]["err"] == "AlreadyProcessed"
    served.send(transaction, skipPreflight=True)
    assert balance(served.chain, served.to) == SOL


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("getAccountInfo", ["not base58!"], -32602),
        ("getAccountInfo", [], -32602),
        ("getMultipleAccounts", [["1" * 32] * 101], -32602),
        ("getSignatureStatuses", [["1" * 64] * 257], -32602),
        ("getSlot", [{"commitment": "certain"}], -32602),
        ("getSlot", [{"minContextSlot": 10**12}], -32016),
        ("sendTransaction", ["AAAA", {"encoding": "base64"}], -32602),
        ("sendTransaction", ["AAAA", {"encoding": "hex"}], -32602),
        ("getBlock", [10**12], -32004),
        ("getTokenAccountBalance", ["1" * 32], -32602),
        ("getBlockTime", [10**30], -32602),
        ("requestAirdrop", ["1" * 32, 10**16], -32602),
        ("noSuchMethod", [], -32601),
    ],
)
def test_a_bad_request_gets_a_nodes_error(served: Served, method: str, params: list[Any], code: int) -> None:
    assert served.error(method, *params)["code"] == code


def test_the_error_of_min_context_slot_names_the_nodes_own_slot(served: Served) -> None:
    error = served.error("getEpochInfo", {"minContextSlot": 10**12, **CONFIRMED})
    assert error["data"] == {"contextSlot": served.result("getSlot", CONFIRMED)}


def test_a_node_that_is_behind_shows_an_older_state_and_no_newer_status(tmp_path: Path) -> None:
    served = Served(tmp_path, nodes=2)
    served.result("chain_setFaults", {"behind_blocks": 10}, 1)
    signature = served.send(served.a_payment())
    served.advance(5)
    address = address_of(key_of(served.to))
    assert served.result("getBalance", address, CONFIRMED)["value"] == SOL
    assert served.result("getBalance", address, CONFIRMED, node=1)["value"] == 0
    assert served.status(signature, node=1) is None
    assert served.result("getSlot", CONFIRMED, node=1) < served.result("getSlot", CONFIRMED)
    fresh = served.result("getLatestBlockhash", PROCESSED)["value"]["blockhash"]
    assert served.result("isBlockhashValid", fresh, PROCESSED, node=1)["value"] is False
    served.advance(10)
    assert served.result("getBalance", address, CONFIRMED, node=1)["value"] == SOL


def test_a_dropped_transaction_is_accepted_and_never_lands(served: Served) -> None:
    served.result("chain_setFaults", {"drop_percent": 100})
    signature = served.send(served.a_payment())
    served.advance(5)
    assert served.status(signature) is None


def test_a_delayed_transaction_lands_when_its_time_has_come_or_never_if_that_is_too_late(
    served: Served,
) -> None:
    delay = {"delay_percent": 100, "delay_blocks_min": 3, "delay_blocks_max": 3}
    served.result("chain_setFaults", delay)
    soon = served.send(served.a_payment())
    served.advance(2)
    assert served.status(soon) is None
    served.advance(1)
    assert served.status(soon) is not None
    served.result("chain_setFaults", {"delay_blocks_min": 152, "delay_blocks_max": 152})
    late = served.send(served.a_payment(2 * SOL))
    served.advance(160)
    assert served.status(late) is None


@pytest.mark.parametrize("seed", range(2))
def test_sent_again_and_again_through_bad_nodes_each_payment_lands_at_most_once_and_status_tells(
    tmp_path: Path, seed: int
) -> None:
    served = Served(tmp_path, nodes=3)
    served.network.chance.seed(seed)
    for index, node in enumerate(served.network.nodes):
        node.chance.seed(f"{seed}/{index}")
    storm = {"drop_percent": 70, "delay_percent": 50, "delay_blocks_max": 200, "duplicate_percent": 30}
    served.result("chain_setFaults", storm)
    served.result("chain_setFaults", {"behind_jitter_blocks": 5}, 2)
    payments = [served.a_payment(10**8 + number) for number in range(40)]
    for _ in range(30):
        for number, payment in enumerate(payments):
            served.send(payment, node=number % 3, skipPreflight=True)
        served.advance(3)
    served.result("chain_resetFaults")
    served.advance(260)
    statuses = [served.status(str(payment.signatures[0])) for payment in payments]
    landed = [10**8 + number for number, status in enumerate(statuses) if status is not None]
    assert landed
    assert balance(served.chain, served.to) == sum(landed)


def test_a_duplicated_transaction_lands_once(served: Served) -> None:
    served.result("chain_setFaults", {"duplicate_percent": 100})
    served.send(served.a_payment())
    served.advance(5)
    assert balance(served.chain, served.to) == SOL


def test_what_is_only_processed_can_vanish_and_may_land_once_more(served: Served) -> None:
    served.send(served.a_payment(3 * SOL))
    served.advance(1)
    transaction = served.a_payment()
    signature = served.send(transaction)
    assert served.status(signature)["confirmationStatus"] == "processed"
    assert served.result("chain_lose") == [signature]
    assert served.status(signature) is None
    assert balance(served.chain, served.to) == 3 * SOL
    served.send(transaction)
    served.advance(3)
    assert served.status(signature)["confirmationStatus"] == "confirmed"
    assert balance(served.chain, served.to) == 4 * SOL


def test_a_node_forgets_statuses_that_are_older_than_its_history(served: Served) -> None:
    signature = served.send(served.a_payment())
    served.result("chain_setFaults", {"history_blocks": 20})
    served.advance(19)
    assert served.status(signature) is not None
    served.advance(10)
    assert served.status(signature) is None
    assert served.result("getTransaction", signature, {"maxSupportedTransactionVersion": 1}) is None


def test_an_unhealthy_node_says_how_far_it_is_behind(served: Served) -> None:
    served.result("chain_setFaults", {"unhealthy": True, "behind_blocks": 42})
    error = served.error("getHealth")
    assert (error["code"], error["data"]) == (-32005, {"numSlotsBehind": 42})


@pytest.mark.parametrize(
    "settings", [{"drop_percent": 101}, {"drop": 1}, {"methods": "getSlot"}, {"delay_blocks_min": 1.5}]
)
def test_faults_that_make_no_sense_are_refused_and_leave_all_as_it_was(
    served: Served, settings: dict[str, Any]
) -> None:
    assert served.error("chain_setFaults", settings)["code"] == -32602
    assert served.result("chain_getFaults") == [Faults().shown()]


def test_equal_seeds_make_equal_faults() -> None:
    draws = [[random.Random("0/1").random() for _ in range(3)] for _ in range(2)]
    assert draws[0] == draws[1]


def test_airdrops_of_the_same_amount_to_the_same_wallet_all_land(served: Served) -> None:
    fill(served.chain)
    address = address_of(key_of(served.to))
    signatures = {served.result("requestAirdrop", address, SOL) for _ in range(3)}
    assert len(signatures) == 3
    assert balance(served.chain, served.to) == 3 * SOL


def test_an_account_written_by_the_administrator_is_there_at_once_at_every_commitment(served: Served) -> None:
    address = "So11111111111111111111111111111111111111112"
    shown = {"lamports": 7, "owner": address, "data": base64.b64encode(b"abc").decode()}
    served.result("chain_setAccount", address, shown)
    found = served.result("getAccountInfo", address, {"encoding": "base64"})["value"]
    assert (found["lamports"], found["data"]) == (7, ["YWJj", "base64"])
    sliced = served.result(
        "getAccountInfo", address, {"encoding": "base64", "dataSlice": {"offset": 1, "length": 1}}
    )
    assert sliced["value"]["data"] == [base64.b64encode(b"b").decode(), "base64"]
    filters = {"filters": [{"memcmp": {"offset": 0, "bytes": "ZiCa"}}], "encoding": "base64"}  # "abc"
    assert len(served.result("getProgramAccounts", address, filters)) == 1
    served.result("chain_setAccount", address, None)
    assert served.chain.account(pubkey(address)) is None


def test_a_request_that_is_none_is_told_so_and_a_notification_gets_no_answer(served: Served) -> None:
    node = served.network.nodes[0]
    for request in (1, {}, {"method": 3}, {"method": "getSlot", "id": 1}):
        answered = answer(node, request)
        assert answered is not None
        assert answered["error"]["code"] == -32600
    assert answer(node, {"jsonrpc": "2.0", "method": "getSlot"}) is None


def test_the_calls_that_an_engine_needs_are_all_there() -> None:
    assert {"sendTransaction", "getSignatureStatuses", "getMultipleAccounts"} <= set(METHODS)


def test_subscribers_hear_of_what_reaches_their_commitment_once(served: Served) -> None:
    heard: list[dict[str, Any]] = []
    node = served.network.nodes[0]
    session = Session(node, heard.append)
    address = address_of(key_of(served.to))

    def subscribe(method: str, *params: Any) -> int:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answered = answer(node, request, session.methods())
        assert answered is not None
        return int(answered["result"])

    account = subscribe("accountSubscribe", address, {"encoding": "base64", **CONFIRMED})
    program = subscribe("programSubscribe", "1" * 32, {"encoding": "base64", **CONFIRMED})
    logs = subscribe("logsSubscribe", {"mentions": [address]}, CONFIRMED)
    slots = subscribe("slotSubscribe")
    signature = served.send(served.a_payment())
    landed = subscribe("signatureSubscribe", signature, CONFIRMED)
    for _ in range(4):
        served.advance(1)
        session.pump()
    by_subscription: dict[int, list[Any]] = {}
    for message in heard:
        number = message["params"]["subscription"]
        by_subscription.setdefault(number, []).append(message["params"]["result"])
    assert [result["value"]["lamports"] for result in by_subscription[account]] == [SOL]
    assert {result["value"]["pubkey"] for result in by_subscription[program]} >= {address}
    assert [result["value"]["signature"] for result in by_subscription[logs]] == [signature]
    assert [result["value"] for result in by_subscription[landed]] == [{"err": None}]
    assert len(by_subscription[slots]) == 4
