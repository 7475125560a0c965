"""Streams of Kinesis and of DynamoDB's tables, read with AWS's own client, and what functions get of them."""

import base64
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from chalice_offline.aws_client import local_client
from chalice_offline.event_source.gathering import Record
from chalice_offline.event_source.stream import PositionGoneError, StreamReader
from chalice_offline.project.functions import StreamTrigger

_POSITION_GONE: Final = frozenset({"ExpiredIteratorException", "TrimmedDataAccessException"})


def stream_reader(trigger: StreamTrigger, endpoint: str, aws: Mapping[str, str]) -> StreamReader:
    """Return the reader of a trigger's stream. One of Kinesis that is not there is created, as queues are.

    Args:
        aws: Region and credentials, as environment variables.
    """
    if trigger.service == "kinesis":
        return _KinesisStream(trigger.stream, endpoint, aws)
    return _TableStream(trigger.stream, endpoint, aws)


class _KinesisStream:
    def __init__(self, name: str, endpoint: str, aws: Mapping[str, str]) -> None:
        self._name = name
        self._client = local_client("kinesis", endpoint, aws)
        self._arn = ""

    def shards(self) -> Mapping[str, Collection[str]]:
        if not self._arn:
            self._arn = self._ensured()
        return _with_parents(self._client.list_shards(StreamName=self._name)["Shards"])

    def _ensured(self) -> str:
        client = self._client
        try:
            client.describe_stream_summary(StreamName=self._name)
        except client.exceptions.ResourceNotFoundException:
            client.create_stream(StreamName=self._name, ShardCount=1)
            client.get_waiter("stream_exists").wait(StreamName=self._name, WaiterConfig={"Delay": 1})
        summary = client.describe_stream_summary(StreamName=self._name)["StreamDescriptionSummary"]
        return str(summary["StreamARN"])

    def begin(self, shard: str, *, after: str | None) -> str:
        where = _where(after, sequence="StartingSequenceNumber")
        with _positions():
            asked = self._client.get_shard_iterator(StreamName=self._name, ShardId=shard, **where)
        # The service's iterators say their shard to the service alone.
        return f"{shard} {asked['ShardIterator']}"

    def read(self, iterator: str, count_max: int) -> tuple[list[Record], str | None]:
        shard, _, position = iterator.partition(" ")
        with _positions():
            answer = self._client.get_records(ShardIterator=position, Limit=count_max)
        records = [
            Record(each["SequenceNumber"], kinesis_event(each, shard, self._arn))
            for each in answer["Records"]
        ]
        following = answer.get("NextShardIterator")
        return records, f"{shard} {following}" if following else None


class _TableStream:
    def __init__(self, arn: str, endpoint: str, aws: Mapping[str, str]) -> None:
        self._named_arn = arn
        self._client = local_client("dynamodbstreams", endpoint, aws)
        self._arn = ""

    def shards(self) -> Mapping[str, Collection[str]]:
        if not self._arn:
            self._arn = self._found()
        return _with_parents(self._client.describe_stream(StreamArn=self._arn)["StreamDescription"]["Shards"])

    def _found(self) -> str:
        """Return the ARN of the stream. One that was made elsewhere ends in another time: of the table that
        has its name, here it is the newest.
        """
        table = self._named_arn.partition(":table/")[2].partition("/")[0] or self._named_arn
        streams = [each["StreamArn"] for each in self._client.list_streams(TableName=table)["Streams"]]
        if not streams:
            raise LookupError(f"no table {table} with a stream")
        return self._named_arn if self._named_arn in streams else max(streams)

    def begin(self, shard: str, *, after: str | None) -> str:
        where = _where(after, sequence="SequenceNumber")
        with _positions():
            asked = self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **where)
        return str(asked["ShardIterator"])

    def read(self, iterator: str, count_max: int) -> tuple[list[Record], str | None]:
        with _positions():
            answer = self._client.get_records(ShardIterator=iterator, Limit=count_max)
        records = [
            Record(each["dynamodb"]["SequenceNumber"], table_event(each, self._arn))
            for each in answer["Records"]
        ]
        return records, answer.get("NextShardIterator")


def _with_parents(shards: Iterable[Mapping[str, Any]]) -> Mapping[str, Collection[str]]:
    return {
        each["ShardId"]: [each[name] for name in ("ParentShardId", "AdjacentParentShardId") if each.get(name)]
        for each in shards
    }


@contextmanager
def _positions() -> Iterator[None]:
    """Tell a position that the service no longer knows from all else that a call fails for.

    Raises:
        PositionGoneError: It does not.
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _POSITION_GONE:
            raise PositionGoneError(str(error)) from error
        raise


def _where(after: str | None, *, sequence: str) -> dict[str, str]:
    if after is None:
        return {"ShardIteratorType": "TRIM_HORIZON"}
    return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", sequence: after}


def kinesis_event(record: Mapping[str, Any], shard: str, arn: str) -> dict[str, Any]:
    """Return Lambda's record (https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html) of boto3's."""
    region, account = arn.split(":")[3:5]
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode("ascii"),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{account}:role/local",
        "awsRegion": region,
        "eventSourceARN": arn,
    }


def table_event(record: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """Return Lambda's record (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html) of boto3's, in
    which bytes and times are no JSON.
    """
    return {**{name: _as_json(value) for name, value in record.items()}, "eventSourceARN": arn}


def _as_json(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return value.timestamp()
        case dict():
            return {name: _as_json(each) for name, each in value.items()}
        case list():
            return [_as_json(each) for each in value]
        case _:
            return value
