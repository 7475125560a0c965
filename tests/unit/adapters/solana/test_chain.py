"""Signing and sending, on nodes that hold the accounts of pools and wallets."""

import base64
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from uuid import UUID

import pytest

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.beside import Beside
from chalicelib.adapters.solana.blockhashes import Blockhashes
from chalicelib.adapters.solana.book import Book
from chalicelib.adapters.solana.chain import SendingPolicy, SolanaChain
from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey, address_of
from chalicelib.adapters.solana.message_guard import GuardedSigner, SigningRules
from chalicelib.adapters.solana.message_reader import read_transaction
from chalicelib.adapters.solana.priority_fees import PriorityFees, PriorityPolicy, price_at
from chalicelib.adapters.solana.programs import COMPUTE_BUDGET, MEMO, PROGRAM_IDS, TOKEN, Cluster, SwapProgram
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError, RpcError
from chalicelib.adapters.solana.signer import DelegateSigner, SeedSigner, Signer, desk_key_of
from chalicelib.adapters.solana.signing import verifies
from chalicelib.adapters.solana.spending import Spend, Spending
from chalicelib.adapters.solana.wallet_reader import WalletReader
from chalicelib.amm.swaps import Exact
from chalicelib.domain.errors import Code, PlanOutdatedError, RefusedError, RetryableError
from chalicelib.domain.transactions import ExpectedSwap, SwapInstruction
from tests.unit.adapters.solana.books import an_instruction
from tests.unit.adapters.solana.examples import a_case, a_pool
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of
from tests.unit.adapters.solana.test_venue import CASES, a_reader
from tests.unit.adapters.solana.test_venue import a_node as a_node_with_pools

IDS = PROGRAM_IDS[Cluster.MAINNET]
CASE = CASES[SwapProgram.CPMM]
GIVEN = CASE.request.token_in
TOKENS = tuple(f"CPMM{token}" for token in ((0, 1) if GIVEN == 0 else (1, 0)))
MINT = a_pool(CASE).mints[GIVEN]
SIGNER = SeedSigner(b"seed")


def a_token_account(mint: Pubkey, owner: Pubkey, amount: int) -> Account:
    data = mint + owner + amount.to_bytes(8, "little") + bytes(36) + b"\x01" + bytes(56)
    return Account(TOKEN, 2_039_280, data)


def a_node(name: str = "node", *, held: int = 2**60, lamports: int = 10**9) -> FakeNode:
    node = a_node_with_pools(name)
    owner = SIGNER.wallet("acc").owner
    node.accounts[owner] = Account(NO_KEY, lamports, b"")
    node.accounts[SIGNER.wallet("acc").account(MINT.key, MINT.program)] = a_token_account(
        MINT.key, owner, held
    )
    return node


def a_chain(
    *nodes: FakeNode,
    policy: PriorityPolicy | None = None,
    is_simulated: bool = False,
    witnesses: int = 1,
    spending: Spending | None = None,
    signer: Signer = SIGNER,
    desk_opens_accounts: bool = True,
    executor: Executor | None = None,
) -> SolanaChain:
    rpc = nodes_of(*nodes)
    names = Names(IDS, {}, {})
    wallets = WalletReader(rpc, time_limit_s=5)
    blockhashes = Blockhashes(rpc, time_limit_s=5, witnesses=witnesses)

    def beside(book: Book | None, newest_slot: int) -> Sequence[Beside]:
        found = wallets.beside(book, newest_slot)
        return [*found, *blockhashes.beside()] if found else ()

    pools = a_reader(*nodes, beside=beside)
    return SolanaChain(
        rpc,
        GuardedSigner(signer, SigningRules(IDS)),
        pools,
        names,
        blockhashes=blockhashes,
        wallets=wallets,
        priority_fees=PriorityFees(rpc, policy or PriorityPolicy(), time_limit_s=5),
        reader=ChainReader(rpc, lambda: names, time_limit_s=5, witnesses=witnesses),
        policy=SendingPolicy(
            time_limit_s=5,
            is_simulated=is_simulated,
            desk_opens_accounts=desk_opens_accounts,
            signs_elsewhere=executor is not None,
        ),
        executor=executor,
        spending=spending,
    )


def an_order(number: int = 1, *, amount: int = CASE.request.amount, attempt: int = 1) -> SwapInstruction:
    asked = an_instruction((TOKENS, [[("CPMM", amount)]]), mode=CASE.request.mode, threshold=CASE.threshold)
    return replace(asked, order_id=UUID(int=number), attempt=attempt)


