"""A chat with rooms: what another Chalice app looks like to the local runtime.

Frames: ``{"join": room}``, ``{"say": text}`` to every member of the room, ``{"leave": true}``. Members are in
SQLite, since each execution environment has a memory of its own.
"""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
from chalice.app import Chalice, Response, WebsocketDisconnectedError, WebsocketEvent

app = Chalice(app_name="chat")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = boto3.Session()


# Where the runtime keeps an app's state, unless another folder is named.
FOLDER = Path(os.environ.get("CHAT_DIR", Path(__file__).with_name(".chalice-offline")))


def members() -> sqlite3.Connection:
    database = sqlite3.connect(FOLDER / "rooms.sqlite", isolation_level=None, timeout=60)
    database.execute("CREATE TABLE IF NOT EXISTS members (connection_id TEXT PRIMARY KEY, room TEXT)")
    return database


def tell(connection_id: str, **frame: Any) -> bool:
    """Send a frame; return whether the peer is still there."""
    try:
        app.websocket_api.send(connection_id, json.dumps(frame))
    except WebsocketDisconnectedError:
        return False
    return True


def broadcast(room: str, **frame: Any) -> None:
    with closing(members()) as database:
        for (peer,) in database.execute(
            "SELECT connection_id FROM members WHERE room = ?", (room,)
        ).fetchall():
            if not tell(peer, **frame):
                database.execute("DELETE FROM members WHERE connection_id = ?", (peer,))


def forget(connection_id: str) -> str | None:
    """Remove a member; return the room it was in."""
    with closing(members()) as database:
        row = database.execute(
            "DELETE FROM members WHERE connection_id = ? RETURNING room", (connection_id,)
        ).fetchone()
    return row[0] if row else None


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> Response:
    query = event.to_dict().get("queryStringParameters") or {}
    is_banned = query.get("name") == "banned"
    return Response(body="", status_code=403 if is_banned else 200)


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    frame = json.loads(event.body)
    if "join" in frame:
        with closing(members()) as database:
            database.execute(
                "INSERT OR REPLACE INTO members VALUES (?, ?)", (event.connection_id, frame["join"])
            )
        tell(event.connection_id, joined=frame["join"], greeting=os.environ["GREETING"])
    elif "say" in frame:
        with closing(members()) as database:
            row = database.execute(
                "SELECT room FROM members WHERE connection_id = ?", (event.connection_id,)
            ).fetchone()
        if row:
            broadcast(row[0], said=frame["say"], by=event.connection_id)
    elif "leave" in frame:
        forget(event.connection_id)
        tell(event.connection_id, left=True)


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    room = forget(event.connection_id)
    if room is not None:
        broadcast(room, gone=event.connection_id)


@app.route("/rooms", methods=["GET"])
def rooms() -> dict[str, int]:
    with closing(members()) as database:
        return dict(database.execute("SELECT room, count(*) FROM members GROUP BY room").fetchall())
