"""An album: a new picture is announced on a topic, and what hears of it puts an event on the bus."""

import json

import boto3
from chalice import Chalice

app = Chalice(app_name="album")
sns = boto3.client("sns")
events = boto3.client("events")


@app.on_s3_event(bucket="album-pictures", events=["s3:ObjectCreated:*"], prefix="new/", suffix=".png")
def added(event):
    topic = sns.create_topic(Name="album-news")["TopicArn"]
    sns.publish(TopicArn=topic, Subject="added", Message=f"{event.bucket} {event.key}")


@app.on_sns_message(topic="album-news")
def told(event):
    detail = json.dumps({"text": event.message})
    events.put_events(Entries=[{"Source": "album", "DetailType": event.subject, "Detail": detail}])


@app.on_cw_event(event_pattern={"source": ["album"]})
def noted(event):
    print(f"noted {event.source} {event.detail_type}: {event.detail['text']}")