def test_the_vector_is_a_plain_swap() -> None:
    assert MINT.program == TOKEN
    assert a_case(SwapProgram.CPMM) is CASE


def test_signed_transaction_is_named_before_it_is_sent_and_says_up_to_when_it_lands() -> None:
    node = a_node()
    (signed,) = a_chain(node).sign([an_order()])
    read = read_transaction(signed.payload)
    assert verifies(SIGNER.wallet("acc").authority, read.raw_message, read.signatures[0])
    assert signed.last_valid_height == node.height + 150
    assert node.sent == []
    assert read.message.instructions is not None
    mark = read.message.instructions[-1]
    assert (mark.program, mark.data) == (MEMO, f"{UUID(int=1).hex}/1".encode())


def test_orders_with_equal_terms_have_signatures_of_their_own() -> None:
    signed = a_chain(a_node()).sign([an_order(1), an_order(2), an_order(2, attempt=2)])
    assert len({one.signature for one in signed}) == 3


EXPECTED = ExpectedSwap("acc", *TOKENS)


def test_batch_of_a_wallet_met_before_is_built_with_what_was_read_in_one_request_with_the_pools() -> None:
    node = a_node()
    chain = a_chain(node)
    chain.send(chain.sign([an_order()]))
    chain._wallets.expect([EXPECTED] * 10)
    chain._blockhashes._asked_at_s -= 60
    node.asked.clear()
    node.requests.clear()
    chain._pools.read()
    chain.sign([an_order(number) for number in range(10)])
    assert len(node.asked) == 4
    assert node.requests == [
        ["getMultipleAccounts", "getMultipleAccounts", "getEpochInfo", "getLatestBlockhash"]
    ]


def test_batch_of_wallets_not_met_yet_costs_one_request_beside_the_pools() -> None:
    node = a_node()
    chain = a_chain(node)
    chain._wallets.expect([EXPECTED])
    chain._pools.read()
    node.asked.clear()
    node.requests.clear()
    chain.sign([an_order()])
    assert node.requests == [["getMultipleAccounts", "getEpochInfo", "getLatestBlockhash"]]
    assert len(node.asked) == 3


def test_what_a_wallet_held_before_something_was_sent_is_not_built_with() -> None:
    node = a_node()
    chain = a_chain(node)
    signed = chain.sign([an_order()])
    node.asked.clear()
    chain.sign([an_order()])
    assert node.asked == []
    chain.send(signed)
    node.asked.clear()
    chain.sign([an_order()])
    assert [call.method for call in node.asked] == ["getMultipleAccounts"]


def test_order_is_not_refused_for_what_its_wallet_held_when_the_pools_were_read() -> None:
    node = a_node()
    chain = a_chain(node)
    chain.send(chain.sign([an_order()]))
    account = SIGNER.wallet("acc").account(MINT.key, MINT.program)
    node.accounts[account] = a_token_account(MINT.key, SIGNER.wallet("acc").owner, 5)
    chain._wallets.expect([EXPECTED])
    chain._pools.read()
    node.accounts[account] = a_token_account(MINT.key, SIGNER.wallet("acc").owner, 2**60)
    assert len(chain.sign([an_order()])) == 1
    node.accounts[account] = a_token_account(MINT.key, SIGNER.wallet("acc").owner, 5)
    chain._wallets.forget()
    with pytest.raises(RefusedError):
        chain.sign([an_order()])


def test_wallet_without_enough_is_refused_and_nothing_is_signed() -> None:
    for node in (a_node(held=5), a_node(lamports=100)):
        with pytest.raises(RefusedError) as refused:
            a_chain(node).sign([an_order()])
        assert refused.value.code is Code.INSUFFICIENT_FUNDS


def test_two_orders_of_a_batch_do_not_count_on_the_same_tokens() -> None:
    needed = CASE.request.amount if CASE.request.mode is Exact.IN else CASE.threshold
    assert len(a_chain(a_node(held=2 * needed)).sign([an_order(1), an_order(2)])) == 2
    with pytest.raises(RefusedError) as refused:
        a_chain(a_node(held=2 * needed - 1)).sign([an_order(1), an_order(2)])
    assert refused.value.code is Code.INSUFFICIENT_FUNDS


def test_same_bytes_go_to_every_node_and_one_that_takes_them_is_enough() -> None:
    first, second = a_node("first"), a_node("second")
    chain = a_chain(first, second)
    signed = chain.sign([an_order()])
    chain.send(signed)
    first.failing = NodeError("gone")
    chain.send(signed)
    assert first.sent == [signed[0].payload]
    assert second.sent == [signed[0].payload] * 2
    second.failing = NodeError("gone")
    with pytest.raises(RetryableError, match="no node took"):
        chain.send(signed)


