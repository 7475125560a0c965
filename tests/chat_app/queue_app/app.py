"""A ledger: frames go to a queue, a consumer writes them to Postgres and answers,
a second reads the dead letters.
"""

import json
import os
from typing import Any

import boto3
import psycopg
from chalice.app import Chalice, Rate, SQSEvent, WebsocketEvent

app = Chalice(app_name="ledger")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = boto3.Session()
sqs = boto3.client("sqs")


def store(text: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=60) as database:
        database.execute("INSERT INTO entries VALUES (%s) ON CONFLICT DO NOTHING", (text,))


def answer(connection_id: str, **frame: Any) -> None:
    app.websocket_api.configure("local", "ws")
    app.websocket_api.send(connection_id, json.dumps(frame))


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    body = json.dumps({"connection_id": event.connection_id, "text": event.body})
    sqs.send_message(QueueUrl=os.environ["ENTRIES_QUEUE_URL"], MessageBody=body)


@app.on_sqs_message(queue="ledger-dev-entries", batch_size=10)
def consume(event: SQSEvent) -> dict[str, Any]:
    failed = []
    for record in event.to_dict()["Records"]:
        entry = json.loads(record["body"])
        if entry["text"] == "refuse":
            failed.append({"itemIdentifier": record["messageId"]})
            continue
        store(entry["text"])
        answer(entry["connection_id"], text=entry["text"], answer=os.environ["ANSWER"])
    return {"batchItemFailures": failed}


@app.on_sqs_message(queue="ledger-dev-refused")
def consume_refused(event: SQSEvent) -> None:
    for record in event.to_dict()["Records"]:
        entry = json.loads(record["body"])
        answer(entry["connection_id"], text=entry["text"], answer="refused")


@app.schedule(Rate(1, unit=Rate.HOURS))
def sweep(_event: Any) -> None:
    """Only has to be there."""


@app.route("/entries")
def entries() -> dict[str, Any]:
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=60) as database:
        texts = [row[0] for row in database.execute("SELECT text FROM entries ORDER BY text")]
    return {"entries": texts, "seed": os.environ["SEED"]}
