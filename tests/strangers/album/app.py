"""An album: a new picture is announced on a topic, and what hears of it puts an event on the bus; what is
written to the table of likes goes to a stream, and members sign in.
"""

import json
import os

import boto3
from chalice import Chalice, CognitoUserPoolAuthorizer

app = Chalice(app_name="album")
sns = boto3.client("sns")
events = boto3.client("events")
seen = []
members = CognitoUserPoolAuthorizer("members", provider_arns=[os.environ["MEMBERS"]])


@app.route("/me", authorizer=members)
def me():
    return app.current_request.context["authorizer"]["claims"]["cognito:username"]


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


@app.on_dynamodb_record(stream_arn=os.environ["LIKES_STREAM"])
def liked(event):
    kinesis = boto3.client("kinesis")
    for record in event:
        data = json.dumps([record.event_name, record.new_image["picture"]["S"], record.table_name])
        kinesis.put_record(StreamName="album-likes", Data=data.encode(), PartitionKey="x")


@app.on_kinesis_record(stream="album-likes", batch_size=10)
def counted(event):
    for record in event:
        kind, picture, table = json.loads(record.data)
        if picture == "broken" and not seen:
            seen.append(picture)
            raise ValueError("not yet")
        print(f"counted {kind} {picture} {table}")
