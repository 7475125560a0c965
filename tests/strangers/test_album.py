"""Events of other services reach functions: S3's, SNS's, EventBridge's, and records of streams; a route is
open to those who have signed in.
"""

from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from tests.support.instance import REPOSITORY, TIME_LIMIT_S, Instance

ALBUM = REPOSITORY / "tests" / "strangers" / "album"


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(ALBUM, tmp_path_factory.mktemp("album") / "state", "--no-reload") as instance:
        yield instance


def client(instance: Instance, service: str) -> Any:
    aws = instance.status()["aws"]
    return boto3.client(
        service,
        endpoint_url=instance.status()["sqs_endpoint"],
        region_name=aws["AWS_REGION"],
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )


def test_object_in_a_bucket_is_told_on_by_a_topic_to_the_bus(album: Instance) -> None:
    s3 = client(album, "s3")
    for key in ("old/1.png", "new/2.txt", "new/3 b.png"):
        s3.put_object(Bucket="album-pictures", Key=key, Body=b"x")
    album.line("noted album added: album-pictures new/3 b.png")
    assert not any("1.png" in line or "2.txt" in line for line in album.lines)


def test_records_of_a_table_and_of_a_stream_arrive_in_order_and_again_after_a_failure(
    album: Instance,
) -> None:
    table = client(album, "dynamodb")
    for picture in ("first", "broken", "last"):
        table.put_item(TableName="likes", Item={"picture": {"S": picture}})
    album.line("counted INSERT last likes")
    album.line("batch failed function=counted")
    counted = [line.rpartition("counted INSERT ")[2] for line in album.lines if "counted INSERT" in line]
    assert list(dict.fromkeys(counted)) == ["first likes", "broken likes", "last likes"]


def test_member_who_has_signed_in_is_let_in_and_known(album: Instance) -> None:
    pools = client(album, "cognito-idp")
    (pool,) = pools.list_user_pools(MaxResults=10)["UserPools"]
    (website,) = pools.list_user_pool_clients(UserPoolId=pool["Id"])["UserPoolClients"]
    pools.admin_create_user(UserPoolId=pool["Id"], Username="ann")
    secret = {"UserPoolId": pool["Id"], "Username": "ann", "Password": "Secret-123!", "Permanent": True}
    pools.admin_set_user_password(**secret)
    tokens = pools.initiate_auth(
        ClientId=website["ClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ann", "PASSWORD": "Secret-123!"},
    )["AuthenticationResult"]
    answers = {
        name: httpx.get(f"{album.rest_url}/me", headers=headers, trust_env=False, timeout=TIME_LIMIT_S)
        for name, headers in {
            "known": {"Authorization": tokens["IdToken"]},
            "forged": {"Authorization": f"{tokens['IdToken'][:-8]}AAAAAAAA"},
            "other use": {"Authorization": tokens["AccessToken"]},
            "stranger": {},
        }.items()
    }
    assert answers["known"].text == "ann"
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "known": 200,
        "forged": 401,
        "other use": 401,
        "stranger": 401,
    }
    assert not any("open to all" in line or "unverified" in line for line in album.lines)
