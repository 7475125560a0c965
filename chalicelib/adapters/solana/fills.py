"""What a landed transaction exchanged: amounts from token balances, legs and fees from the programs' events.

The two are independent of each other, and must agree to the unit; a node whose answer contradicts itself is
not believed. An account that was opened and closed in the transaction has no balance before or after it: then
the transfers inside the swaps stand for it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, NamedTuple

from chalicelib.adapters.solana.events import CPI_EVENT_TAG, SwapEvent, swap_event
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.layout import Fields
from chalicelib.adapters.solana.leg_impact import UNKNOWN, impact_bps
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.program_logs import ended_runs, logged_events
from chalicelib.adapters.solana.programs import (
    ASSOCIATED_TOKEN,
    SYSTEM,
    TOKEN_2022,
    TOKEN_PROGRAMS,
    VENUES,
    WRAPPED_SOL,
    ProgramIds,
    SwapProgram,
)
from chalicelib.adapters.solana.rpc_answers import InnerInstruction, TransactionRecord
from chalicelib.adapters.solana.rpc_errors import MalformedResultError
from chalicelib.adapters.solana.swap_calls import SwapCall, swap_call
from chalicelib.amm.damm_v2_fee import DammCollectFeeMode
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import LegFill

_TRANSFER, _TRANSFER_CHECKED = 3, 12
_LOGS_EVENTS: Final = frozenset({SwapProgram.CPMM, SwapProgram.CLMM})
"""The others tell theirs by an inner instruction, which no node cuts off."""

_OF_ACCOUNTS: Final = frozenset({ASSOCIATED_TOKEN, *TOKEN_PROGRAMS})
_SYSTEM_TRANSFER: Final = (2).to_bytes(4, "little")


def _no_bin_step(_pair: Pubkey) -> None:
    return None


class Names(NamedTuple):
    """What our own words for pools and mints are.

    Attributes:
        bin_step: Given a DLMM pair, returns the step between its bins' prices, None if that is not known.
    """

    ids: ProgramIds
    pools: Mapping[Pubkey, ListedPool]
    symbols: Mapping[Pubkey, str]
    bin_step: Callable[[Pubkey], int | None] = _no_bin_step


def names_of(ids: ProgramIds, listed: Iterable[ListedPool], tokens: Tokens) -> Names:
    """Return the words of the listed pools and of all tokens."""
    symbols = {pubkey(token.mint): token.symbol for token in tokens}
    return Names(ids, {pool.key: pool for pool in listed}, symbols)


class Fill(NamedTuple):
    """What a transaction exchanged in all, in base units, and its legs in their order.

    Attributes:
        untold: Places of legs whose event was cut off: their fee and impact are not known.
    """

    input_units: int
    output_units: int
    legs: tuple[LegFill, ...]
    untold: frozenset[int] = frozenset()


class _Leg(NamedTuple):
    """A swap as its transaction tells of it.

    Attributes:
        is_before_fee: ``received`` is what the pool sent: its mint may have taken a fee of that.
    """

    call: SwapCall
    event: SwapEvent
    is_first_in: bool
    received: int
    is_before_fee: bool

    @property
    def is_cut_off(self) -> bool:
        """Whether its program's event is not there, but what it would have said of what was moved."""
        return not self.event.fields.ints

    @property
    def mints(self) -> tuple[Pubkey, Pubkey]:
        """Of what went in and of what came out."""
        return self.call.mints if self.is_first_in else self.call.mints[::-1]