def test_transaction_that_no_node_takes_keeps_no_other_from_being_sent() -> None:
    node = a_node()
    chain = a_chain(node)
    (signed,) = chain.sign([an_order()])
    other = replace(signed, payload=b"other")

    def refuse(call: RpcCall) -> None:
        if call.method == "sendTransaction" and base64.b64decode(call.params[0]) == other.payload:
            raise RpcError(-32005, "Node is behind", None)

    node.on_call = refuse
    chain.send([signed, other])
    assert node.sent == [signed.payload]
    with pytest.raises(RetryableError, match="no node took"):
        chain.send([other])


def test_transaction_that_is_in_a_block_already_was_taken() -> None:
    node = a_node()
    chain = a_chain(node)
    signed = chain.sign([an_order()])
    node.failing = RpcError(-32002, "simulation failed", {"err": "AlreadyProcessed"})
    chain.send(signed)
    node.failing = RpcError(-32002, "simulation failed", {"err": "BlockhashNotFound"})
    with pytest.raises(RetryableError, match="no node took"):
        chain.send(signed)


def test_node_that_shows_an_empty_wallet_refuses_no_order_where_two_have_to_agree() -> None:
    first, second = a_node("first", held=5), a_node("second")
    assert len(a_chain(first, second, witnesses=2).sign([an_order()])) == 1
    with pytest.raises(RefusedError):
        a_chain(first, second).sign([an_order()])
    with pytest.raises(RefusedError):
        a_chain(first, a_node("second", held=5), witnesses=2).sign([an_order()])
    second.failing = NodeError("gone")
    with pytest.raises(RetryableError, match="no node answered"):
        a_chain(first, second, witnesses=2).sign([an_order()])


