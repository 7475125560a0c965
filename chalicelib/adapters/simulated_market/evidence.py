"""What wallets signed, against what the record and the ledger say was ordered, sent and booked.

A login that can write rows can make them agree with each other, but cannot sign for a wallet. So every
attempt's bytes are verified here, and order, attempt and transaction are held against them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from chalicelib.adapters.postgres.chains import is_on
from chalicelib.adapters.simulated_market.balance import LedgerViolation
from chalicelib.adapters.simulated_market.transactions import Message, can_land, verified, wallet_of
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.transactions import SwapInstruction

_PAGE: Final = 1_000

# By the index of signatures, a page at a time; else each page would read the whole ledger. As it would with
# the chain among the conditions: the planner takes that for one that few orders meet.
_ATTEMPTS: Final = text(f"""
    SELECT a.signature, a.payload, a.attempt, a.last_valid_height, a.threshold_units, a.order_id,
        o.account_id, o.swap_mode, o.input_token, o.output_token, o.amount_units,
        t.signature IS NOT NULL AS is_booked, t.wallet, t.order_id AS booked_order_id, t.attempt
            AS booked_attempt,
        t.height, t.slot, t.error, t.input_units, t.output_units,
        market.named_legs(t.legs) AS legs,
        EXISTS (
            SELECT 1 FROM order_events sent JOIN order_events later USING (order_id)
            WHERE sent.order_id = a.order_id AND sent.attempt = a.attempt AND sent.status = 'submitted'
              AND later.seq > sent.seq AND later.status = 'open' AND later.data -> 'amended' ? 'amount'
        ) AS is_amended_since,
        (SELECT extract(epoch FROM genesis_at)::text FROM market.chain) AS genesis,
        {is_on("'simulated'")} AS is_here
    FROM attempts a JOIN orders o USING (order_id) LEFT JOIN market.transactions t
        ON t.signature = a.signature AND md5(t.signature)::uuid = md5(a.signature)::uuid
    WHERE (a.order_id, a.attempt) > (CAST(:after AS uuid), CAST(:attempt AS integer))
    ORDER BY a.order_id, a.attempt LIMIT :page
""")


class Wallets:
    """Whose wallet is whose: by the seed that they derive from,
    else each account's own from its first attempt on.
    """

    def __init__(self, seed: bytes | None) -> None:
        self._seed = seed
        self._wallets: dict[str, str] = {}
        self._accounts: dict[str, str] = {}

    def problem(self, account_id: str, wallet: str) -> str | None:
        """Return what speaks against a wallet being the account's, if anything does."""
        if self._seed is not None:
            is_its_own = wallet_of(self._seed, account_id).address == wallet
            return None if is_its_own else f"{wallet} is not the wallet of account {account_id}"
        if self._wallets.setdefault(account_id, wallet) != wallet:
            return f"account {account_id} has another wallet elsewhere"
        if self._accounts.setdefault(wallet, account_id) != account_id:
            return f"wallet {wallet} is another account's elsewhere"
        return None


def check_signatures(connection: Connection, wallet_seed: bytes | None) -> Iterator[LedgerViolation]:
    """Yield the attempts that their wallet did not sign,
    or that say something else than the rows around them.
    """
    wallets = Wallets(wallet_seed)
    after: dict[str, object] = {"after": str(UUID(int=0)), "attempt": 0}
    while rows := connection.execute(_ATTEMPTS, after | {"page": _PAGE}).all():
        for row in (row for row in rows if row.is_here):
            transaction = verified(row.signature, bytes(row.payload))
            if transaction is None:
                yield LedgerViolation(
                    row.signature, f"order {row.order_id}: the bytes are not signed by their wallet"
                )
                continue
            for problem in _problems(row, transaction.message, wallets):
                yield LedgerViolation(row.signature, f"order {row.order_id}: {problem}")
        after = {"after": str(rows[-1].order_id), "attempt": rows[-1].attempt}


def _problems(row: Any, message: Message, wallets: Wallets) -> Iterator[str]:
    signed = message.instruction
    has_landed = row.is_booked and row.error is None
    # What moved nothing was signed for the amount that the order had then.
    is_of_the_past = row.is_amended_since and not has_landed
    yield from _differences(
        {
            "order": (signed.order_id, row.order_id),
            "account": (signed.account_id, row.account_id),
            "attempt": (signed.attempt, row.attempt),
            "swap mode": (signed.swap_mode, row.swap_mode),
            "input token": (signed.input_token, row.input_token),
            "output token": (signed.output_token, row.output_token),
            "amount": (_amount(signed), _amount(signed) if is_of_the_past else row.amount_units),
            "threshold": (signed.threshold_units, row.threshold_units),
            "last valid height": (message.last_valid_height, row.last_valid_height),
        },
    )
    problem = wallets.problem(row.account_id, message.wallet)
    if problem:
        yield problem
    if row.is_booked:
        yield from _booking_problems(row, message)


def _booking_problems(row: Any, message: Message) -> Iterator[str]:
    signed = message.instruction
    yield from _differences(
        {
            "booked wallet": (message.wallet, row.wallet),
            "booked order": (signed.order_id, row.booked_order_id),
            "booked attempt": (signed.attempt, row.booked_attempt),
        },
    )
    if row.slot != row.height or not can_land(message, genesis=row.genesis, height=row.height):
        yield f"a block at height {row.height} could not hold it"
    if row.error is not None:
        if row.input_units or row.output_units or row.legs:
            yield "it was refused, and moved something"
        return
    is_exact_in = signed.swap_mode is SwapMode.EXACT_IN
    named, other = (row.input_units, row.output_units) if is_exact_in else (row.output_units, row.input_units)
    if named != _amount(signed):
        yield f"{_amount(signed)} units are signed, {named} booked"
    if (other < signed.threshold_units) if is_exact_in else (other > signed.threshold_units):
        yield f"the bound signed is {signed.threshold_units}, {other} units are booked"
    foreign = {leg["pool_id"] for leg in row.legs} - _pools(signed)
    if foreign:
        yield f"it trades with {', '.join(sorted(foreign))}, which is not signed"


def _differences(pairs: Mapping[str, tuple[object, object]]) -> Iterator[str]:
    for name, (signed, found) in pairs.items():
        if signed != found:
            yield f"{name} signed is {signed}, on record {found}"


def _amount(signed: SwapInstruction) -> int:
    """Return the units that an instruction names: those of each path's first hop,
    or of its last (exact out).
    """
    end = 0 if signed.swap_mode is SwapMode.EXACT_IN else -1
    hops: Sequence[Any] = [path.hops[end] for path in signed.paths if path.hops]
    return sum(leg.planned_units for hop in hops for leg in hop)


def _pools(signed: SwapInstruction) -> set[str]:
    return {leg.pool_id for path in signed.paths for hop in path.hops for leg in hop}
