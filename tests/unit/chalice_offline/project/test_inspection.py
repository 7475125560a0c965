"""What the runtime learns of an app without importing it."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from chalice.config import Config

from chalice_offline.invocation import UserPoolGuard
from chalice_offline.project.describe import read_project
from chalice_offline.project.functions import (
    NoticeTrigger,
    QueueTrigger,
    ScheduleTrigger,
    StreamTrigger,
)
from chalice_offline.project.inspection import ProjectError, inspect_project
from chalice_offline.services.children import started_at
from tests.unit.chalice_offline.project.inspected import CONFIG, described, inspect

PURE = """
from chalice import Chalice
app = Chalice(app_name="shop")

@app.lambda_function()
def pure(event, context): pass
"""


def test_app_is_described_as_it_would_be_deployed(tmp_path: Path) -> None:
    project = inspect(tmp_path)
    assert {name: spec.handler for name, spec in project.functions.items()} == {
        "websocket_connect": "app.hello",
        "websocket_message": "app.said",
        "api_handler": "app.app",
        "only_friends": "app.only_friends",
        "consume": "app.consumer",
        "sweep": "app.sweep",
        "uploaded": "app.uploaded",
        "heard": "app.heard",
        "noted": "app.noted",
        "clicked": "app.clicked",
        "changed": "app.changed",
        "pure": "app.pure",
    }
    assert project.queues == (QueueTrigger("consume", "from-config", 7, 2, 3),)
    assert project.schedules == (ScheduleTrigger("sweep", "rate(5 minutes)"),)
    assert project.notices == (
        NoticeTrigger("uploaded", "s3", "b", ("s3:ObjectCreated:*",), "new/"),
        NoticeTrigger("heard", "sns", "news"),
        NoticeTrigger("noted", "events", '{"source": ["shop"]}'),
    )
    assert project.streams == (
        StreamTrigger("clicked", "kinesis", "clicks", 5, 30, begins_at_end=True),
        StreamTrigger("changed", "dynamodbstreams", "arn:t", 100, 0, begins_at_end=False),
    )
    assert project.unsupported == ()
    manifest = project.manifest
    assert manifest.websocket_handlers == {"$connect": "websocket_connect", "$default": "websocket_message"}
    assert manifest.http_function == "api_handler"
    assert manifest.http_routes == {"/orders": ("GET", "POST")}
    assert manifest.http_cors["/orders"]["Access-Control-Allow-Origin"] == "https://x"
    assert manifest.http_authorizers == {"/orders": {"POST": "only_friends"}}
    assert manifest.http_authorizer_ttls == {"only_friends": 30}


def test_settings_come_from_app_stage_and_function(tmp_path: Path) -> None:
    functions = inspect(tmp_path).functions
    consume, pure = functions["consume"], functions["pure"]
    assert (consume.timeout_s, consume.memory_mb, consume.reserved_concurrency) == (30, 512, 2)
    assert (pure.timeout_s, pure.memory_mb, pure.reserved_concurrency) == (9, 128, None)
    assert [consume.environment[name] for name in ("A_", "B_", "C_")] == ["app", "stage", "function"]
    assert [pure.environment[name] for name in ("A_", "B_", "C_")] == ["app", "stage", "stage"]


def test_shell_wins_over_config_while_the_app_is_imported(tmp_path: Path) -> None:
    assert inspect(tmp_path, QUEUE="from-shell").queues[0].queue_name == "from-shell"


def test_app_is_told_that_it_is_imported_by_a_command(tmp_path: Path) -> None:
    app = (
        "import os\nfrom chalice import Chalice\napp = Chalice(app_name=os.environ['AWS_CHALICE_CLI_MODE'])\n"
    )
    assert inspect(tmp_path, app=app).functions == {}


def test_app_that_does_not_import_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="SyntaxError"):
        inspect(tmp_path, app="def broken(:\n")


@pytest.mark.parametrize(
    ("config", "reason"),
    [("{", "Unable to load the project config file"), ('{"version": "3.0"}', "Unknown version '3.0'")],
)
def test_settings_that_chalice_does_not_read_are_an_error_with_its_words(
    tmp_path: Path, config: str, reason: str
) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(config)
    (tmp_path / "app.py").touch()
    from chalice.cli.factory import CLIFactory, UnknownConfigFileVersion

    for read in (lambda: CLIFactory(str(tmp_path)).create_config_obj("dev"), lambda: described(tmp_path)):
        with pytest.raises((RuntimeError, UnknownConfigFileVersion), match=reason):
            read()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"version": "3.0"}, "Unknown version '3.0'"),
        ({"environment_variables": {"T": {"Ref": "Table"}}}, "nothing in resources.json answers"),
        ({"lambda_timeout": "60"}, "lambda_timeout of pure is to be a whole number, not '60'"),
        ({"lambda_timeout": True}, "lambda_timeout of pure is to be a whole number, not True"),
        (
            {"stages": {"dev": {"lambda_memory_size": 1.5}}},
            "lambda_memory_size of pure is to be a whole number",
        ),
        ({"version": None}, "Unknown version None"),
        (
            {"stages": {"dev": {"lambda_functions": ["pure"]}}},
            "lambda_functions is to be an object of objects",
        ),
        ({"lambda_functions": []}, "lambda_functions is to be an object of objects"),
        (
            {"stages": {"dev": {"lambda_functions": {"pure": 1}}}},
            "lambda_functions is to be an object of objects",
        ),
    ],
)
def test_settings_that_are_wrong_are_told_as_theirs_and_not_as_the_apps(
    tmp_path: Path, config: dict[str, object], reason: str
) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps({"app_name": "shop"} | config))
    (tmp_path / "app.py").write_text(PURE)
    with pytest.raises(ProjectError) as refused:
        described(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path}/.chalice/config.json: ")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_settings_are_those_that_chalices_own_commands_read(tmp_path: Path, stage: str) -> None:
    from chalice.cli.factory import CLIFactory

    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(CONFIG)
    own, read = CLIFactory(str(tmp_path)).create_config_obj(stage), read_project(str(tmp_path), stage, {})
    for scope in (None, "consume", "other"):
        one, other = (each if scope is None else each.scope(stage, scope) for each in (own, read))
        for name in (name for name, kind in vars(Config).items() if isinstance(kind, property)):
            if name != "chalice_app":
                assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize(
    ("missing", "is_named"),
    [
        ("not_there_at_all.part", "which has no not_there_at_all"),
        ("boto3.gone", "whose boto3 has no boto3.gone"),
        ("chalice.gone", "whose chalice has no chalice.gone"),
        ("chalicelib.gone", None),
    ],
)
def test_package_that_is_missing_or_of_another_release_is_named_unless_it_is_the_projects_own(
    tmp_path: Path, missing: str, is_named: str | None
) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(CONFIG)
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "app.py").write_text(f"import {missing}\n")
    with pytest.raises(ProjectError, match=f"No module named '{missing.partition('.')[0]}") as caught:
        asyncio.run(inspect_project(tmp_path, "dev", os.environ))
    assert "The app runs on" not in str(caught.value) if is_named is None else is_named in str(caught.value)


@pytest.mark.parametrize("place", ["shop/.venv", "shop/venv", ".venv"])
def test_environment_beside_an_app_that_lacks_a_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    app_dir = tmp_path / "shop"
    app_dir.mkdir()
    with pytest.raises(ProjectError, match="--python path/to/venv"):
        inspect(app_dir, app="import not_there_at_all\n")
    (tmp_path / place / "bin").mkdir(parents=True)
    (tmp_path / place / "bin" / "python").touch()
    with pytest.raises(ProjectError, match=f"--python {tmp_path / place}$"):
        described(app_dir)


def test_environment_that_the_shell_is_in_is_named_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("shop/.venv", "its own"):
        (tmp_path / place / "bin").mkdir(parents=True)
        (tmp_path / place / "bin" / "python").touch()
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "its own"))
    with pytest.raises(ProjectError, match=f"--python '{tmp_path}/its own'$"):
        inspect(tmp_path / "shop", app="import not_there_at_all\n")


def test_interpreter_before_python_3_11_is_named_as_too_old(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(CONFIG)
    (tmp_path / "app.py").touch()
    older = tmp_path / "python3.10"
    older.write_text("#!/bin/sh\necho 'Unknown option: -P' >&2\nexit 2\n")
    older.chmod(0o755)
    with pytest.raises(ProjectError, match=r"python3\.10, which is older than Python 3\.11"):
        asyncio.run(inspect_project(tmp_path, "dev", {}, str(older)))


def test_directory_without_an_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"has no app\.py"):
        asyncio.run(inspect_project(tmp_path, "dev", {}))


@pytest.mark.parametrize("place", ["runtime", "services/shop api"])
def test_app_below_a_directory_that_has_none_is_named(tmp_path: Path, place: str) -> None:
    for folder in (place, "node_modules/other", ".venv/other"):
        (tmp_path / folder / ".chalice").mkdir(parents=True)
        (tmp_path / folder / ".chalice" / "config.json").touch()
        (tmp_path / folder / "app.py").touch()
    (tmp_path / "infrastructure").mkdir()
    (tmp_path / "infrastructure" / "app.py").touch()
    with pytest.raises(ProjectError, match=f"with --app, such as '?{tmp_path}/{place}'?$"):
        asyncio.run(inspect_project(tmp_path, "dev", {}))


def test_app_below_is_named_though_its_clone_lacks_the_folder_of_settings(tmp_path: Path) -> None:
    for folder, text in (("api", "import os\nfrom chalice import Chalice\n"), ("aws", "import aws_cdk\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "app.py").write_text(text)
    with pytest.raises(ProjectError, match=f"with --app, such as {tmp_path}/api$"):
        asyncio.run(inspect_project(tmp_path, "dev", {}))


def test_clone_without_the_folder_of_settings_is_told_what_to_put_there(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    with pytest.raises(ProjectError, match=r'no \.chalice/config\.json.*"app_name"'):
        asyncio.run(inspect_project(tmp_path, "dev", {}))


SMALL = """
import os, subprocess, sys, threading, time
from chalice import Chalice
app = Chalice(app_name="small")

