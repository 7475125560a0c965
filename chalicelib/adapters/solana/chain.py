"""The port ``Chain`` on Solana: builds, signs and sends transactions, and finds out what became of them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final, NamedTuple

from chalicelib.adapters.solana.blockhashes import Blockhashes
from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.failures import is_leg_refusal, refusal_of
from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.fixed_amounts import AmountFixer, FixedPlan
from chalicelib.adapters.solana.holdings import Holdings, funded, spent
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.message_reader import read_message
from chalicelib.adapters.solana.messages import CompiledMessage, wire_of
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.priority_fees import PriorityFees
from chalicelib.adapters.solana.rpc_answers import InnerInstruction, Simulation, simulation
from chalicelib.adapters.solana.rpc_calls import send_transaction, simulate_transaction
from chalicelib.adapters.solana.rpc_errors import NodeError, Remedy, not_answered
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.adapters.solana.signer import Signer
from chalicelib.adapters.solana.signing import SignedBytes, sign
from chalicelib.adapters.solana.spending import Spend, Spending
from chalicelib.adapters.solana.swap_calls import keys_of as keys_in
from chalicelib.adapters.solana.swap_message import (
    FEE_PER_SIGNATURE_LAMPORTS,
    Budget,
    SwapContents,
    compiled,
    contents,
    has_room,
    mark_of,
    mints_of,
    opened_by,
    units_after,
)
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.adapters.solana.wallet_reader import PlannedSpend, WalletReader
from chalicelib.domain.errors import OF_THE_MARKET, Code, PlanOutdatedError, RefusedError, RetryableError
from chalicelib.domain.transactions import ChainView, SignedTransaction, SwapInstruction
from chalicelib.logs import logger

BOOK_HOLDS_S: Final = 2.0
"""Pools that were read so recently, by the quote that the plan rests on, are built with as they are."""

SIGNED_KEPT: Final = 4_096
"""Of so many of our own transactions it is known without asking up to when they can land."""


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """How transactions are made and sent.

    Attributes:
        time_limit_s: For one call to the nodes.
        is_simulated: Whether a node runs a transaction before it is signed: it costs a call per order, saves
            the fee of what would be refused, and bids for no more compute units than are used.
        desk_opens_accounts: Whether a delegate pays for the account of a token that its owner has none of,
            who may close it and keep what it cost, again and again.
        signs_elsewhere: Whether keys are held by a service, whose answers are worth waiting for side by side.
    """

    time_limit_s: float = 2.0
    is_simulated: bool = False
    desk_opens_accounts: bool = True
    signs_elsewhere: bool = False


class _PlannedSwap(NamedTuple):
    instruction: SwapInstruction
    wallet: TradingWallet
    plan: FixedPlan
    budget: Budget


class SolanaChain:
    """The chain behind some nodes; safe to share between threads.

    Args:
        executor: Hands transactions over, and has them signed elsewhere, side by side; one after the other
            without it.
        spending: Caps on what is signed for; None where there are none.
    """

    def __init__(
        self,
        nodes: RpcNodes,
        signer: Signer,
        pools: PoolReader,
        names: Names,
        *,
        blockhashes: Blockhashes,
        wallets: WalletReader,
        priority_fees: PriorityFees,
        reader: ChainReader,
        policy: SendingPolicy,
        executor: Executor | None = None,
        spending: Spending | None = None,
    ) -> None:
        self._spending = spending
        self._nodes, self._signer, self._pools, self._names = nodes, signer, pools, names
        self._blockhashes, self._wallets = blockhashes, wallets
        self._priority_fees, self._reader = priority_fees, reader
        self._policy, self._executor = policy, executor
        self._last_valid: dict[str, int] = {}
        self._lock = Lock()

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        """Build and sign one transaction per instruction, in the order in which they were planned.

        Raises:
            PlanOutdatedError: A pool of one of them has moved too far.
            RetryableError: A node, or a key's holder, does not answer.
            RefusedError: One of them can never be carried out: a wallet holds too little, say.
        """
        if not instructions:
            return []
        try:
            return self._signed(instructions)
        except NodeError as error:
            raise not_answered(error) from error

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        """Hand the same bytes to every node; what they answer proves nothing.

        Raises:
            RetryableError: No node took any of them.
        """
        if not transactions:
            return
        self._wallets.forget()
        send_each: Callable[..., Iterator[bool]] = self._executor.map if self._executor else map
        if not any([*send_each(self._send, transactions)]):
            raise RetryableError("no node took the transactions")

    def view(self, signatures: Sequence[str]) -> ChainView:
        """Return what became of transactions, as ``ChainReader.view``.

        Raises:
            RetryableError: No node's answers could be used.
        """
        try:
            return self._reader.view(signatures, last_valid=self._last_valid)
        except NodeError as error:
            raise not_answered(error) from error

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        """Return those that no node shows, as ``ChainReader.surely_dead``.

        Raises:
            RetryableError: No node's answers could be used.
        """
        try:
            return self._reader.surely_dead(transactions, margin_blocks=margin_blocks)
        except NodeError as error:
            raise not_answered(error) from error

    def _signed(self, instructions: Sequence[SwapInstruction]) -> list[SignedTransaction]:
        book = self._pools.recent(BOOK_HOLDS_S)
        fixer = AmountFixer(book)
        swaps = [
            _PlannedSwap(
                instruction,
                wallet := self._signer.wallet(instruction.account_id),
                plan := fixer.fitting(instruction, partial(_has_room, wallet, instruction)),
                self._priority_fees.budget([swap.pool.on_chain.key for swap in plan.swaps]),
            )
            for instruction in instructions
        ]
        contents_of = self._contents(swaps)
        self._reserve(swaps)
        recent = self._blockhashes.recent()
        messages = []
        for (_, wallet, _, budget), made in zip(swaps, contents_of, strict=True):
            message = compiled(wallet, made, recent.blockhash, budget)
            if self._policy.is_simulated:
                message = self._simulated(message, wallet, made, recent.blockhash, budget)
            messages.append(message)
        beside_each_other = self._executor if self._policy.signs_elsewhere and len(swaps) > 1 else None
        sign_each: Callable[..., Iterator[SignedBytes]] = beside_each_other.map if beside_each_other else map
        signed = []
        for signature, wire in sign_each(self._sign, swaps, messages):
            signed.append(SignedTransaction(signature, wire, recent.last_valid_height))
            self._remember(signature, recent.last_valid_height)
        return signed

    def _sign(self, swap: _PlannedSwap, message: CompiledMessage) -> SignedBytes:
        return sign(message, {swap.wallet.authority: partial(self._signer.sign, swap.instruction.account_id)})

    def _contents(self, swaps: Sequence[_PlannedSwap]) -> list[SwapContents]:
        """Return what each transaction does.

        Refused is none for what its wallet held some time ago, or by the word of fewer nodes than have to
        agree on what landed.

        Raises:
            RefusedError: A wallet holds too little.
            NodeError: It seems to, and not enough nodes answer.
        """
        spends = [
            PlannedSpend(swap.instruction.account_id, swap.wallet, [*mints_of(swap.plan).values()])
            for swap in swaps
        ]
        held = self._wallets.held(spends, beside=self._blockhashes.beside())
        asked: list[int] = []
        while True:
            try:
                if not self._policy.desk_opens_accounts:
                    _check_opened(swaps, held.by_owner)
                return _made(swaps, held.by_owner)
            except RefusedError:
                if held.place is not None:
                    asked.append(held.place)
                if len(asked) >= self._reader.witnesses:
                    raise
            held = self._wallets.held(spends, anew_without=asked)

    def _remember(self, signature: str, last_valid_height: int) -> None:
        with self._lock:
            while len(self._last_valid) >= SIGNED_KEPT:
                del self._last_valid[next(iter(self._last_valid))]
            self._last_valid[signature] = last_valid_height

    def _reserve(self, swaps: Sequence[_PlannedSwap]) -> None:
        if self._spending is not None:
            self._spending.reserve(
                [
                    Spend(swap.instruction.order_id, swap.instruction.input_token, swap.plan.most_in)
                    for swap in swaps
                ]
            )

    def _simulated(
        self,
        message: CompiledMessage,
        wallet: TradingWallet,
        made: SwapContents,
        blockhash: bytes,
        budget: Budget,
    ) -> CompiledMessage:
        """Return the message with the limit that it needs.

        Raises:
            PlanOutdatedError: One leg alone would fail, or what is no swap and not for want of funds, as so
                many nodes say as have to agree on what landed.
            RefusedError: It would fail otherwise, by the same word. None has been given anything that could
                land.
            NodeError: One says so, and not enough others answer.
        """
        unsigned = wire_of(message, [bytes(64)] * len(message.signers))
        call = simulate_transaction(unsigned)

        def run(ask: Ask, place: int) -> tuple[int, Simulation]:
            return place, simulation(ask(call))

        asked: list[int] = []
        while True:
            try:
                place, found = self._nodes.converse(
                    run, time_limit_s=self._policy.time_limit_s, without=asked
                )
            except NodeError as error:
                if asked:
                    raise
                logger.warning("not simulated", reason=str(error))
                return message
            asked.append(place)
            if found.fault is None or len(asked) >= self._reader.witnesses:
                break
        if found.fault is not None:
            outer = [
                InnerInstruction(one.program, keys_in(one.accounts), one.data)
                for one in read_message(message.raw).instructions or ()
            ]
            code = refusal_of(found.fault, found.logs, outer, self._names.ids)
            if code in OF_THE_MARKET and is_leg_refusal(found.fault, outer, self._names.ids):
                raise PlanOutdatedError("a node that ran the transaction before it was signed saw a leg fail")
            if code is Code.TRANSACTION_FAILED:
                raise PlanOutdatedError("a node that ran the transaction before it was signed saw it fail")
            raise RefusedError(code, "a node that ran the transaction before it was signed saw it fail")
        return compiled(wallet, made, blockhash, budget, units_after(max(found.units_consumed, 1)))

    def _send(self, transaction: SignedTransaction) -> bool:
        """Return whether a node took it, or had it before."""
        call = send_transaction(transaction.payload, is_simulated_first=False)
        told = self._nodes.tell_all(call, time_limit_s=self._policy.time_limit_s)
        errors = {name: answer for name, answer in told.items() if isinstance(answer, NodeError)}
        is_taken = len(errors) < len(told) or any(each.remedy is Remedy.POLL for each in errors.values())
        for name, error in errors.items():
            if error.remedy is not Remedy.DEFECT:
                continue
            if is_taken:
                # Another one has shown that it was no mistake of ours.
                logger.info("node passed over", node=name, reason=str(error))
            else:
                signature = transaction.signature
                logger.error("transaction called wrong", tx_signature=signature, node=name, reason=str(error))
        return is_taken


def _has_room(wallet: TradingWallet, instruction: SwapInstruction, plan: FixedPlan) -> bool:
    return has_room(plan, wallet, (instruction.input_token, instruction.output_token))


def _check_opened(swaps: Sequence[_PlannedSwap], held: Mapping[Pubkey, Holdings]) -> None:
    """Raise ``RefusedError`` if a delegate would have to pay for an account of its owner's."""
    for instruction, wallet, plan, _ in swaps:
        symbol = instruction.output_token
        mint = mints_of(plan)[symbol]
        if wallet.is_delegated and not held[wallet.owner].has(wallet.account(mint.key, mint.program)):
            problem = f"the wallet has no account of {symbol}, and the desk opens none: open it first"
            raise RefusedError(Code.INSUFFICIENT_FUNDS, problem)


