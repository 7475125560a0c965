"""Code that changes while the app runs."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from chalice_offline.aws_client import local_client
from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance

FUNCTIONS = """
from chalice import Chalice
app = Chalice(app_name="grows")

@app.lambda_function()
def add(event, context):
    return event["a"] + event["b"]
"""
ROUTE = """
@app.route("/hello")
def hello():
    return "hello"
"""
TRIGGERS = """
@app.on_sqs_message(queue="grows-jobs")
def work(event):
    print("worked on", *(record.body for record in event))

@app.schedule("rate(1 hour)")
def hourly(event):
    print("ticked by", event.detail_type)
    return "ticked"
"""
HANGS = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(3600)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "grows"
    (folder / ".chalice").mkdir(parents=True)
    (folder / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "grows"}')
    (folder / "app.py").write_text(FUNCTIONS)
    return folder


def edit(instance: Instance, project: Path, text: str, *, then: str = "reloaded") -> None:
    seen = len(instance.lines)
    draft = project / "app.py.new"
    draft.write_text(text)
    os.replace(draft, project / "app.py")  # noqa: PTH105  # as editors do
    instance.line(then, after=seen)


def command(instance: Instance, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "chalice_offline", *arguments, "--state-dir", str(instance.state_dir)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_new_routes_queues_and_schedules_apply_without_a_restart(project: Path, tmp_path: Path) -> None:
    with Instance(project, tmp_path / "state") as instance:
        instance.line("no API; functions, for chalice-offline invoke: add")
        url = f"http://127.0.0.1:{instance.port}/api/hello"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)
        refused.value.close()
        edit(instance, project, FUNCTIONS + ROUTE)
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"hello"
        edit(instance, project, FUNCTIONS + ROUTE + TRIGGERS)
        command(instance, "send", "grows-jobs", "the first job")
        instance.line("worked on the first job")
        instance.wait(
            lambda: "hourly" in json.loads((tmp_path / "state" / "status.json").read_text())["schedules"],
            "status",
        )
        assert command(instance, "tick", "hourly") == '"ticked"\n'
        instance.line("ticked by Scheduled Event")
        (project / "app.py").write_text(HANGS)
        instance.wait((project / "importing").exists, "an import that hangs")
        edit(instance, project, FUNCTIONS)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)
        refused.value.close()


def test_commands_of_the_start_run_again_when_what_they_apply_has_changed(
    project: Path, tmp_path: Path
) -> None:
    (project / ".chalice" / "local.toml").write_text(
        'on_start = ["python prepare.py"]\non_start_again = ["migrations/*"]\n'
    )
    (project / "prepare.py").write_text(PREPARES)
    (project / "migrations").mkdir()
    (project / "migrations" / "1.sql").write_text("one")
    applied = project / "applied.txt"
    with Instance(project, tmp_path / "state") as instance:
        assert applied.read_text() == "one; "
        edit(instance, project, FUNCTIONS)
        assert applied.read_text() == "one; "
        seen = len(instance.lines)
        (project / "migrations" / "2.sql").write_text("two")
        instance.line("reloaded", after=seen)
        assert applied.read_text() == "one; one two; "
        seen = len(instance.lines)
        (project / "migrations" / "3.sql").write_text("broken")
        instance.line("cannot apply", after=seen)
        event = tmp_path / "event.json"
        event.write_text('{"a": 1, "b": 2}')
        assert command(instance, "invoke", "add", "--event", str(event)) == "3\n"
        # Code that may need what was not applied.
        edit(instance, project, FUNCTIONS + ROUTE, then="cannot apply")
        seen = len(instance.lines)
        (project / "migrations" / "3.sql").write_text("three")
        instance.line("reloaded", after=seen)
        assert applied.read_text() == "one; one two; one two three; "


PREPARES = """
from pathlib import Path
texts = [path.read_text() for path in sorted(Path("migrations").iterdir())]
assert "broken" not in texts, "cannot apply"
with Path("applied.txt").open("a") as applied:
    applied.write(" ".join(texts) + "; ")
"""
CONSUMER = """
@app.on_sqs_message(queue="grows-{name}", batch_size=1)
def work(event):
    print("{name} got", *(record.body for record in event))
