"""Clients that the shell's AWS settings do not reach."""

import pytest

from chalice_offline.aws_client import local_client

AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_profile_that_is_not_there_or_anothers_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.setenv(name, "work")
    client = local_client("sqs", "http://127.0.0.1:9", AWS)
    assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:9")
    assert client._request_signer._credentials.access_key == "key"
