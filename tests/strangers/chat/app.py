"""A chat that keeps who is there in a table, in the manner of Chalice's own sample."""

import os

import boto3
from boto3.session import Session
from chalice import Chalice, WebsocketDisconnectedError

app = Chalice(app_name="chatter")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = Session()
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


@app.route("/people")
def people():
    return {"people": table.scan(Select="COUNT")["Count"], "arn": os.environ["TABLE_ARN"]}


@app.on_ws_connect()
def connect(event):
    table.put_item(Item={"connection_id": event.connection_id})


@app.on_ws_disconnect()
def disconnect(event):
    table.delete_item(Key={"connection_id": event.connection_id})


@app.on_ws_message()
def message(event):
    for person in table.scan()["Items"]:
        try:
            app.websocket_api.send(person["connection_id"], event.body)
        except WebsocketDisconnectedError:
            table.delete_item(Key=person)