def _made(swaps: Sequence[_PlannedSwap], held: Mapping[Pubkey, Holdings]) -> list[SwapContents]:
    """Return what each transaction does, each wallet's next one with what is left by those before it.

    Raises:
        RefusedError: A wallet holds too little.
    """
    left = dict(held)
    return [_contents(swap, left) for swap in swaps]


def _contents(swap: _PlannedSwap, held: dict[Pubkey, Holdings]) -> SwapContents:
    instruction, wallet, plan, budget = swap
    holdings = held[wallet.owner]
    symbol = instruction.input_token
    mint = mints_of(plan)[symbol]
    fee_lamports = FEE_PER_SIGNATURE_LAMPORTS + (budget.fee_lamports_max if budget.price else 0)
    tokens = symbol, instruction.output_token
    is_repeated = instruction.attempt > 1
    opened = opened_by(plan, wallet, holdings, tokens=tokens, is_repeated=is_repeated)
    sol_in = funded(wallet, mint, symbol, plan.most_in, holdings, fee_lamports=fee_lamports, opened=opened)
    made = contents(
        plan,
        wallet,
        holdings,
        tokens=tokens,
        sol_in=sol_in,
        mark=mark_of(instruction.order_id, instruction.attempt),
        is_repeated=is_repeated,
    )
    held[wallet.owner] = spent(
        wallet, mint, plan.most_in, holdings, sol_in, fee_lamports=fee_lamports, opened=opened
    )
    return made
