"""What clients do with orders that wait: submit, amend and cancel them while the price moves."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import ConflictError, FieldError, NotFoundError, UnknownOutcomeError
from chalicelib.domain.launches import Sniper
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit, limit_rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.domain.triggers import STOP_SLIPPAGE_BPS, IfAlreadyMet, PriceSource, When, trigger
from tests.simulation.chain import VENUES
from tests.simulation.clients import ACCOUNTS, SimulatedClients
from tests.simulation.gateway import Peer
from tests.simulation.openings import TOKEN
from tests.simulation.simulator import TOKENS, Engine

_MATCHER_EVERY_S: Final = 6.0
_AGAIN_S: Final = 4.0
_TRIES_MAX: Final = 3
_MATCHER_RUNS_S: Final = 8.0
"""Longer than the pause between two, so that now and then two look at once."""


class RestingClients(SimulatedClients):
    """Have orders that wait beside those that do not, and start the looks by the clock."""

    def schedule(self) -> None:
        super().schedule()
        dice, latest_s = self._world.dice, self._world.weather.until_s * 0.6
        for number in range(dice.randint(2, 6)):
            self._world.scheduler.at(dice.random() * latest_s, partial(self._submit_waiting, number))
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
            engine.cancel_all_orders.cancel_all(account_id, wanted)

        self._simulator.invoke("cancel all", work)

    def _accepted(self, order: Order, peer: Peer | None) -> None:
        super()._accepted(order, peer)
        dice = self._world.dice
        if order.terms.may_rest and dice.random() < 0.5:
            self._world.scheduler.after(dice.random() * 60, partial(self._amend, order))
        if order.terms.may_rest and dice.random() < 0.3:
            self._world.scheduler.after(dice.random() * 90, partial(self._cancel, order, peer))

    def _amend(self, order: Order) -> None:
        changes = self._changes(order)

        def work(engine: Engine) -> None:
            try:
                engine.amend_orders.amend(order.account_id, order.order_id, changes)
            except (ConflictError, NotFoundError, FieldError, UnknownOutcomeError) as refusal:
                self._world.note("client", f"not amended: {refusal}")

        self._simulator.invoke("amend", work)

    def _changes(self, order: Order) -> Amendment:
        dice = self._world.dice
        match dice.choice(["limit", "trigger", "end", "amount"]):
            case "amount":
                return Amendment(amount=f"1.{dice.randint(0, 99_999):05}")
            case "limit" if order.terms.limit is not None:
                return Amendment(limit_price=self._price(order.terms.price_base))
            case "trigger" if order.terms.trigger is not None:
                return Amendment(trigger_price=self._price(order.terms.price_base))
        return Amendment(expires_at=self._world.now() + timedelta(seconds=dice.choice([3, 30, 120])))

    def _price(self, base: str) -> str:
        """Return a price at or near the market's, per either token."""
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
        kind = dice.choice(["limit", "limit", "stop", "stop limit", "sniper", "ioc"])
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
        return replace(
            terms,
            order_type=OrderType.SNIPER,
            swap_mode=SwapMode.EXACT_IN,
            input_token="USDC",
            output_token=TOKEN,
            amount_units=10**6,
            price_base="USDC",
            slippage_bps=2_000,
            sniper=self._world.dice.choice(filters),
        )

    def _limit(self, terms: OrderTerms) -> Limit:
        price = self._price(terms.price_base)
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
            price=self._price(terms.price_base),
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
