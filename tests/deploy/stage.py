"""A deployed stage in MiniStack, and the packages that are deployed there."""

import copy
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Published
from chalicelib.services.consumer import transitions
from infra.deploy.deployment import Deployment, database_options
from infra.deploy.packaging import Package
from infra.deploy.smoke import smoke_order
from infra.deploy.solana_stage import NO_SOLANA, SolanaStage
from tests.deploy.emulated_cloud import EmulatedCloud
from tests.fakes.orders import VIEWS

APP_DIR = Path(__file__).parents[2] / "chalice_app"


def smoke_frames(url: str, token: str | None = None) -> list[dict[str, Any]]:
    """Return a smoke order's frames: how long an emulator's cold starts take says how busy the machine is."""
    return smoke_order(url, token=token, say=print, time_limit_s=600)


class Stage:
    """Stage ``dev``: deployed, and deployed again with other options."""

    def __init__(self, emulator: EmulatedCloud, database_url: str) -> None:
        self.emulator = emulator
        self.cloud = emulator.cloud
        self.said: list[str] = []
        self.outputs: dict[str, str] = {}
        self._engine = make_engine(database_url)
        self._options = {
            "AuthMode": "none",
            "EmulatorUrl": emulator.cloud.endpoint,
            "JwksUrl": "",
            **database_options(database_url),
        }
        self._solana = NO_SOLANA
        self.deployment = self._deployment()

    def deploy(
        self, built: Package, options: Mapping[str, str] | None = None, solana: SolanaStage = NO_SOLANA
    ) -> None:
        """Deploy the package; options stay as they are unless given."""
        self._options |= options or {}
        self._solana = solana
        self.deployment = self._deployment()
        self.outputs = self.deployment.deploy(for_ministack(built))

    @property
    def websocket_url(self) -> str:
        return self.cloud.websocket_url(self.outputs)

    @property
    def rest_url(self) -> str:
        return self.cloud.rest_url(self.outputs)

    def newest_connection(self) -> str:
        """Return the id of the connection that was opened last."""
        newest = "SELECT connection_id FROM connections ORDER BY connected_at DESC LIMIT 1"
        with self._engine.connect() as connection:
            return str(connection.execute(text(newest)).scalar_one())

    def connections(self) -> set[str]:
        """Return the ids of all connections on record."""
        with self._engine.connect() as connection:
            return set(connection.execute(text("SELECT connection_id FROM connections")).scalars())

    def execute(self, statement: str, **values: Any) -> None:
        """Change the record behind the application's back."""
        with self._engine.begin() as connection:
            connection.execute(text(statement), values)

    def put_on_record(self, order: Order, connection_id: str) -> None:
        """Record an order of the connection's as a consumer does that goes no further."""
        new = transitions.first_transition(order, order.accepted_at, connection_id)
        PostgresOrderRecord(self._engine, VIEWS).create([new], lease_ms=0)

    def end_long_ago(self, order: Order) -> None:
        """Record an order that was canceled forty days ago."""
        record = PostgresOrderRecord(self._engine, VIEWS)
        record.create([transitions.first_transition(order, order.accepted_at, None)], lease_ms=0)
        assert record.cancel(order.account_id, order.order_id, order.accepted_at)
        record.note_published([Published(order.order_id, 0, 3)])
        with self._engine.begin() as connection:
            # Only the database's owner can, and not without saying so.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            aged = "UPDATE orders SET updated_at = now() - interval '40 days' WHERE order_id = :id"
            connection.execute(text(aged), {"id": order.order_id})

    def close(self) -> None:
        self._engine.dispose()

    def _deployment(self) -> Deployment:
        return Deployment(
            self.cloud, "dev", self._options, app_dir=APP_DIR, say=self.said.append, solana=self._solana
        )


def for_ministack(built: Package) -> Package:
    """Return the package with policies in MiniStack's words."""
    template = copy.deepcopy(built.template)
    roles = (each for each in template["Resources"].values() if each["Type"] == "AWS::IAM::Role")
    for policy in (policy for role in roles for policy in role["Properties"]["Policies"]):
        in_ministacks_words(policy["PolicyDocument"]["Statement"])
    return replace(built, template=template)


def in_ministacks_words(statements: Iterable[dict[str, Any]]) -> None:
    """Say a policy so that MiniStack understands it.

    It asks for actions of its own to send or delete a batch, and knows a log group without the ``:*`` that
    AWS wants.
    """
    for statement in statements:
        for action in ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"):
            if action in statement["Action"]:
                statement["Action"].append(f"{action}Batch")
        if "logs:PutLogEvents" in statement["Action"]:
            statement["Resource"] = [statement["Resource"], _without_suffix(statement["Resource"])]


def _without_suffix(arn: str | dict[str, str]) -> str | dict[str, str]:
    return {"Fn::Sub": arn["Fn::Sub"].removesuffix(":*")} if isinstance(arn, dict) else arn.removesuffix(":*")


def with_files(archive: Path, target: Path, files: Mapping[str, bytes]) -> Path:
    """Return a package with some more files, as one that is built for a stage on Solana has."""
    shutil.copyfile(archive, target)
    with zipfile.ZipFile(target, "a") as grown:
        for name, content in files.items():
            grown.writestr(name, content)
    return target


def with_changed_health(archive: Path, target: Path) -> Path:
    """Return a package in which GET /health names a release."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.startswith("chalicelib/handlers/__pycache__/rest."):
                continue
            if entry.filename == "chalicelib/handlers/rest.py":
                changed = content.replace(
                    b'return answer({"status": "ok"})', b'return answer({"status": "ok", "release": "2"})'
                )
                assert changed != content
                content = changed
            new.writestr(entry.filename, content)
    return target
