"""What is done to a running instance: processes killed, the market broken, messages doubled."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, order_state
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults, VenueFault
from chalicelib.domain.errors import ExecutionError
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.wire.queue_messages import render_message
from tests.chaos.chain_faults import break_chain, heal_chain, open_pool
from tests.chaos.database_faults import DatabaseFaults
from tests.chaos.own_chain import OwnChain
from tests.chaos.price_faults import PriceFaults

_SOME_ORDERS: Final = text(f"SELECT {ORDER_COLUMNS} FROM orders o ORDER BY random() LIMIT 5")  # noqa: S608  # constants
_CONSUMER: Final = "execute_orders"
_MATCHER: Final = "match_prices"

Status = dict[str, Any]


class FaultInjector:
    """Strikes at an instance; each fault names itself, for the log of the run."""

    def __init__(
        self,
        dice: Random,
        status: Callable[[], Status],
        engine: Callable[[], Engine],
        chain: OwnChain | None = None,
    ) -> None:
        self._dice, self._chain = dice, chain
        self._status = status
        self._engine = engine
        self.prices = PriceFaults(dice, status, engine)
        database = DatabaseFaults(dice, status, engine)
        self._faults: tuple[tuple[Callable[[], str], int], ...] = (
            (self._kill_consumer, 4),
            (self._kill_another_function, 2),
            (self._kill_postgres, 1),
            (self._kill_chain, 1),
            (self._break_market, 3),
            (self._double_messages, 4),
            (self._kill_matcher, 2),
            (self._of_market(self.prices.lose_fired), 2),
            (self.prices.double_fired, 2),
            (self._launch, 3),
            (database.freeze, 1),
            (database.hold_orders, 1),
            (database.end_sessions, 1),
            (database.take_no_writes, 1),
        )

    def strike(self) -> str:
        """Strike once, anywhere; something that is down already cannot be hit."""
        faults, weights = zip(*self._faults, strict=True)
        (fault,) = self._dice.choices(faults, weights)
        return self._struck(fault)

    def _struck(self, fault: Callable[[], str]) -> str:
        try:
            return str(fault())
        except (SQLAlchemyError, ExecutionError, ClientError, BotoCoreError, OSError) as error:
            return f"missed: {type(error).__name__}"

    def heal(self) -> None:
        """Mend the market; processes are restarted by the runtime itself."""
        if self._chain:
            heal_chain(self._chain.url)
        else:
            FaultBoard(self._engine()).set(Faults())

    def _kill_consumer(self) -> str:
        return self._kill(self._status()["pids"]["functions"].get(_CONSUMER, []), "a consumer")

    def _kill_another_function(self) -> str:
        functions = self._status()["pids"]["functions"]
        pids = [pid for name, found in functions.items() if name != _CONSUMER for pid in found]
        return self._kill(pids, "a function or the fork server")

    def _kill_matcher(self) -> str:
        return self._kill(self._status()["pids"]["functions"].get(_MATCHER, []), "a matcher")

    def _of_market(self, fault: Callable[[], str]) -> Callable[[], str]:
        """Return a fault that the simulated market alone can have."""
        return lambda: "missed: not the simulated market" if self._chain else fault()

    def _launch(self) -> str:
        return open_pool(self._dice, self._chain.url) if self._chain else self.prices.launch()

    def move_prices(self) -> str:
        """Move the price that orders wait for; something that is down cannot be moved."""
        return self._struck(self._of_market(self.prices.move))

    def _kill_postgres(self) -> str:
        return self._kill(self._status()["pids"].get("postgres", []), "Postgres")

    def _kill_chain(self) -> str:
        if self._chain is None:
            return "missed: no chain of its own"
        self._chain.kill()
        return "killed the chain"

    def _kill(self, pids: list[int], what: str) -> str:
        if not pids:
            return f"missed: {what} is not running"
        with suppress(ProcessLookupError):
            os.kill(self._dice.choice(pids), signal.SIGKILL)
        return f"killed {what}"

    def _break_market(self) -> str:
        if self._chain:
            return break_chain(self._dice, self._chain.url)
        faults = Faults(
            drop_rate=self._dice.choice([0.0, 0.5]),
            error_before_rate=self._dice.choice([0.0, 0.3]),
            error_after_rate=self._dice.choice([0.0, 0.5]),
            extra_delay_ms=self._dice.choice([0, 3_000]),
            view_lag_ms=self._dice.choice([0, 2_000]),
            venues={"raydium": VenueFault(is_down=self._dice.random() < 0.3, error_rate=0.2)},
        )
        FaultBoard(self._engine()).set(faults)
        return f"broke the market: {faults}"

    def _double_messages(self) -> str:
        """Send the messages of orders that were recorded already once more."""
        status = self._status()
        with self._engine().connect() as connection:
            orders = [order_state(row).order for row in connection.execute(_SOME_ORDERS)]
        sqs = boto3.client(
            "sqs",
            endpoint_url=status["sqs_endpoint"],
            region_name=status["aws"]["AWS_REGION"],
            aws_access_key_id=status["aws"]["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=status["aws"]["AWS_SECRET_ACCESS_KEY"],
        )
        url = sqs.get_queue_url(QueueName=status["queues"]["OrdersQueue"])["QueueUrl"]
        for order in orders:
            sqs.send_message(QueueUrl=url, MessageBody=render_message(OrderMessage(order=order)))
        sqs.close()
        return f"doubled {len(orders)} messages"
