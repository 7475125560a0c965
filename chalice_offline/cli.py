"""The command line, and one that a project makes of it for itself."""

import asyncio
import gc
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import click

from chalice_offline.asking import AskingError, Instance
from chalice_offline.debugging import Debugging, terminal_of
from chalice_offline.interrupts import ends_quietly
from chalice_offline.log_reading import NoLogError, Wanted, print_log
from chalice_offline.logs import Log, Look, leave_unwritable_streams
from chalice_offline.options import STATE_DIR_NAME, Options
from chalice_offline.parameters import ENDPOINT_URL, HOST, PYTHON
from chalice_offline.scheduling import stay_until_done
from chalice_offline.sentences import Sentences
from chalice_offline.state_dir import StateDir, StateDirInUseError
from chalice_offline.version import VERSION

PREFIX: Final = "CHALICE_OFFLINE"
"""What the names of the variables begin with."""
# As `chalice local`.
PORT: Final = 8000
STAGE: Final = "dev"

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_PROJECT = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_Decorator = Callable[[Any], Any]


def command_line(prefix: str = PREFIX, defaults: Mapping[str, Any] | None = None) -> click.Group:
    """Return the commands.

    Args:
        prefix: Of the variables that set options: ``PREFIX_PORT`` sets ``--port``.
        defaults: What a project's own command line has for ``app``, ``port``, ``stage`` or ``state_dir`` (a
            path, which is then relative to the current directory).
    """
    own = {"app": Path(), "port": PORT, "stage": STAGE, "state_dir": None, **(defaults or {})}
    app_option = _option(
        prefix, "--app", "app_dir", type=_PROJECT, default=own["app"], help="Chalice project to run."
    )
    state_option = _option(
        prefix,
        "--state-dir",
        variable="HOME",
        type=_DIRECTORY,
        default=own["state_dir"],
        show_default=str(own["state_dir"] or f"{STATE_DIR_NAME} in the project"),
        help="Where data lives between runs.",
    )
    group = click.Group(help="Run a Chalice app on this machine, as on AWS.")
    group = click.version_option(VERSION, prog_name="chalice-offline")(group)
    group.add_command(_start(prefix, own, app_option, state_option))
    for command in (_reset, _invoke, _send, _tick, _logs):
        group.add_command(command(app_option, state_option))
    return group


def _start(prefix: str, own: Mapping[str, Any], *shared: _Decorator) -> click.Command:
    def start(*, json_logs: bool, verbose: bool, debug: bool, debugpy: int | None, **given: Any) -> None:
        """Run the app until Ctrl-C: WebSocket, REST, SQS and schedules."""
        if given["functions_database_url"] and not given["database_url"]:
            raise click.UsageError(
                "--functions-database-url goes with --database-url: whose database would it be?"
            )
        app_dir = given.pop("app_dir").resolve()
        state_dir = given.pop("state_dir") or app_dir / STATE_DIR_NAME
        debugging = None
        if debug or debugpy is not None:
            debugging = Debugging(terminal=terminal_of(), first_port=debugpy)
        options = Options(
            **given,
            app_dir=app_dir,
            state_dir=state_dir,
            debugging=debugging,
            port_variable=f"{prefix}_PORT",
        )
        with ends_quietly():  # until the runtime waits for signals, with its first step
            # The runtime is half of what the other commands would import, and wait for. All of it stays.
            gc.disable()
            from chalice_offline.lifecycle import run  # noqa: PLC0415

            gc.enable()
            stay_until_done()
            log = Log(sys.stdout, is_raw=json_logs, is_verbose=verbose)
            try:
                status = asyncio.run(run(options, log))
            finally:
                log.close()
                leave_unwritable_streams()
        sys.exit(status)

    return _command(start, *shared, *_start_options(prefix, int(own["port"]), str(own["stage"])))


def _start_options(prefix: str, port: int, stage: str) -> list[_Decorator]:
    ports = click.IntRange(0, 65535)
    return [
        _option(prefix, "--host", type=HOST, default="127.0.0.1", help="Address to listen on."),
        _option(prefix, "--port", type=ports, default=port, help="0 takes a free one."),
        _option(prefix, "--stage", default=stage, help="Chalice stage in config.json."),
        _option(
            prefix,
            "--python",
            type=PYTHON,
            help="Virtual environment of the app's own, with chalice in it.  [default: the runtime's]",
        ),
        _option(prefix, "--queues", type=_FILE, help="Queue template.  [default: as in local.toml]"),
        _option(
            None,
            "--database-url",
            variable="DATABASE_URL",
            help="Use this PostgreSQL instead of a managed one.",
        ),
        _option(
            None,
            "--functions-database-url",
            variable="FUNCTIONS_DATABASE_URL",
            help="The login of functions there; --database-url then owns the database, and prepares it.",
        ),
        _option(
            None,
            "--aws-endpoint-url",
            variable="AWS_ENDPOINT_URL",
            type=ENDPOINT_URL,
            help="Use this AWS, such as LocalStack, instead of a managed MiniStack.",
        ),
        _option(
            prefix,
            "--reload/--no-reload",
            "reloads",
            variable="RELOAD",
            default=True,
            help="Reload handlers on changes.",
        ),
        _option(
            prefix,
            "--json-logs",
            variable="JSON_LOGS",
            is_flag=True,
            help="Print function output unrendered.",
        ),
        _option(
            prefix, "--verbose", variable="VERBOSE", is_flag=True, help="Show what the runtime itself does."
        ),
        _option(
            prefix,
            "--debug",
            variable="DEBUG",
            is_flag=True,
            help="breakpoint() in a function opens pdb in this terminal; nothing times out.",
        ),
        _option(
            prefix,
            "--debugpy",
            type=click.IntRange(1024, 65000),
            help="The same for an editor: a port for each function, from this one on.",
        ),
    ]


