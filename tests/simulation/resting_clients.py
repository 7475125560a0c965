"""What clients do with orders that wait: submit, amend and cancel them while the price moves."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import (
    ConflictError,
    FieldError,
    NotFoundError,
    RetryableError,
    UnknownOutcomeError,
)
from chalicelib.domain.launches import Sniper
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit, limit_rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.domain.tokens import Token, new_token
from chalicelib.domain.triggers import STOP_SLIPPAGE_BPS, IfAlreadyMet, PriceSource, When, trigger
from chalicelib.wire.moments import rfc3339
from tests.simulation.answers import AnsweredAmendment
from tests.simulation.chain import VENUES
from tests.simulation.clients import ACCOUNTS, SimulatedClients
from tests.simulation.engine import TOKENS, Engine
from tests.simulation.gateway import Peer
from tests.simulation.openings import DECIMALS, MINT, TOKEN

_MATCHER_EVERY_S: Final = 6.0
_AGAIN_S: Final = 4.0
_TRIES_MAX: Final = 3
_PER_MINT: Final = ("0.005", "0.0097", "0.0104", "0.0145", "0.0193", "0.0301")
"""In USDC, around a cent and two, which are a unit for a unit and two: what the mint's pools ask."""

_MINTS_PER_USDC: Final = ("40", "48", "97", "120")
_NOT_ITS_DECIMALS: Final = (2, 6)
_MATCHER_RUNS_S: Final = 8.0
"""Longer than the pause between two, so that now and then two look at once."""


