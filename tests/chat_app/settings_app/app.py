"""An app that shows what its ``local.toml`` makes of the gateway."""

import time

import boto3
from chalice.app import Chalice, Response, WebsocketEvent

app = Chalice(app_name="settings")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = boto3.Session()
# At import, and a domain that does not exist here: as for an API whose address is known beforehand.
app.websocket_api.configure("abc.execute-api.us-east-1.amazonaws.com", "production")


@app.on_ws_message()
def message(event: WebsocketEvent) -> Response:
    """Answer over the route response, call back, or take too long."""
    match event.body:
        case "call back":
            app.websocket_api.send(event.connection_id, "called back")
        case "sleep":
            time.sleep(5)
    return Response(body=f"{event.body} {event.connection_id}", status_code=200)


@app.route("/")
def index() -> dict[str, str]:
    return {}
