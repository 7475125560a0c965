"""What functions get of a stream's records; the clients themselves are in ``strangers/test_album.py``."""

import json
from datetime import UTC, datetime

from chalice.app import DynamoDBEvent, KinesisEvent

from chalice_offline.event_source.stream_clients import kinesis_event, table_event

AT = datetime(2026, 11, 29, 10, 53, 31, 500_000, tzinfo=UTC)


def test_record_of_kinesis_is_lambdas_for_chalice() -> None:
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"
    record = {"SequenceNumber": "7", "ApproximateArrivalTimestamp": AT, "Data": b"\x00x", "PartitionKey": "p"}
    event = {"Records": [kinesis_event(record, "shardId-1", arn)]}
    assert json.loads(json.dumps(event)) == event
    (seen,) = KinesisEvent(event, None)
    assert (seen.data, seen.sequence_number, seen.partition_key) == (b"\x00x", "7", "p")
    assert seen.timestamp.timestamp() == AT.timestamp()
    told = event["Records"][0]
    assert (told["eventID"], told["awsRegion"], told["eventSourceARN"]) == ("shardId-1:7", "eu-west-1", arn)


def test_record_of_a_table_is_lambdas_for_chalice_with_bytes_as_base64() -> None:
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/likes/stream/2026-11-29T00:00:00.000"
    image = {"id": {"S": "1"}, "raw": {"B": b"\xff"}, "tags": {"L": [{"N": "1"}]}}
    changed = {"ApproximateCreationDateTime": AT, "Keys": {"id": {"S": "1"}}, "NewImage": image}
    changed |= {"SequenceNumber": "9", "SizeBytes": 3, "StreamViewType": "NEW_IMAGE"}
    record = {"eventID": "e", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb"}
    event = {"Records": [table_event({**record, "awsRegion": "eu-west-1", "dynamodb": changed}, arn)]}
    assert json.loads(json.dumps(event)) == event
    (seen,) = DynamoDBEvent(event, None)
    assert (seen.event_name, seen.table_name, seen.sequence_number) == ("INSERT", "likes", "9")
    assert seen.new_image == {**image, "raw": {"B": "/w=="}}
    assert seen.timestamp.timestamp() == AT.timestamp()
