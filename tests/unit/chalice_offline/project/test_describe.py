"""Apps that pin a Chalice, or a boto3, of years ago."""

from pathlib import Path

from chalice_offline.invocation import UserPoolGuard
from chalice_offline.project.functions import QueueTrigger
from tests.unit.chalice_offline.project.inspected import inspect

OLDER = """
import chalice.app as older
from chalice.deploy import validate

class SQSEventConfig(older.BaseEventSourceConfig):
    def __init__(self, name, handler_string, queue, batch_size, **_later):
        super().__init__(name, handler_string)
        self.queue = queue
        self.batch_size = batch_size

class BuiltinAuthConfig:
    def __init__(self, name, handler_string, ttl_seconds=None, execution_role=None, **_later):
        self.name = name
        self.handler_string = handler_string

older.SQSEventConfig = SQSEventConfig
older.BuiltinAuthConfig = BuiltinAuthConfig
del older.KinesisEventConfig, older.DynamoDBEventConfig, validate.validate_sqs_configuration
"""
QUEUE_ONLY = """
from chalice import Chalice, CognitoUserPoolAuthorizer
app = Chalice(app_name="queue-only")
pool = CognitoUserPoolAuthorizer("pool", provider_arns=["arn:aws:cognito-idp:us-east-1:1:userpool/x"])
del pool.scopes

@app.on_sqs_message(queue="jobs", batch_size=7)
def consume(event): pass

@app.authorizer()
def ours(request): pass

@app.route("/ours", authorizer=ours)
def a(): pass

@app.route("/pool", authorizer=pool)
def b(): pass
"""


def test_app_whose_own_chalice_is_years_older_is_described(tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text(OLDER)
    (tmp_path / "project").mkdir()
    project = inspect(tmp_path / "project", app=QUEUE_ONLY, PYTHONPATH=str(older))
    assert project.queues == (QueueTrigger("consume", "jobs", 7, 0, None),)
    assert project.manifest.http_authorizers == {"/ours": {"GET": "ours"}}
    assert project.manifest.http_user_pools == {"/pool": {"GET": UserPoolGuard("Authorization", ("x",), ())}}
    assert project.unsupported == ()


OLDER_BOTOCORE = """
import botocore.session
sessions = botocore.session.Session
create = sessions.create_client

def create_client(self, *args, **named):
    self._add_configured_endpoint_provider = lambda **_: None
    return create(self, *args, **named)

sessions.create_client = create_client
del sessions._add_configured_endpoint_provider
"""
CALLED = """
import boto3
from chalice import Chalice
app = Chalice(app_name="called")
assert boto3.client("sqs", region_name="us-east-1").meta.endpoint_url == "http://127.0.0.1:1"
"""


def test_clients_of_an_old_boto3_that_are_made_at_import_call_the_emulator(tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text(OLDER_BOTOCORE)
    (tmp_path / "project").mkdir()
    endpoints = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    endpoints["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = "http://127.0.0.1:2/ws"
    inspect(tmp_path / "project", app=CALLED, PYTHONPATH=str(older), **endpoints)
