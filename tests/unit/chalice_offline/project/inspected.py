"""Projects in a folder of their own, described by the process that describes any."""

import asyncio
import os
from pathlib import Path

from chalice_offline.project.functions import Project
from chalice_offline.project.inspection import inspect_project

APP = """
import os
from chalice.app import Chalice, CORSConfig, Rate
app = Chalice(app_name="shop")
app.experimental_feature_flags.update(["WEBSOCKETS"])
print("printed while importing")

@app.on_ws_connect()
def hello(event): pass

@app.on_ws_message()
def said(event): pass

@app.authorizer(ttl_seconds=30)
def only_friends(request): pass

@app.route("/orders", methods=["GET"], cors=CORSConfig(allow_origin="https://x"))
def list_orders(): return []

@app.route("/orders", methods=["POST"], authorizer=only_friends)
def post_order(): return {}

@app.on_sqs_message(queue=os.environ["QUEUE"], name="consume", batch_size=7,
                    maximum_batching_window_in_seconds=2, maximum_concurrency=3)
def consumer(event): pass

@app.schedule(Rate(5, unit=Rate.MINUTES))
def sweep(event): pass

@app.on_s3_event(bucket="b", prefix="new/")
def uploaded(event): pass

@app.on_sns_message(topic="news")
def heard(event): pass

@app.on_cw_event(event_pattern={"source": ["shop"]})
def noted(event): pass

@app.on_kinesis_record(stream="clicks", batch_size=5, maximum_batching_window_in_seconds=30)
def clicked(event): pass

@app.on_dynamodb_record(stream_arn="arn:t", starting_position="TRIM_HORIZON")
def changed(event): pass

@app.lambda_function()
def pure(event, context): pass
"""
CONFIG = """{"version": "2.0", "app_name": "shop", "lambda_timeout": 9,
 "environment_variables": {"A_": "app", "B_": "app", "C_": "app", "QUEUE": "from-config"},
 "stages": {"dev": {"environment_variables": {"B_": "stage", "C_": "stage"},
   "lambda_functions": {"consume": {"lambda_timeout": 30, "lambda_memory_size": 512,
     "reserved_concurrency": 2, "environment_variables": {"C_": "function"}}}}}}"""


def inspect(folder: Path, app: str = APP, config: str = CONFIG, **shell: str) -> Project:
    """Return what there is to know of an app with these settings, where the shell has these variables."""
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "config.json").write_text(config)
    (folder / "app.py").write_text(app)
    return described(folder, **shell)


def described(folder: Path, **shell: str) -> Project:
    return asyncio.run(inspect_project(folder, "dev", {"PATH": os.environ["PATH"], **shell}))
