"""An app that hardly does anything, of every kind: pings, a schedule, and a queue that stays empty."""

import json
from typing import Any

from chalice.app import Chalice, Rate, SQSEvent, WebsocketEvent

app = Chalice(app_name="idle")
app.experimental_feature_flags.update(["WEBSOCKETS"])


@app.on_ws_connect()
def connect(_event: WebsocketEvent) -> None:
    """Let every client in."""


@app.on_ws_message()
def message(event: WebsocketEvent) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps({"type": "pong", "to": event.body})}


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(_event: Any) -> None:
    """Only has to be there."""


@app.on_sqs_message(queue="idle-local-work")
def work(_event: SQSEvent) -> None:
    """Only has to be there."""
