"""What a function is told of a bucket, a topic and a bus."""

import json
from typing import Any

import pytest
from chalice.app import CloudWatchEvent, S3Event, SNSEvent

from chalice_offline.event_source.notices import AS_EVENT

ARN = "arn:aws:sqs:us-east-1:000000000000:chalice-offline-album-dev-told"
TOPIC = "arn:aws:sns:us-east-1:000000000000:news"


def told(service: str, document: Any) -> Any:
    return AS_EVENT[service]([{"Body": json.dumps(document)}], ARN)


def test_notification_of_a_bucket_is_handed_over_as_it_is() -> None:
    record = {"s3": {"bucket": {"name": "pictures"}, "object": {"key": "a+b.png"}}}
    event = told("s3", {"Records": [record]})
    assert (S3Event(event, None).bucket, S3Event(event, None).key) == ("pictures", "a b.png")


@pytest.mark.parametrize(
    ("name", "version", "fields"),
    [
        ("ObjectCreated:Put", "2.1", {"key", "size", "eTag"}),
        ("ObjectTagging:Put", "2.3", {"key", "size", "eTag"}),
        ("ObjectRemoved:Delete", "2.1", {"key"}),
    ],
)
def test_record_of_a_bucket_has_the_version_and_the_fields_of_its_kind(
    name: str, version: str, fields: set[str]
) -> None:
    said = {"key": "a", "size": 0, "eTag": ""}
    notice = {"Records": [{"eventVersion": "2.6", "eventName": name, "s3": {"object": said}}]}
    (record,) = told("s3", notice)["Records"]
    assert record["eventVersion"] == version
    assert set(record["s3"]["object"]) == fields


def test_notification_with_which_s3_tries_out_a_queue_is_no_event() -> None:
    assert told("s3", {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "pictures"}) is None


def test_envelope_of_a_topic_becomes_lambdas_record() -> None:
    attributes = {"kind": {"Type": "String", "Value": "new"}}
    envelope = {
        "Type": "Notification",
        "MessageId": "m",
        "TopicArn": TOPIC,
        "Subject": "s",
        "Message": "hello",
        "Timestamp": "2026-11-29T10:53:26.000Z",
        "SignatureVersion": "1",
        "Signature": "x",
        "SigningCertURL": "https://cert",
        "UnsubscribeURL": "https://unsubscribe",
        "MessageAttributes": attributes,
    }
    event = told("sns", envelope)
    (record,) = event["Records"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"].startswith(f"{TOPIC}:")
    # https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html spells these two as no envelope does.
    assert (record["Sns"]["SigningCertUrl"], record["Sns"]["UnsubscribeUrl"]) == (
        "https://cert",
        "https://unsubscribe",
    )
    seen = SNSEvent(event, None)
    assert (seen.subject, seen.message, seen.message_attributes) == ("s", "hello", attributes)


def test_message_without_subject_and_attributes_has_neither() -> None:
    envelope = {"Type": "Notification", "MessageId": "m", "TopicArn": TOPIC, "Message": "", "Timestamp": "t"}
    (record,) = told("sns", envelope)["Records"]
    assert (record["Sns"]["Subject"], record["Sns"]["MessageAttributes"]) == (None, {})


def test_event_of_a_bus_is_handed_over_as_it_is() -> None:
    sent = {"detail": {"n": 1}, "detail-type": "d", "source": "album", "region": "r", "account": "0"}
    sent |= {"version": "0", "time": "t", "resources": [], "id": "1"}
    assert CloudWatchEvent(told("events", sent), None).detail == {"n": 1}