@app.lambda_function()
def pure(event, context): pass
"""


@pytest.mark.parametrize(
    "at_import",
    [
        'os.system("printf printed")',
        'subprocess.Popen(["sleep", "600"])',
        "threading.Thread(target=time.sleep, args=(600,)).start()",
        "import argparse; argparse.ArgumentParser().parse_args()",
        "sys.stdout.close(); sys.stderr.close()",
        "import atexit; atexit.register(time.sleep, 600)",
    ],
)
def test_app_is_described_whatever_its_import_prints_starts_or_leaves_running(
    tmp_path: Path, at_import: str
) -> None:
    assert set(inspect(tmp_path, app=SMALL + at_import).functions) == {"pure"}


def test_app_is_described_by_an_interpreter_that_prints_as_it_starts(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text('print("started")')
    shell = {"PYTHONPATH": str(site), "PYTHONUNBUFFERED": "1"}
    assert set(inspect(tmp_path, app=SMALL, **shell).functions) == {"pure"}


def test_program_that_an_import_left_running_ends_with_the_description(tmp_path: Path) -> None:
    left = 'left = subprocess.Popen(["sleep", "600"])\nopen("pid", "w").write(str(left.pid))'
    inspect(tmp_path, app=SMALL + left)
    pid = int((tmp_path / "pid").read_text())
    while started_at(pid) is not None:
        pass


@pytest.mark.parametrize(
    ("at_import", "reason"),
    [
        ("sys.exit(0)", r"line 8.*SystemExit: 0"),
        ('sys.exit("no settings")', r"line 8.*SystemExit: no settings"),
        ("os._exit(7)", "it ended the process with status 7"),
        ("os._exit(0)", "it ended the process with status 0"),
        ("os.kill(os.getpid(), 9)", "it ended the process by SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", r"line 8 in <module>.*it ended the process by SIGSEGV"),
        ("threading.Thread(target=time.sleep, args=(600,)).start(); 1 / 0", "ZeroDivisionError"),
    ],
)
def test_import_that_ends_the_process_is_an_error_that_says_how(
    tmp_path: Path, at_import: str, reason: str
) -> None:
    with pytest.raises(ProjectError, match=f"(?s)does not import:.*{reason}"):
        inspect(tmp_path, app=SMALL + at_import)


def test_import_that_hangs_is_given_up_with_the_line_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalice_offline.project.inspection._TIMEOUT_S", 2.0)
    with pytest.raises(ProjectError, match=r'(?s)took more than 2 s.*app.py", line 8 in <module>'):
        inspect(tmp_path, app=SMALL + "time.sleep(600)")


def test_variable_that_an_import_does_not_find_is_named_with_where_to_set_it(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"TABLE_NAME is not set.*config\.json"):
        inspect(tmp_path, app=SMALL + "os.environ['TABLE_NAME']")
    (tmp_path / "app.py").write_text(SMALL + "{}['TABLE_NAME']")
    with pytest.raises(ProjectError) as caught:
        described(tmp_path)
    assert "is not set" not in str(caught.value)


GUARDED = """
from chalice import Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer
app = Chalice(app_name="guarded")
pool = CognitoUserPoolAuthorizer("pool", header="X-Token", scopes=["a/b"],
    provider_arns=["arn:aws:cognito-idp:us-east-1:1:userpool/x"])

@app.authorizer()
def ours(request): pass

@app.route("/pool", authorizer=pool)
def a(): pass

@app.route("/iam", methods=["PUT"], authorizer=IAMAuthorizer())
def b(): pass

@app.route("/key", api_key_required=True)
def c(): pass

@app.route("/ours", authorizer=ours)
def d(): pass
"""


def test_routes_whose_guard_is_not_emulated_are_named(tmp_path: Path) -> None:
    project = inspect(tmp_path, app=GUARDED)
    assert set(project.open_routes) == {"GET /pool (CognitoUserPoolAuthorizer)", "PUT /iam (IAMAuthorizer)"}
    assert project.manifest.http_iam == {"/iam": ("PUT",)}
    assert project.manifest.http_user_pools == {"/pool": {"GET": UserPoolGuard("X-Token", ("x",), ("a/b",))}}
    assert project.manifest.http_api_keys == {"/key": ("GET",)}