def fill_of(record: TransactionRecord, names: Names) -> Fill:
    """Return what a landed transaction of ours exchanged.

    Raises:
        MalformedResultError: Its parts contradict each other, or it is no swap of ours.
    """
    ended = ended_runs(record.logs)
    legs = [_leg(record, index, call, ended) for index, call in _calls(record, names.ids)]
    if not legs:
        raise MalformedResultError("the transaction holds no swap")
    given = {leg.call.input_account for leg in legs}
    got = {leg.call.output_account for leg in legs}
    if len(given - got) != 1 or len(got - given) != 1:
        raise MalformedResultError("the swaps do not lead from one account to one other")
    (input_account,), (output_account,) = given - got, got - given
    for account in given | got:
        moved = _moved(record, account, is_between=account in given & got)
        paid = sum(leg.event.paid for leg in legs if leg.call.input_account == account)
        legs = _with_fees_off(legs, account, moved + paid)
        told = sum(leg.received for leg in legs if leg.call.output_account == account) - paid
        if told != moved:
            raise MalformedResultError(
                f"{address_of(account)} changed by {moved} units, by its swaps' events by {told}"
            )
    return Fill(
        -_moved(record, input_account),
        _moved(record, output_account),
        tuple(_leg_fill(leg, names) for leg in legs),
        frozenset(place for place, leg in enumerate(legs) if leg.is_cut_off),
    )


def _calls(record: TransactionRecord, ids: ProgramIds) -> Iterator[tuple[int, SwapCall]]:
    for index, outer in enumerate(record.outer):
        try:
            call = swap_call(ids, *outer)
        except ValueError as error:
            raise MalformedResultError(str(error)) from error
        if call is not None:
            yield index, call


def _leg(record: TransactionRecord, index: int, call: SwapCall, ended: int) -> _Leg:
    program = record.outer[index].program
    told = [
        one.data
        for one in record.inner.get(index, ())
        if one.program == program and one.data.startswith(CPI_EVENT_TAG)
    ]
    if not told and call.program in _LOGS_EVENTS:
        if index >= ended:
            return _leg_by_transfers(record, index, call)
        told = [one.data for one in logged_events(record.logs) if (one.top, one.program) == (index, program)]
    try:
        events = [event for data in told if (event := swap_event(call.program, data)) is not None]
    except ValueError as error:
        raise MalformedResultError(str(error)) from error
    if len(events) != 1 or events[0].pool != call.pool:
        raise MalformedResultError(f"instruction {index} told of {len(events)} swaps of its pool")
    return _Leg(
        call,
        events[0],
        call.is_directed or _is_first_in(events[0]),
        events[0].received,
        is_before_fee=call.program is SwapProgram.DLMM,
    )


def _leg_by_transfers(record: TransactionRecord, index: int, call: SwapCall) -> _Leg:
    """Return what a swap moved whose event was cut off with the log's end: nodes keep 10,000 bytes of it, or
    less, or nothing.

    Its fee is told nowhere else. The order has ended all the same, with amounts that are right.
    """
    inside = record.inner.get(index, ())
    paid = -sum(_sent(inside, call.input_account))
    received = sum(_sent(inside, call.output_account))
    if paid <= 0 or received <= 0:
        raise MalformedResultError(f"instruction {index} moved nothing, and its event was cut off")
    event = SwapEvent(call.program, call.pool, paid, received, None, Fields({}, {}, {}))
    is_before_fee = _may_lack_a_fee(inside, call.output_account)
    return _Leg(call, event, is_first_in=True, received=received, is_before_fee=is_before_fee)


def _is_first_in(event: SwapEvent) -> bool:
    """Return whether token 0 of one of Meteora's pools went in."""
    ints = event.fields.ints
    if event.program is SwapProgram.DLMM:
        return bool(ints["swap_for_y"])
    return ints["trade_direction"] == 0


def _with_fees_off(legs: list[_Leg], account: Pubkey, arrived: int) -> list[_Leg]:
    """Where a leg does not know the fee that a mint took from what was sent, the balance does."""
    unsure = [
        place for place, leg in enumerate(legs) if leg.is_before_fee and leg.call.output_account == account
    ]
    told = sum(leg.received for leg in legs if leg.call.output_account == account)
    missing = told - arrived
    unsure_total = sum(legs[place].received for place in unsure)
    if not 0 < missing <= unsure_total:
        return legs
    found = list(legs)
    left = missing
    for place in unsure:
        leg = legs[place]
        fee = left if place == unsure[-1] else missing * leg.received // unsure_total
        left -= fee
        found[place] = leg._replace(received=leg.received - fee)
    return found


