"""What prices and firings suffer in chaos: markets that move, pools that open, messages lost and doubled."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from random import Random
from time import time
from typing import Any, Final

import boto3
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.watches import PostgresWatches
from chalicelib.adapters.simulated_market.definition import PARAMETERS, VENUES, PoolDefinition, load_market
from chalicelib.adapters.simulated_market.launch import falling_fee, launch
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.damm_v2_schedule import SchedulerMode
from chalicelib.domain.queue_messages import FiredMessage
from chalicelib.domain.tokens import new_token
from chalicelib.services.ports import QueueMessage
from chalicelib.services.resting.matcher import Matcher
from chalicelib.services.resting.watcher import fired_message
from chalicelib.wire.queue_messages import render_message
from infra.cli.market_maker import MarketMaker
from tests.chaos.waiting import LAUNCHED
from tests.support.market_watcher import market_watcher

Status = dict[str, Any]

_MOVES: Final = (-40, -20, -8, -3, 0, 3, 8, 20, 40)
_SOME_FIRINGS: Final = text("""
    SELECT w.order_id, w.firing, o.account_id FROM watches w JOIN orders o USING (order_id)
    ORDER BY w.armed, random() LIMIT 5
""")


class Sqs:
    """The running instance's queue of orders, as ``OrderQueue``."""

    def __init__(self, status: Status) -> None:
        aws = status["aws"]
        self._client = boto3.client(
            "sqs",
            endpoint_url=status["sqs_endpoint"],
            region_name=aws["AWS_REGION"],
            aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
        )
        self._url = self._client.get_queue_url(QueueName=status["queues"]["OrdersQueue"])["QueueUrl"]

    def send(self, messages: Sequence[QueueMessage]) -> None:
        for message in messages:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=message.body, DelaySeconds=message.delay_s
            )

    def check(self) -> None:
        """It is there, or ``send`` says so."""

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        """Nothing is received here."""

    def close(self) -> None:
        self._client.close()


class Lossy(Sqs):
    """Takes every message, and loses it."""

    def __init__(self) -> None:
        self.lost = 0

    def send(self, messages: Sequence[QueueMessage]) -> None:
        self.lost += len(messages)

    def close(self) -> None:
        """Nothing was opened."""


class PriceFaults:
    """Moves the simulated market, and looks at it beside the runtime's own matcher."""

    def __init__(self, dice: Random, status: Callable[[], Status], engine: Callable[[], Engine]) -> None:
        self._dice = dice
        self._status = status
        self._engine = engine

    def move(self) -> str:
        """Move the price of SOL; half of the time nobody is told but the clock's look."""
        step = Fraction(1_000 + self._dice.choice(_MOVES), 1_000)
        MarketMaker(self._engine(), load_market()).move_to({"SOL": step}, int(time()))
        if self._dice.random() < 0.5:
            return f"moved SOL to {float(step)}"
        return f"moved SOL to {float(step)} and looked: {self.look()} fired"

    def look(self) -> int:
        """Look once, beside the matcher that runs by the clock."""
        return self._look(Sqs(self._status()))

    def lose_fired(self) -> str:
        """Fire what is met and lose the messages: what a matcher that dies after its commit leaves."""
        queue = Lossy()
        self._look(queue)
        return f"lost {queue.lost} messages of what fired"

    def double_fired(self) -> str:
        """Send messages of firings again, also of some that are long over and of some that never were."""
        with self._engine().connect() as connection:
            rows = connection.execute(_SOME_FIRINGS).all()
        queue = Sqs(self._status())
        for row in rows:
            firing = max(1, row.firing + self._dice.choice([-1, 0, 0, 1]))
            body = render_message(FiredMessage(order_id=row.order_id, firing=firing))
            queue.send([QueueMessage(body, row.account_id)] * 2)
        queue.close()
        return f"doubled messages of {len(rows)} watches"

    def launch(self) -> str:
        """Open a pool that sniper orders wait for, now or in a moment, perhaps with a fee that falls."""
        tokens, kind = load_tokens(), self._dice.choice(["cpmm", "damm_v2"])
        name = self._dice.choice(LAUNCHED)
        falls = kind == "damm_v2" and self._dice.random() < 0.5
        pool = PoolDefinition(
            pool_id="",
            venue=VENUES[kind],
            kind=kind,
            base=tokens.named(name, field="token") if name == "RAY" else new_token(name, 6),
            quote=tokens.named("USDC", field="token"),
            price=Decimal("2.4"),
            depth=Decimal(self._dice.choice([30_000, 60_000])),
            fee_bps=Decimal(25),
            parameters=PARAMETERS[kind],
            base_fee=falling_fee(500, Decimal(25), periods=5, period_s=1, mode=SchedulerMode.LINEAR)
            if falls
            else None,
        )
        try:
            opened = launch(self._engine(), tokens, pool, in_blocks=self._dice.choice([0, 3]))
        except ValueError as error:
            return f"missed: {error}"
        return f"opened {opened.pool_id}"

    def resend(self, *, unclaimed_for_ms: int) -> int:
        """Send again what fired and was not taken up, sooner than the runtime would."""
        queue = Sqs(self._status())
        try:
            matcher = Matcher(PostgresWatches(self._engine()), queue, fired_message)
            return matcher.resend(unclaimed_for_ms=unclaimed_for_ms).fired
        finally:
            queue.close()

    def _look(self, queue: Sqs) -> int:
        try:
            return market_watcher(self._engine(), queue).look().fired
        finally:
            queue.close()
