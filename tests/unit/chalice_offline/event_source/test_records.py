"""The SQS event as Lambda shapes it."""

from chalice_offline.event_source.records import batch_event, cut

ARN = "arn:aws:sqs:eu-west-1:000000000000:orders"


def test_message_becomes_a_record_with_lambdas_keys() -> None:
    message = {
        "MessageId": "m1",
        "ReceiptHandle": "r1",
        "Body": "{}",
        "MD5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
        "MD5OfMessageAttributes": "abc",
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "5", "AWSTraceHeader": "Root=1"},
        "MessageAttributes": {
            "trace": {"StringValue": "t", "DataType": "String"},
            "blob": {"BinaryValue": "AAE=", "DataType": "Binary"},
        },
    }
    assert batch_event([message], ARN) == {
        "Records": [
            {
                "messageId": "m1",
                "receiptHandle": "r1",
                "body": "{}",
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "5",
                    "AWSTraceHeader": "Root=1",
                },
                "messageAttributes": {
                    "trace": {
                        "stringValue": "t",
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "String",
                    },
                    "blob": {
                        "binaryValue": "AAE=",
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "Binary",
                    },
                },
                "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
                "md5OfMessageAttributes": "abc",
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
                "awsRegion": "eu-west-1",
            }
        ]
    }


def test_message_without_attributes_has_an_empty_object() -> None:
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "MD5OfBody": "x"}
    (record,) = batch_event([message], ARN)["Records"]
    assert record["messageAttributes"] == {}
    assert "md5OfMessageAttributes" not in record


def test_batches_are_cut_by_count_and_by_bytes_in_order() -> None:
    messages = [{"Body": "x" * size} for size in (10, 10, 10, 5000, 10)]
    batches = list(cut(messages, size_max=2, bytes_max=1000))
    assert [len(batch) for batch in batches] == [2, 1, 1, 1]
    assert [message for batch in batches for message in batch] == messages


def test_bytes_are_those_of_the_json_and_not_of_the_text() -> None:
    messages = [{"Body": "\x01" * 600_000}] * 2  # \u0001, six bytes each
    assert len(list(cut(messages, size_max=10))) == 2
    attribute = {"big": {"StringValue": "x" * 4_000_000, "DataType": "String"}}
    assert len(list(cut([{"Body": "b", "MessageAttributes": attribute}] * 2, size_max=10))) == 2
    assert list(cut([{"Body": "b"}] * 2, size_max=10)) == [[{"Body": "b"}] * 2]
    assert list(cut([], size_max=10)) == []
