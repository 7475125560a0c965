"""Apps that run here, though they could not be deployed."""

import json
from pathlib import Path

import pytest

from chalice_offline.project.inspection import ProjectError
from tests.unit.chalice_offline.project.inspected import described, inspect

REFUSED = """
from chalice import Chalice
app = Chalice(app_name="refused")
app.api.binary_types.append("image/png")

@app.route("/orders/")
def a(): pass

@app.route("/mixed", methods=["POST"], content_types=["image/png", "application/json"])
def b(): pass

@app.route("/users/{user}")
def c(user): pass

@app.route("/users/{id}/orders")
def d(id): pass

@app.route("/users/{user}/orders/{order}")
def e(user, order): pass

@app.lambda_function(name="twice")
def f(event, context): pass

@app.lambda_function(name="twice")
def g(event, context): pass

@app.on_sqs_message(queue="https://sqs.us-east-1.amazonaws.com/1/jobs")
def h(event): pass
"""


def test_what_could_not_be_deployed_is_named_by_each_rule_that_it_breaks(tmp_path: Path) -> None:
    routes, types, names, queues, variables = inspect(tmp_path, app=REFUSED).refused
    assert "trailing slash: /orders/" in routes
    assert "image/png" in types
    assert "twice" in names
    assert "https://sqs.us-east-1.amazonaws.com/1/jobs" in queues
    assert "one of /users/{id} and /users/{user}" in variables


NAMELESS = """
import os
from chalice import Chalice
app = Chalice(app_name="nameless")

@app.on_s3_event(bucket=os.environ.get("NOT_SET"))
def uploaded(event): pass

@app.on_sns_message(topic=os.environ.get("NOT_SET", ""))
def heard(event): pass

@app.on_kinesis_record(stream=os.environ.get("NOT_SET"))
def clicked(event): pass

@app.on_dynamodb_record(stream_arn=os.environ.get("NOT_SET"))
def changed(event): pass

@app.schedule(os.environ.get("NOT_SET"))
def timed(event): pass
"""


def test_function_that_listens_to_nothing_is_named_and_not_triggered(tmp_path: Path) -> None:
    project = inspect(tmp_path, app=NAMELESS)
    assert (project.notices, project.streams, project.schedules) == ((), (), ())
    assert set(project.functions) == {"uploaded", "heard", "clicked", "changed", "timed"}
    assert [reason.partition(":")[0] for reason in project.refused] == [
        "uploaded listens to no bucket",
        "heard listens to no topic",
        "clicked listens to no stream",
        "changed listens to no stream_arn",
        "timed listens to no schedule_expression",
    ]