class Caps:
    """Takes note of what is to be spent, or refuses it."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.asked: list[Spend] = []

    def reserve(self, spends: Sequence[Spend]) -> None:
        self.asked += spends
        if self.refuses:
            raise RefusedError(Code.TRANSACTION_FAILED, "the day's cap is used up")


def test_most_that_an_order_may_take_is_put_down_before_it_is_signed() -> None:
    caps = Caps()
    a_chain(a_node(), spending=caps).sign([an_order()])
    most = CASE.request.amount if CASE.request.mode is Exact.IN else CASE.threshold
    assert caps.asked == [(UUID(int=1), TOKENS[0], most)]
    with pytest.raises(RefusedError, match="used up"):
        a_chain(a_node(), spending=Caps(refuses=True)).sign([an_order()])


def test_nodes_of_one_host_are_told_apart() -> None:
    first, second = a_node("host"), a_node("host")
    second.failing = NodeError("gone")
    chain = a_chain(first, second)
    chain.send(chain.sign([an_order()]))
    assert len(first.sent) == 1


def test_nothing_to_sign_or_send_is_fine() -> None:
    chain = a_chain(a_node())
    assert chain.sign([]) == []
    chain.send([])


def test_nodes_that_do_not_answer_are_a_reason_to_try_again() -> None:
    node = a_node()
    node.failing = NodeError("gone")
    chain = a_chain(node)
    for act in (lambda: chain.sign([an_order()]), lambda: chain.view(["one"])):
        with pytest.raises(RetryableError, match="no node answered"):
            act()


def test_simulation_sets_the_limit_and_refuses_what_would_fail_before_it_is_signed() -> None:
    node = a_node()
    (signed,) = a_chain(node, is_simulated=True).sign([an_order()])
    instructions = read_transaction(signed.payload).message.instructions
    assert instructions is not None
    assert instructions[0].program == COMPUTE_BUDGET
    assert int.from_bytes(instructions[0].data[1:], "little") == 46_000
    node.simulation = {"err": {"InstructionError": [2, {"Custom": 6005}]}, "logs": [], "unitsConsumed": 5}
    with pytest.raises(RefusedError) as refused:
        a_chain(node, is_simulated=True).sign([an_order()])
    assert refused.value.code is Code.SLIPPAGE_EXCEEDED
    node.simulation |= {"err": {"InstructionError": [2, "ProgramFailedToComplete"]}}
    with pytest.raises(PlanOutdatedError, match="saw it fail"):
        a_chain(node, is_simulated=True).sign([an_order()])


def test_simulation_refuses_by_the_word_of_as_many_nodes_as_have_to_agree() -> None:
    """One that is behind, or lies, would end orders that can be carried out."""
    wrong, right = a_node("wrong"), a_node("right")
    wrong.simulation = {"err": {"InstructionError": [2, {"Custom": 6005}]}, "logs": [], "unitsConsumed": 5}
    chain = a_chain(wrong, right, is_simulated=True, witnesses=2)
    assert len(chain.sign([an_order()])) == 1
    right.failing = NodeError("gone")
    with pytest.raises(RetryableError, match="no node answered"):
        a_chain(wrong, right, is_simulated=True, witnesses=2).sign([an_order()])
    right.failing, right.simulation = None, wrong.simulation
    with pytest.raises(RefusedError):
        a_chain(wrong, right, is_simulated=True, witnesses=2).sign([an_order()])


def test_priority_is_a_percentile_within_the_cap() -> None:
    policy = PriorityPolicy(percentile=75, price_max=50)
    assert [price_at(fees, policy) for fees in ([], [7], [0, 0, 0, 40], [0, 9, 99, 999])] == [0, 7, 40, 50]
    assert price_at([3, 1, 2], replace(policy, percentile=100)) == 3
    assert price_at([1, 2, 3], replace(policy, percentile=50)) == 2
    node = a_node()
    node.fees = [10, 20, 30, 40]
    (signed,) = a_chain(node, policy=policy).sign([an_order()])
    instructions = read_transaction(signed.payload).message.instructions
    assert instructions is not None
    assert int.from_bytes(instructions[1].data[1:], "little") == 40


def test_hash_whose_end_makes_no_sense_is_another_nodes_to_give(caplog: pytest.LogCaptureFixture) -> None:
    lying, honest = a_node("lying"), a_node("honest")
    lying.last_valid_height = lying.height + 20
    (signed,) = a_chain(lying, honest).sign([an_order()])
    assert signed.last_valid_height == honest.height + 150
    with pytest.raises(RetryableError, match="no node answered in time"):
        a_chain(lying).sign([an_order()])
    assert "valid up to" in caplog.records[-1].reason  # type: ignore[attr-defined]  # a fact of the line


def test_end_is_never_before_what_a_second_node_makes_it() -> None:
    behind, ahead = a_node("behind"), a_node("ahead")
    behind.height -= 120
    (signed,) = a_chain(behind, ahead, witnesses=2).sign([an_order()])
    assert signed.last_valid_height == ahead.height + 150
    ahead.failing = NodeError("gone")
    with pytest.raises(RetryableError):
        a_chain(behind, ahead, witnesses=2).sign([an_order()])
    assert address_of(SIGNER.wallet("acc").owner)


DESK = DelegateSigner(desk_key_of(b"seed"), lambda account_id: SIGNER.wallet(account_id).owner)
GOT = a_pool(CASE).mints[1 - GIVEN]


def a_node_with_a_desk(*, has_output: bool) -> FakeNode:
    node = a_node()
    wallet = DESK.wallet("acc")
    node.accounts[wallet.authority] = Account(NO_KEY, 10**9, b"")
    approved = bytearray(a_token_account(MINT.key, wallet.owner, 2**60).data)
    approved[72:76], approved[76:108], approved[121:129] = b"\1\0\0\0", wallet.authority, bytes([255] * 8)
    node.accounts[wallet.account(MINT.key, MINT.program)] = Account(TOKEN, 2_039_280, bytes(approved))
    if has_output:
        account = a_token_account(GOT.key, wallet.owner, 0)
        node.accounts[wallet.account(GOT.key, GOT.program)] = account
    return node


def test_desk_pays_for_no_account_that_its_owner_may_close_and_be_paid_for() -> None:
    """Else each order for a unit of something pays its account's owner 0.002 SOL of the desk's."""
    chain = a_chain(a_node_with_a_desk(has_output=False), signer=DESK, desk_opens_accounts=False)
    with pytest.raises(RefusedError, match="the desk opens none: open it first"):
        chain.sign([an_order()])


@pytest.mark.parametrize(("has_output", "opens"), [(True, False), (False, True)])
def test_desk_trades_for_accounts_that_are_there_or_that_it_may_open(has_output: bool, opens: bool) -> None:
    node = a_node_with_a_desk(has_output=has_output)
    assert len(a_chain(node, signer=DESK, desk_opens_accounts=opens).sign([an_order()])) == 1


def test_wallet_that_signs_for_itself_opens_its_own_accounts() -> None:
    assert len(a_chain(a_node(), desk_opens_accounts=False).sign([an_order()])) == 1
