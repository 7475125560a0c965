"""A market that does as it is told: venues that answer or do not, and a chain that decides on request."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Final
from uuid import UUID

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_curve import CompoundingCurve
from chalicelib.amm.damm_v2_fee import BaseFee, DammCollectFeeMode, DammV2Fees
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.errors import Code
from chalicelib.domain.transactions import (
    ChainView,
    SignatureStatus,
    SignedTransaction,
    SwapInstruction,
    TransactionStatus,
)
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import Clock, Offers
from chalicelib.services.resting.prices import Prices

VALIDITY_BLOCKS: Final = 150


def a_pool(
    pool_id: str = "pool",
    venue: str = "raydium",
    *,
    tokens: tuple[str, str] = ("SOL", "USDC"),
    reserves: tuple[int, int] = (10**15, 2 * 10**14),
) -> RoutablePool:
    """A deep pool; SOL is worth 200 USDC in it."""
    state = CpmmPool(*reserves, CpmmFees(2_500, 120_000, 40_000))
    return RoutablePool(pool_id, venue, tokens, state)


def a_pool_that_opens_at(slot: int, pool_id: str = "pool") -> RoutablePool:
    """A deep pool that goes by slots; SOL is worth 200 USDC in it."""
    state = DammV2Pool(
        CompoundingCurve(10**15, 2 * 10**14),
        DammV2Fees(BaseFee(2_500_000), DammCollectFeeMode.BOTH),
        activation_point=slot,
        activation_type=ActivationType.SLOT,
    )
    return RoutablePool(pool_id, "meteora", ("SOL", "USDC"), state)


class FakeVenue:
    """``Venue`` that answers with what it has ``offered``, or with ``fault``."""

    def __init__(self, name: str = "raydium", pools: Sequence[RoutablePool] | None = None) -> None:
        self.name = name
        self.fault: Exception | None = None
        self.asked = 0
        self.offered = Offers([a_pool(f"{name}-pool", name)] if pools is None else pools)

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        del wanted
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return self.offered


class FakePrices:
    """``PriceReader`` that shows what the venues have, at the chain's height."""

    def __init__(self, venues: Sequence[FakeVenue], chain: "FakeChain", clock: Clock) -> None:
        self._venues, self._chain, self._clock = venues, chain, clock

    def read(self) -> Prices:
        pools = [pool for venue in self._venues if venue.fault is None for pool in venue.offers(()).pools]
        return Prices(pools, int(self._clock.now().timestamp()), 0, self._chain.height)


class ProcessKilledError(BaseException):
    """The process ends here: nothing of it may catch this."""


class FakeChain:
    """``Chain`` on which everything that is sent has ``status``, once it is looked up.

    Attributes:
        faults: Raised by the method of that name, before it does anything.
        poison: Orders that ``sign`` knows nothing to do with.
        deadly: Orders that kill the process, by the method that does.
        before_signing: Called by ``sign``: what happens elsewhere meanwhile.
        before_sending: Called by ``send``, likewise.
        is_leg_refusal: What it refuses is one leg of several.
        network_fee_lamports: What it takes for what landed or was refused.
        unspent_units: What a landed transaction leaves of its input.
    """

    def __init__(self) -> None:
        self.height = 1_000
        self.status = SignatureStatus.LANDED
        self.refusal = Code.SLIPPAGE_EXCEEDED
        self.is_leg_refusal = False
        self.network_fee_lamports: int | None = None
        self.unspent_units = 0
        self.signed: dict[str, SwapInstruction] = {}
        self.sent: list[str] = []
        self.looked_up: list[str] = []
        self.faults: dict[str, Exception] = {}
        self.poison: set[UUID] = set()
        self.deadly: dict[str, UUID] = {}
        self.before_signing: Callable[[], object] = lambda: None
        self.before_sending: Callable[[], object] = lambda: None

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        self.before_signing()
        self._maybe_fail("sign")
        self._maybe_kill("sign", instructions)
        if self.poison & {each.order_id for each in instructions}:
            raise KeyError("planted")
        return [self._sign(each) for each in instructions]

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        self.before_sending()
        self._maybe_fail("send")
        self._maybe_kill("send", [self.signed[each.signature] for each in transactions])
        self.sent += [each.signature for each in transactions]

    def view(self, signatures: Sequence[str]) -> ChainView:
        self._maybe_fail("view")
        self.looked_up += signatures
        return ChainView(self.height, {each: self._status(each) for each in signatures})

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        view = self.view([each.signature for each in transactions])
        return view.dead(transactions, margin_blocks=margin_blocks)

    def _maybe_fail(self, method: str) -> None:
        if method in self.faults:
            raise self.faults[method]

    def _maybe_kill(self, method: str, instructions: Sequence[SwapInstruction]) -> None:
        if self.deadly.get(method) in {each.order_id for each in instructions}:
            raise ProcessKilledError

    def _sign(self, instruction: SwapInstruction) -> SignedTransaction:
        payload = f"{instruction.order_id}:{instruction.attempt}:{self.height}".encode()
        signature = hashlib.sha256(payload).hexdigest()
        self.signed[signature] = instruction
        return SignedTransaction(signature, payload, self.height + VALIDITY_BLOCKS)

    def _status(self, signature: str) -> TransactionStatus:
        if signature not in self.sent:
            return TransactionStatus(SignatureStatus.UNKNOWN)
        match self.status:
            case SignatureStatus.LANDED:
                instruction = self.signed[signature]
                given = sum(leg.planned_units for path in instruction.paths for leg in path.hops[0])
                return TransactionStatus(
                    self.status,
                    self.height,
                    input_units=given - self.unspent_units,
                    output_units=instruction.threshold_units,
                    network_fee_lamports=self.network_fee_lamports,
                )
            case SignatureStatus.REFUSED:
                return TransactionStatus(
                    self.status,
                    self.height,
                    refusal=self.refusal,
                    network_fee_lamports=self.network_fee_lamports,
                    is_leg_refusal=self.is_leg_refusal,
                )
            case SignatureStatus.UNKNOWN:
                return TransactionStatus(self.status)