def _reset(*shared: _Decorator) -> click.Command:
    def reset(app_dir: Path, state_dir: Path | None) -> None:
        """Wipe an instance's data; refused while it runs."""
        path = state_dir or app_dir / STATE_DIR_NAME
        if not path.exists():
            return
        state = StateDir(path)
        try:
            state.acquire()
        except StateDirInUseError as error:
            _fail(error)
        shutil.rmtree(path)
        state.release()
        click.echo(f"wiped {path}")

    return _command(reset, *shared)


def _invoke(*shared: _Decorator) -> click.Command:
    def invoke(name: str, event: IO[bytes] | None, app_dir: Path, state_dir: Path | None) -> None:
        """Run a function of the running app once, and print its answer: NAME as in the code, or as deployed.

        The event is a file ("-": standard input); without one it is {}.
        """
        payload = event.read() if event else b"{}"
        _show(lambda: _instance(app_dir, state_dir).invoke(name, payload))

    event = click.option("--event", type=click.File("rb"), help="JSON, as the function gets it.")
    return _command(invoke, click.argument("name"), event, *shared)


def _tick(*shared: _Decorator) -> click.Command:
    def tick(schedule: str, app_dir: Path, state_dir: Path | None) -> None:
        """Run a schedule of the running app now: SCHEDULE is its function's name."""
        _show(lambda: _instance(app_dir, state_dir).tick(schedule))

    return _command(tick, click.argument("schedule"), *shared)


def _send(*shared: _Decorator) -> click.Command:
    def send(queue: str, body: str, app_dir: Path, state_dir: Path | None) -> None:
        """Send a message to a queue of the running app, by its name or its id in the template."""
        try:
            click.echo(_instance(app_dir, state_dir).send(queue, body))
        except AskingError as error:
            _fail(error)

    return _command(send, click.argument("queue"), click.argument("body"), *shared)


def _sentences(app_dir: Path) -> Sentences:
    from chalice_offline.project.local_toml import LocalTomlError, read_local_toml  # noqa: PLC0415  # as above

    try:
        return Sentences(read_local_toml(app_dir).log.sentences)
    except LocalTomlError:
        return Sentences()  # the log is worth reading also where the settings are not


def _logs(*shared: _Decorator) -> click.Command:
    def logs(
        *, function: tuple[str, ...], follow: bool, tail: int | None, json_logs: bool, **where: Path | None
    ) -> None:
        """Print what an instance and its functions have printed, also after it has ended."""
        app_dir, state_dir = where["app_dir"], where["state_dir"]
        assert app_dir is not None
        folder = (state_dir or app_dir.resolve() / STATE_DIR_NAME) / "logs"
        look = Look(json_logs, sys.stdout.isatty(), _sentences(app_dir))
        wanted = Wanted(function, tail=tail, look=look)
        try:
            print_log(folder, wanted, click.echo, follows=follow)
        except NoLogError as error:
            _fail(error)
        except KeyboardInterrupt:
            return

    function = click.option(
        "--function", "-n", multiple=True, help='Only of this one; "runtime" for what is no function\'s.'
    )
    follow = click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
    tail = click.option("--tail", type=click.IntRange(0), help="Only so many of the last lines.")
    raw = click.option("--json", "json_logs", is_flag=True, help="Print lines unrendered.")
    return _command(logs, function, follow, tail, raw, *shared)


def _instance(app_dir: Path, state_dir: Path | None) -> Instance:
    return Instance(state_dir or app_dir.resolve() / STATE_DIR_NAME)


def _show(ask: Callable[[], tuple[bytes, bool]]) -> None:
    """Print a function's answer; the exit status is 1 if that is a failure."""
    try:
        answer, is_failure = ask()
    except AskingError as error:
        _fail(error)
    click.echo(answer.decode())
    sys.exit(int(is_failure))


def _fail(error: Exception) -> NoReturn:
    click.echo(f"error: {error}", err=True)
    sys.exit(1)


def _command(function: Callable[..., None], *options: _Decorator) -> click.Command:
    for option in reversed(options):
        function = option(function)
    return click.command(context_settings={"show_default": True, "max_content_width": 110})(function)


def _option(prefix: str | None, *names: str, variable: str | None = None, **settings: Any) -> _Decorator:
    """Declare an option that its environment variable can set as well: ``PREFIX_NAME`` for ``--name``."""
    name = variable or names[0].removeprefix("--").replace("-", "_").upper()
    shown = {"show_default": True, **settings}
    return click.option(*names, envvar=f"{prefix}_{name}" if prefix else name, show_envvar=True, **shown)


main: Final = command_line()