def _moved(record: TransactionRecord, account: Pubkey, *, is_between: bool = False) -> int:
    """Return by how much the swaps changed a token account.

    A balance of wrapped SOL that the transaction itself brings up to date, or takes apart, tells more:
    strangers can send lamports there, before it is on its way or meanwhile.
    """
    held = record.tokens_after.get(account) or record.tokens_before.get(account)
    if held is not None and not (held.mint == WRAPPED_SOL and _is_made_up(record.outer, account)):
        return record.token_change(account) - sum(_wrapped(record.outer, account))
    inside = list(chain.from_iterable(record.inner.values()))
    if _may_lack_a_fee(inside, account):
        if is_between:
            return 0  # it was opened and closed: a token account can only be closed when it is empty
        raise MalformedResultError(f"no balance tells what {address_of(account)} got")
    return sum(_sent(inside, account))


def _wrapped(outer: Iterable[InnerInstruction], account: Pubkey) -> Iterator[int]:
    for program, accounts, data in outer:
        if program == SYSTEM and data[:4] == _SYSTEM_TRANSFER and accounts[1:2] == (account,):
            yield int.from_bytes(data[4:12], "little")


def _is_made_up(outer: Iterable[InnerInstruction], account: Pubkey) -> bool:
    """Return whether an account is opened, synchronized or closed beside the swaps."""
    return any(program in _OF_ACCOUNTS and account in accounts for program, accounts, _ in outer)


def _is_transfer(one: InnerInstruction) -> bool:
    return one.program in TOKEN_PROGRAMS and one.data[:1] in {bytes([_TRANSFER]), bytes([_TRANSFER_CHECKED])}


def _may_lack_a_fee(inside: Iterable[InnerInstruction], account: Pubkey) -> bool:
    """Return whether less may have arrived than was sent, of which only a balance tells by how much."""
    transfers = filter(_is_transfer, inside)
    return any(one.program == TOKEN_2022 and account in one.accounts[1:3] for one in transfers)


def _sent(inside: Iterable[InnerInstruction], account: Pubkey) -> Iterator[int]:
    """Yield what was sent to an account, and with a minus from it, before a mint's fee."""
    for _, accounts, data in filter(_is_transfer, inside):
        units = int.from_bytes(data[1:9], "little")
        to = 2 if data[0] == _TRANSFER_CHECKED else 1
        yield units * ((accounts[to : to + 1] == (account,)) - (accounts[:1] == (account,)))


def _leg_fill(leg: _Leg, names: Names) -> LegFill:
    # One that has left the list since has moved what it moved.
    pool = names.pools.get(leg.call.pool)
    # A token that is in no list is called by its mint.
    token_in, token_out = (names.symbols.get(mint) or address_of(mint) for mint in leg.mints)
    is_on_input = _is_fee_on_input(leg)
    return LegFill(
        pool.pool_id if pool else address_of(leg.call.pool),
        pool.venue if pool else VENUES[leg.call.program],
        token_in,
        token_out,
        leg.event.paid,
        leg.received,
        leg.event.trade_fee or 0,
        token_in if is_on_input else token_out,
        UNKNOWN
        if leg.is_cut_off
        else impact_bps(leg.event, is_fee_on_input=is_on_input, bin_step=names.bin_step(leg.call.pool)),
    )


def _is_fee_on_input(leg: _Leg) -> bool:
    ints = leg.event.fields.ints
    match leg.event.program:
        case SwapProgram.CPMM | SwapProgram.CLMM:
            return True
        case SwapProgram.DLMM:
            return bool(ints["fees_on_input"])
        case SwapProgram.DAMM_V2:
            # As ``DammV2Fees.is_on_input``: of what comes out, or of B whichever way it goes.
            return ints["collect_fee_mode"] != _BOTH and not leg.is_first_in


_BOTH: Final = list(DammCollectFeeMode).index(DammCollectFeeMode.BOTH)