"""


def template(*names: str) -> str:
    queues = {
        f"Of{name}": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"grows-{name}"}}
        for name in names
    }
    return json.dumps({"Resources": queues})


def test_changed_template_of_queues_and_changed_resources_apply_without_a_restart(
    project: Path, tmp_path: Path
) -> None:
    queues = tmp_path / "elsewhere" / "queues.json"
    queues.parent.mkdir()
    queues.write_text(template("first"))
    (project / "app.py").write_text(FUNCTIONS + CONSUMER.format(name="first"))
    with Instance(project, tmp_path / "state", "--queues", str(queues)) as instance:
        seen = len(instance.lines)
        queues.write_text(template("first", "second"))
        instance.line("reloaded", after=seen)
        edit(instance, project, FUNCTIONS + CONSUMER.format(name="second"))
        command(instance, "send", "Ofsecond", "a message")
        instance.line("second got a message")
        seen = len(instance.lines)
        queues.write_text("{")
        instance.line("not reloaded, the old code goes on", after=seen)
        command(instance, "send", "Ofsecond", "another")
        instance.line("second got another")
        seen = len(instance.lines)
        queues.write_text(template("first", "second"))
        (project / "resources.json").write_text(
            json.dumps({"Resources": {"Table": {"Type": "AWS::SSM::Parameter", "Properties": PARAMETER}}})
        )
        (project / ".chalice" / "config.json").write_text(
            json.dumps(
                {
                    "version": "2.0",
                    "app_name": "it_grows",
                    "environment_variables": {"NAME": {"Ref": "Table"}},
                }
            )
        )
        edit(instance, project, FUNCTIONS + READER)
        instance.wait(lambda: command(instance, "invoke", "read") == '"/grows/said hello"\n', "the parameter")
        resources = {
            "Table": {"Type": "AWS::SSM::Parameter", "Properties": PARAMETER},
            "Alias": REFUSED,
        }
        (project / "resources.json").write_text(json.dumps({"Resources": resources}))
        instance.line("UPDATE_ROLLBACK_COMPLETE: Alias: ")


REFUSED = {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "not an alias/", "TargetKeyId": "none"}}
PARAMETER = {"Type": "String", "Name": "/grows/said", "Value": "hello"}
READER = """
import os, boto3

@app.lambda_function()
def read(event, context):
    name = os.environ.get("NAME", "")
    return name + " " + boto3.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
"""


def test_import_error_on_reload_is_shown_as_text_and_the_old_code_goes_on(
    project: Path, tmp_path: Path
) -> None:
    with Instance(project, tmp_path / "state") as instance:
        edit(instance, project, FUNCTIONS + "import no_such_module\n", then="not reloaded")
        instance.line("ModuleNotFoundError: No module named 'no_such_module'")
        assert [line for line in instance.lines if "describe.py" in line or "chalice/cli" in line] == []
        edit(instance, project, FUNCTIONS + "def broken(:\n", then="not reloaded")
        instance.line("SyntaxError")
        event = tmp_path / "event.json"
        event.write_text('{"a": 1, "b": 2}')
        assert command(instance, "invoke", "add", "--event", str(event)) == "3\n"


def test_settings_that_break_while_the_app_runs_are_named_and_moved_apis_want_a_restart(
    project: Path, tmp_path: Path
) -> None:
    config = project / ".chalice" / "config.json"
    with Instance(project, tmp_path / "state") as instance:
        for text, reason in (
            ('{"version": "2.0",}', "config.json is no configuration of Chalice's"),
            ('{"version": "2.0", "lambda_timeout": "9"}', "config.json: lambda_timeout of add"),
            ('{"version": "2.0", "stages": {"prod": {}}}', "config.json has no stage 'dev', but prod"),
        ):
            seen = len(instance.lines)
            config.write_text(text)
            instance.line("not reloaded, the old code goes on", after=seen)
            instance.line(reason, after=seen)
        assert not [line for line in instance.lines if "does not import" in line]
        seen = len(instance.lines)
        config.write_text('{"version": "2.0", "app_name": "grows", "api_gateway_stage": "v1"}')
        instance.line("they need a restart", after=seen)
        instance.line("reloaded", after=seen)


def test_app_that_does_not_import_is_told_once_as_text(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text(FUNCTIONS + "\nimport no_such_module\n")
    instance = Instance(project, tmp_path / "state")
    assert instance.process.wait(TIME_LIMIT_S) == 1
    instance.stop()
    assert instance.lines[0] == f"error: {project}/app.py does not import:"
    told = [line for line in instance.lines if "No module named" in line]
    assert told == ["ModuleNotFoundError: No module named 'no_such_module'"]
    assert "describe.py" not in "".join(instance.lines)


STUCK = """
import time

@app.lambda_function()
def stuck(event, context):
    print("begun")
    time.sleep(50)
"""


def test_stop_says_what_it_waits_for_and_a_second_signal_ends_it(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text(FUNCTIONS + STUCK)
    with Instance(project, tmp_path / "state", "--no-reload") as instance:
        asking = [
            sys.executable,
            "-m",
            "chalice_offline",
            "invoke",
            "stuck",
            "--state-dir",
            str(tmp_path / "state"),
        ]
        with subprocess.Popen(
            asking, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as asked:
            instance.line("begun")
            instance.process.send_signal(signal.SIGINT)
            instance.line('waiting for functions that run; Ctrl-C ends them functions=["stuck"]')
            assert instance.stop(signal.SIGINT) == 0
            asked.wait(TIME_LIMIT_S)


HEARS = """
@app.on_sns_message(topic="grows-news")
def hear(event):
    print("heard", event.message)
"""


def test_what_a_topic_said_while_no_function_heard_it_is_not_told_later(
    project: Path, tmp_path: Path
) -> None:
    with Instance(project, tmp_path / "state") as instance:
        aws = instance.status()["aws"]
        sns = local_client("sns", instance.status()["sqs_endpoint"], aws)

        def publish(text: str) -> None:
            sns.publish(TopicArn=sns.create_topic(Name="grows-news")["TopicArn"], Message=text)

        edit(instance, project, FUNCTIONS + HEARS)
        publish("first")
        instance.line("heard first")
        edit(instance, project, FUNCTIONS)
        publish("second")
        edit(instance, project, FUNCTIONS + HEARS)
        publish("third")
        instance.line("heard third")
        assert not any("heard second" in line or "WARN" in line for line in instance.lines)