class RestingClients(SimulatedClients):
    """Have orders that wait beside those that do not, and start the looks by the clock."""

    _amendments = 0

    def schedule(self) -> None:
        super().schedule()
        dice, latest_s = self._world.dice, self._world.weather.until_s * 0.6
        for number in range(dice.randint(2, 6)):
            self._world.scheduler.at(dice.random() * latest_s, partial(self._submit_waiting, number))
        for number in range(dice.randint(0, 3)):
            self._world.scheduler.at((0.2 + dice.random()) * latest_s, partial(self._trade_mint, number))
        if dice.random() < 0.3:
            self._world.scheduler.at(dice.random() * latest_s, self._submit_together)
        if dice.random() < 0.2:
            self._world.scheduler.at(
                dice.random() * latest_s, partial(self._cancel_all, dice.choice(ACCOUNTS))
            )
        self._look()

    def _look(self) -> None:
        self._simulator.match_prices(_MATCHER_RUNS_S)
        self._world.scheduler.after(_MATCHER_EVERY_S, self._look)

    def _submit_waiting(self, number: int) -> None:
        dice, account = self._world.dice, self._world.dice.choice(ACCOUNTS)
        peers = [peer for peer in self._peers if peer.account_id == account and peer.is_open]
        key = f"waiting-{number}" if dice.random() < 0.6 else None
        terms = self._waiting_terms(key)
        for _ in range(dice.choice([1, 1, 2]) if key else 1):
            self._submit(terms, account, dice.choice(peers) if peers and dice.random() < 0.7 else None)

    def _trade_mint(self, number: int, tries: int = 0) -> None:
        """Submit an order that names the mint, once a pool of it is known: until then it is refused."""
        found: list[OrderTerms] = []

        def work(engine: Engine) -> None:
            try:
                token = engine.mints.learn([MINT]).named(MINT, field="inputToken")
            except (FieldError, RetryableError) as refusal:
                self._world.note("client", f"not submitted: {refusal}")
            else:
                found.append(self._mint_terms(f"mint-{number}", token))

        def then() -> None:
            if found:
                self._submit(found[0], ACCOUNTS[0], None)
            elif tries < _TRIES_MAX:
                self._world.scheduler.after(_AGAIN_S, partial(self._trade_mint, number, tries + 1))

        self._simulator.invoke("name mint", work, on_end=then)

    def _mint_terms(self, key: str, token: Token) -> OrderTerms:
        """Return an order that sells or buys so much of the mint that no pool's price moves by a percent."""
        dice = self._world.dice
        given, wanted = dice.choice([(MINT, "USDC"), (MINT, "USDC"), ("USDC", MINT)])
        market = OrderTerms(
            client_order_id=key,
            order_type=OrderType.MARKET,
            swap_mode=dice.choice(list(SwapMode)),
            input_token=given,
            output_token=wanted,
            amount_units=10**6 + dice.randint(0, 99),
            price_base=MINT,
            slippage_bps=2_000,
            valid_for_s=60,
        )
        kind = dice.choice(["market", "limit", "stop"])
        if kind == "market":
            return market
        tokens = {"USDC": TOKENS["USDC"], MINT: token}
        waits = replace(market, valid_for_s=400, time_in_force=TimeInForce.GTD)
        if kind == "limit":
            price = dice.choice(_PER_MINT)
            rate = limit_rate(
                price,
                input_token=tokens[given],
                output_token=tokens[wanted],
                price_base=MINT,
                field="limitPrice",
            )
            limit = Limit(price, rate)
            return replace(waits, order_type=OrderType.LIMIT, slippage_bps=None, limit=limit)
        stop = trigger(
            price=dice.choice(_PER_MINT),
            when=dice.choice(list(When)),
            source=PriceSource.MARK,
            confirmations=dice.choice([1, 2, 5]),
            if_already_met=dice.choice(list(IfAlreadyMet)),
            input_token=tokens[given],
            output_token=tokens[wanted],
            price_base=MINT,
        )
        return replace(waits, trigger=stop)

    def _submit_together(self, tries: int = 0, terms: tuple[OrderTerms, ...] = ()) -> None:
        """Submit a batch; what of it is not known to be accepted is submitted with all of it again."""
        terms = terms or tuple(self._waiting_terms(f"together-{number}") for number in range(3))
        accepted: set[int] = set()

        def work(engine: Engine) -> None:
            for place, result in enumerate(engine.submit_batch.submit(terms, ACCOUNTS[0])):
                if isinstance(result, Order):
                    self._accepted(result, None)
                    accepted.add(place)

        def again() -> None:
            if len(accepted) < len(terms) and tries < _TRIES_MAX:
                self._world.scheduler.after(_AGAIN_S, lambda: self._submit_together(tries + 1, terms))

        self._simulator.invoke("submit batch", work, on_end=again)

    def _cancel_all(self, account_id: str) -> None:
        wanted = self._world.dice.choice(
            [OrderFilter(), OrderFilter(types=(OrderType.LIMIT, OrderType.SNIPER))]
        )

        def work(engine: Engine) -> None:
            done = engine.cancel_all_orders.cancel_all(account_id, wanted)
            self.answers.note_canceled_all(self._simulator.tables, account_id, wanted, done)

        self._simulator.invoke("cancel all", work)

    def _accepted(self, order: Order, peer: Peer | None) -> None:
        super()._accepted(order, peer)
        dice = self._world.dice
        if order.terms.may_rest and dice.random() < 0.5:
            self._world.scheduler.after(dice.random() * 60, partial(self._amend, order))
        if order.terms.may_rest and dice.random() < 0.3:
            self._world.scheduler.after(dice.random() * 90, partial(self._cancel, order, peer))

    def _amend(self, order: Order) -> None:
        """Amend an order as it stands, or however it does by then; some clients try it from two places."""
        self._amendments += 1
        row = self._simulator.tables.orders.get(order.order_id)
        if_seq = row.state.seq if row is not None and self._amendments % 2 else None
        for _ in range(2 if self._amendments % 3 == 1 else 1):
            self._amend_once(order, self._changes(order), if_seq)

    def _amend_once(self, order: Order, changes: Amendment, if_seq: int | None) -> None:
        def work(engine: Engine) -> None:
            try:
                engine.amend_orders.amend(order.account_id, order.order_id, changes, if_seq=if_seq)
            except (ConflictError, NotFoundError, FieldError, UnknownOutcomeError) as refusal:
                self._world.note("client", f"not amended: {refusal}")
            else:
                self.answers.amended.append(AnsweredAmendment(order.order_id, _named(changes), if_seq))

        self._simulator.invoke("amend", work)

    def _changes(self, order: Order) -> Amendment:
        dice = self._world.dice
        match dice.choice(["limit", "trigger", "end", "amount"]):
            case "amount":
                return Amendment(amount=f"1.{dice.randint(0, 99_999):05}")
            case "limit" if order.terms.limit is not None:
                return Amendment(limit_price=self._price(order.terms))
            case "trigger" if order.terms.trigger is not None:
                return Amendment(trigger_price=self._price(order.terms))
        return Amendment(expires_at=self._world.now() + timedelta(seconds=dice.choice([3, 30, 120])))

    def _price(self, terms: OrderTerms) -> str:
        """Return a price at or near the market's, per either token."""
        base = terms.price_base
        if MINT in (terms.input_token, terms.output_token):
            return self._world.dice.choice(_PER_MINT if base == MINT else _MINTS_PER_USDC)
        dollars = 200 * (1 + self._world.dice.choice([-0.1, -0.02, -0.004, 0.0, 0.004, 0.02, 0.1]))
        return f"{dollars:.2f}" if base == "SOL" else f"{1 / dollars:.8f}"

    def _waiting_terms(self, key: str | None) -> OrderTerms:
        dice = self._world.dice
        given, wanted = dice.choice([("SOL", "USDC"), ("USDC", "SOL")])
        base = dice.choice([given, wanted])
        mode = dice.choice(list(SwapMode))
        moved = given if mode is SwapMode.EXACT_IN else wanted
        # The largest moves the price by a percent or so: it does not fit where a small one does.
        amount = dice.choice([1, 1, 1, 10_000]) * (10**9 if moved == "SOL" else 2 * 10**8) + dice.randint(
            0, 99
        )
        has_end = dice.random() < 0.8
        terms = OrderTerms(
            client_order_id=key,
            order_type=OrderType.LIMIT,
            swap_mode=mode,
            input_token=given,
            output_token=wanted,
            amount_units=amount,
            price_base=base,
            slippage_bps=None,
            valid_for_s=dice.choice([5, 40, 150, 400]) if has_end else None,
            time_in_force=TimeInForce.GTD if has_end else TimeInForce.GTC,
        )
        kind = dice.choice(["limit", "limit", "stop", "stop limit", "sniper", "sniper", "ioc"])
        if kind == "sniper":
            return self._sniping(terms)
        if kind == "ioc":
            return replace(terms, time_in_force=TimeInForce.IOC, valid_for_s=60, limit=self._limit(terms))
        if kind != "stop":
            terms = replace(terms, limit=self._limit(terms))
        if kind != "limit":
            terms = self._triggered(terms)
        return terms

    def _sniping(self, terms: OrderTerms) -> OrderTerms:
        filters = [
            Sniper(),
            Sniper(venue=self._world.dice.choice(VENUES)),
            Sniper(min_liquidity_units=10**11),
            Sniper(max_fee_bps=50),
        ]
        dice = self._world.dice
        sniper = replace(
            terms,
            order_type=OrderType.SNIPER,
            swap_mode=SwapMode.EXACT_IN,
            input_token="USDC",
            output_token=dice.choice([TOKEN, MINT, MINT]),
            amount_units=10**6,
            price_base="USDC",
            slippage_bps=2_000,
            sniper=dice.choice(filters),
        )
        if sniper.output_token == TOKEN:
            return sniper
        said = dice.choice([None, DECIMALS, DECIMALS, DECIMALS, *_NOT_ITS_DECIMALS])
        if said is None or dice.random() < 0.3:
            return replace(sniper, output_decimals=said)
        price = dice.choice(_MINTS_PER_USDC)
        rate = limit_rate(
            price,
            input_token=TOKENS["USDC"],
            output_token=new_token(MINT, said),
            price_base="USDC",
            field="limitPrice",
        )
        return replace(sniper, output_decimals=said, slippage_bps=None, limit=Limit(price, rate))

    def _limit(self, terms: OrderTerms) -> Limit:
        price = self._price(terms)
        rate = limit_rate(
            price,
            input_token=TOKENS[terms.input_token],
            output_token=TOKENS[terms.output_token],
            price_base=terms.price_base,
            field="limitPrice",
        )
        return Limit(price, rate)

    def _triggered(self, terms: OrderTerms) -> OrderTerms:
        dice = self._world.dice
        source = dice.choice([PriceSource.MARK, PriceSource.MARK, PriceSource.EXECUTABLE])
        is_per_input = terms.price_base == terms.input_token
        # By the executable rate a profit is taken; what stops a loss looks at the mark.
        takes_profit = source is PriceSource.EXECUTABLE or dice.random() < 0.5
        found = trigger(
            price=self._price(terms),
            when=When.ABOVE if takes_profit == is_per_input else When.BELOW,
            source=source,
            confirmations=dice.choice([1, 2, 2, 5]) if source is PriceSource.MARK else None,
            if_already_met=dice.choice(list(IfAlreadyMet)),
            input_token=TOKENS[terms.input_token],
            output_token=TOKENS[terms.output_token],
            price_base=terms.price_base,
        )
        if terms.limit is not None:
            return replace(terms, trigger=found)
        return replace(terms, order_type=OrderType.MARKET, slippage_bps=STOP_SLIPPAGE_BPS, trigger=found)


def _named(changes: Amendment) -> dict[str, str]:
    """Return what an order's event says of an amendment."""
    said = {
        "limitPrice": changes.limit_price,
        "triggerPrice": changes.trigger_price,
        "amount": changes.amount,
    }
    named = {name: _one_spelling(value) for name, value in said.items() if value is not None}
    return named if changes.expires_at is None else named | {"expiresAt": rfc3339(changes.expires_at)}


def _one_spelling(decimal: str) -> str:
    return format(Decimal(decimal).normalize(), "f")
