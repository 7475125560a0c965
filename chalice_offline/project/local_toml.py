"""``.chalice/local.toml``, or ``[tool.chalice-offline]`` of ``pyproject.toml``: what a project wants of
the local runtime. Optional, like everything in it.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, field_validator

from chalice_offline.project.companion_table import CompanionTable
from chalice_offline.project.gateway_table import GatewayTable
from chalice_offline.project.table import Table
from chalice_offline.sentences import Sentences

FILE_NAME: Final = Path(".chalice") / "local.toml"
TABLE_NAME: Final = "chalice-offline"


class LocalTomlError(ValueError):
    """The file does not parse, or names a setting that does not exist."""


class LambdaTable(Table):
    """Execution environments per function; ``concurrency_by_function`` comes before ``concurrency``.

    ``preload`` names libraries that a cold start finds imported,
    since they hardly ever change: never the app's own. ``snapshot`` names those modules of the app that are
    imported once, for environments to be forked from; none are by default. ``cut_short`` names functions that
    may be ended at any moment: a runtime that stops does not wait for them. ``rare`` names functions that are
    hardly ever called: their environments start when they are, and end soon after.
    """

    concurrency: Annotated[int, Field(ge=1)] = 4
    concurrency_by_function: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    idle_s: Annotated[float, Field(gt=0)] = 300.0
    preload: tuple[str, ...] = ("boto3", "chalice")
    snapshot: tuple[str, ...] = ()
    cut_short: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()


class EventSourceTable(Table):
    """Event source mappings; ``concurrency`` is for those that set no maximum of their own.

    ``chalice deploy`` does not ask for reports of single messages, hence the default.
    """

    concurrency: Annotated[int, Field(ge=1)] = 5
    gather_ms: Annotated[int, Field(ge=0)] = 15
    report_batch_item_failures: bool = False


class SchedulesTable(Table):
    run_at_start: bool = False


class LogTable(Table):
    """``sentences``: how messages are shown, by their text (``chalice_offline.sentences``)."""

    sentences: dict[str, str] = Field(default_factory=dict)

    @field_validator("sentences")
    @classmethod
    def _can_be_filled(cls, templates: dict[str, str]) -> dict[str, str]:
        Sentences(templates)
        return templates


class LocalToml(Table):
    """The whole file.

    Attributes:
        database: Whether the project wants PostgreSQL and ``DATABASE_URL``.
        database_login: Name of the login that functions have at the managed server. The commands of
            ``on_start`` make it; they own the server and find the functions' address in
            ``FUNCTIONS_DATABASE_URL``.
        aws_services: Signing names of the services that the managed emulator may be asked; all if not given.
            Fewer is safer: some run code.
        queues: CloudFormation template of its queues, relative to the project.
        parameters: Values of that template's parameters; ``Stage`` is the runtime's stage unless given.
        on_start: Commands to run with the functions' environment before the runtime is ready, in the project.
        on_start_again: Files, as patterns relative to the project, a change of which runs them once more,
            before functions get the changed code.
        environment: More variables for functions; ``${NAME}`` stands for the value of another.
        companions: Programs that run beside the app.
        secrets: ``NAME = "random"``: generated once, kept in the state directory.
    """

    database: bool = False
    database_login: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] | None = None
    aws_services: tuple[str, ...] | None = None
    queues: Path | None = None
    parameters: dict[str, str] = Field(default_factory=dict)
    on_start: tuple[str, ...] = ()
    on_start_again: tuple[str, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, Literal["random"]] = Field(default_factory=dict)
    companions: tuple[CompanionTable, ...] = ()
    gateway: GatewayTable = GatewayTable()
    functions: Annotated[LambdaTable, Field(alias="lambda")] = LambdaTable()
    event_source: EventSourceTable = EventSourceTable()
    schedules: SchedulesTable = SchedulesTable()
    log: LogTable = LogTable()


def read_local_toml(app_dir: Path) -> LocalToml:
    """Return the project's settings; the defaults if it has none.

    Raises:
        LocalTomlError: With the place of the mistake, or because both files have settings.
    """
    own, pyproject = app_dir / FILE_NAME, app_dir / "pyproject.toml"
    in_own = _parsed(own)
    in_pyproject = (_parsed(pyproject) or {}).get("tool", {}).get(TABLE_NAME)
    if in_own is not None and in_pyproject is not None:
        raise LocalTomlError(
            f"settings are in {own} and in [tool.{TABLE_NAME}] of {pyproject}: keep one of them"
        )
    place = f"{own}" if in_pyproject is None else f"{pyproject}: tool.{TABLE_NAME}"
    try:
        return LocalToml.model_validate(in_own or in_pyproject or {})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise LocalTomlError(f"{place}: {problems}") from error


def _parsed(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None if there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LocalTomlError(f"{path}: {error}") from error