def test_variable_that_is_no_text_is_named_and_set_as_text(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    variables = '{"A": 1, "B": true, "C": "text"}'
    (tmp_path / ".chalice" / "config.json").write_text(
        f'{{"version": "2.0", "app_name": "x", "environment_variables": {variables}}}'
    )
    (tmp_path / "app.py").write_text("from chalice import Chalice\napp = Chalice('x')\n")
    (reason,) = described(tmp_path).refused
    assert reason.endswith("have A, B")


def test_app_that_can_be_deployed_is_refused_by_no_rule(tmp_path: Path) -> None:
    assert inspect(tmp_path).refused == ()


PURE = """
from chalice import Chalice
app = Chalice(app_name="pure")

@app.route("/")
def index(): pass

@app.lambda_function()
def price(event, context): pass

@app.lambda_function()
def a_function_whose_name_is_longer_than_what_is_left_of_it_for_lambda(event, context): pass
"""


def test_what_lambda_does_not_take_is_said_once_for_all_functions(tmp_path: Path) -> None:
    config = {
        "lambda_timeout": 1000,
        "lambda_memory_size": 64,
        "environment_variables": {"AWS_REGION": "eu-west-1", "A-B": "1", "_C": "2", "LONG": "x" * 4096},
    }
    timeout, memory, own, names, size, name = inspect(
        tmp_path, app=PURE, config=json.dumps({**config, "app_name": "pure"})
    ).refused
    assert timeout == "Lambda takes a lambda_timeout of 1 to 900, not 1000"
    assert memory == "Lambda takes a lambda_memory_size of 128 to 10240, not 64"
    assert own.endswith(": AWS_REGION")
    assert names.endswith(": A-B, _C")
    assert "4096 bytes of variables" in size
    assert "pure-dev-a_function_whose" in name


def test_name_that_aws_does_not_take_is_named(tmp_path: Path) -> None:
    config = {"app_name": "my shop", "api_gateway_stage": "api/v1"}
    app = PURE.replace("a_function_whose_name_is_longer_than_what_is_left_of_it_for_lambda", "other")
    refused = inspect(tmp_path, app=app, config=json.dumps(config)).refused
    assert refused == (
        "API Gateway takes a stage of letters, digits, - and _, not 'api/v1'",
        "Lambda takes names of letters, digits, - and _, not 'my shop'",
    )


def test_what_lambda_takes_is_not_refused(tmp_path: Path) -> None:
    config = {
        "lambda_timeout": 900,
        "lambda_memory_size": 10_240,
        "environment_variables": {"TZ": "Europe/Berlin", "PYTHONPATH": "x", "A1": ""},
    }
    app = PURE.replace("a_function_whose_name_is_longer_than_what_is_left_of_it_for_lambda", "other")
    assert inspect(tmp_path, app=app, config=json.dumps({**config, "app_name": "pure"})).refused == ()


MAPPED = """
from chalice import Chalice
app = Chalice(app_name="mapped")

@app.on_sqs_message(queue="jobs.fifo", batch_size=11)
def ordered(event): pass

@app.on_sqs_message(queue="news.fifo", maximum_batching_window_in_seconds=1)
def windowed(event): pass

@app.on_sqs_message(queue="jobs", batch_size=100)
def many(event): pass

@app.on_sqs_message(queue="mail", maximum_concurrency=1)
def alone(event): pass

@app.on_sqs_message(queue="bulk", batch_size=100, maximum_batching_window_in_seconds=1, maximum_concurrency=2)
def fine(event): pass
"""


def test_mapping_of_a_queue_that_lambda_does_not_make_is_named(tmp_path: Path) -> None:
    refused = inspect(tmp_path, app=MAPPED).refused
    assert [reason.partition(":")[0] for reason in refused] == ["ordered", "windowed", "many", "alone"]
    assert "maximum_batching_window_in_seconds" in refused[2]
    assert "2 to 1000, not 1" in refused[3]


def test_number_of_a_mapping_that_is_a_text_as_from_a_variable_is_named(tmp_path: Path) -> None:
    app = MAPPED.replace("batch_size=100)", "batch_size='100')")
    with pytest.raises(ProjectError, match="batch_size of many is to be a whole number, not '100'"):
        inspect(tmp_path, app=app)


POOLLESS = """
import os
from chalice import Chalice, CognitoUserPoolAuthorizer
app = Chalice(app_name="poolless")
members = CognitoUserPoolAuthorizer("members", provider_arns=[os.environ.get("NOT_SET")])
guests = CognitoUserPoolAuthorizer(None, provider_arns=[f"{os.environ.get('NOT_SET')}"])

@app.route("/a", authorizer=members)
def a(): pass

@app.route("/b", authorizer=members)
def b(): pass

@app.route("/c", authorizer=guests)
def c(): pass
"""


def test_authorizer_that_names_no_user_pool_is_named_once(tmp_path: Path) -> None:
    project = inspect(tmp_path, app=POOLLESS)
    assert project.refused == (
        "a Cognito authorizer names no user pool: is the variable that names it set?",
        "members names no user pool: is the variable that names it set?",
    )
    assert project.manifest.http_user_pools["/a"]["GET"].pools == ()
