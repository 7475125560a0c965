"""A function that an attacker commands:
the rights of ``orderflow_app`` on a database that has been traded on.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from chalicelib import migrations
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults
from chalicelib.adapters.simulated_market.transactions import Message, Wallet, sign, verified
from chalicelib.bootstrap import Services
from chalicelib.bootstrap.audit import audit
from chalicelib.config import Settings
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.transactions import SignedTransaction, SwapInstruction
from chalicelib.migrations.roles import APP_ROLE
from chalicelib.prepare import prepare
from chalicelib.services.consumer.messages import Received
from chalicelib.services.ports import Delivery, Frame, QueueMessage
from chalicelib.wire.client_frames import parse_client_frame
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.queue_messages import parse_message
from chalicelib.wire.server_frames import json_text
from infra.cli.market_maker import MarketMaker, random_walk
from tests.support.app_login import new_login

SEED: Final = "a seed that no captured function knows"
SETTINGS: Final = {
    "AWS_REGION": "us-east-1",
    "WALLET_SEED": SEED,
    "CONNECTIONS_URL": "http://127.0.0.1:9/ws",
    "MARKET_FAUCET": "1",
    "PARTIAL_BATCH_RESPONSES": "1",
    "AUTH_MODE": "none",
    "LOCAL_GATEWAY_HOST": "127.0.0.1",
    "QUOTE_LATENCY_MS": "0",
    "SETTLEMENT_LATENCY_MS": "0",
    "CONFIRMATION_WAIT_MS": "1",
}


class Sink:
    """Takes every frame, and keeps every message."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        return {frame.connection_id: Delivery.DELIVERED for frame in frames}

    def close(self, connection_id: str) -> None:
        raise AssertionError(connection_id)

    def send(self, messages: Any) -> None:
        self.bodies += [message.body for message in messages if isinstance(message, QueueMessage)]

    def check(self) -> None:
        return

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        """Nothing comes back here."""
        del seconds


class Exchange:
    """The application's own services, logged in as a member of the application's role."""

    def __init__(self, owner_url: str) -> None:
        prepare(owner_url)
        self.owner: Engine = make_engine(owner_url)
        url = new_login(self.owner).render_as_string(hide_password=False)
        self.app: Engine = make_engine(url)
        self._settings = Settings.from_env({**os.environ, **SETTINGS, "DATABASE_URL": url})
        self.sink = Sink()
        self.services = self._process()

    def _process(self) -> Services:
        made = Services(self._settings)
        vars(made).update(connections=self.sink, queue=self.sink)
        return made

    def order(self, account: str, **members: str) -> UUID:
        """Accept an order and work on it; return its id."""
        fields = parse_client_frame(json_text({"action": "submit", **members})).fields
        assert isinstance(fields, OrderFields)
        order = self.services.submit_orders.submit(
            fields.terms(self.services.tokens), account, connection_id="c"
        )
        bodies, self.sink.bodies = self.sink.bodies, []
        self.services.consume_messages.consume([Received(parse_message(body), "", 1) for body in bodies])
        return order.order_id

    def trade(self) -> None:
        """Fill the record: confirmed, sent and unknown, the market maker's own trades."""
        for account in ("alice", "bob"):
            self.order(account, inputToken="SOL", outputToken="USDC", amount="0.5")
            self.order(account, side="buy", amount="0.25")
            self.order(account, inputToken="BONK", outputToken="SOL", amount="150000", clientOrderId="one")
        maker = MarketMaker(self.owner, load_market())
        for step in random_walk(("SOL", "USDC"), steps=2, volatility_bps=20, seed=1):
            maker.move_to(step, int(time.time()))
        FaultBoard(self.owner).set(Faults(drop_rate=1.0))
        self.resume()
        self.order("alice", inputToken="SOL", outputToken="USDC", amount="0.125")

    def resume(self) -> None:
        """Go on as another process, which knows nothing of the last one,
        and find what that left unfinished.
        """
        self._end_process()
        self.services = self._process()
        with self.owner.begin() as connection:
            connection.execute(text("UPDATE orders SET lease_until = now() WHERE status = 'submitted'"))
            stranded = connection.execute(text("SELECT order_id FROM orders WHERE status = 'submitted'"))
            messages = [ResumeMessage(order_id=order_id) for order_id in stranded.scalars()]
        if messages:
            FaultBoard(self.owner).set(Faults())
            self.services.consume_messages.consume([Received(message, "", 1) for message in messages])

    def migrate_down_to(self, revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        with self.owner.connect() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
            connection.commit()
        self.owner.dispose()

    def _end_process(self) -> None:
        self.services.engine.dispose()
        self.services.clients.executor.shutdown()

    def close(self) -> None:
        self._end_process()
        self.app.dispose()
        self.owner.dispose()


@contextmanager
def captured(exchange: Exchange) -> Iterator["Captured"]:
    """Lend the application's rights within a transaction that will have been for nothing."""
    with exchange.owner.connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
        yield Captured(connection)
        connection.rollback()


class Captured:
    """What the attacker can do, and what the auditor sees of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statement: str, **parameters: object) -> int:
        """Run a statement with the application's rights; return how many rows it wrote."""
        return self._connection.execute(text(statement), parameters).rowcount

    def one(self, statement: str, **parameters: object) -> Any:
        return self._connection.execute(text(statement), parameters).one()

    def findings(self, *, seed: str | None = SEED) -> set[str]:
        """Return the names of the checks that the audit, as the owner, finds broken."""
        self._connection.execute(text("RESET ROLE"))
        found = audit(self._connection, must_be_finished=False, wallet_seed=seed.encode() if seed else None)
        return {each.check for check in found for each in check}

    def past_the_deployment(self) -> None:
        """Let the chain have begun long ago; as the owner, since no other login can."""
        self._connection.execute(text("RESET ROLE"))
        self._connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        self.run("UPDATE order_events SET recorded_at = recorded_at - interval '2 hours'")
        self._connection.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))

    def signed(self, wallet: Wallet, instruction: SwapInstruction) -> SignedTransaction:
        """Sign as a function does, with a key of one's own choice."""
        node = self.one(
            "SELECT extract(epoch FROM genesis_at)::text AS genesis, market.height_at(market.now()) AS height"
            " FROM market.chain"
        )
        made, _ = sign(wallet, instruction, genesis=node.genesis, height=node.height)
        return made

    def message_of(self, order_id: UUID) -> Message:
        """Return what the wallet of an order signed."""
        row = self.one("SELECT signature, payload FROM attempts WHERE order_id = :id", id=order_id)
        transaction = verified(row.signature, bytes(row.payload))
        assert transaction is not None
        return transaction.message
