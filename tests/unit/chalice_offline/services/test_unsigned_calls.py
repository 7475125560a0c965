"""Calls that need no signature."""

import botocore.session
import pytest

from chalice_offline.services.unsigned_calls import UNSIGNED_CALLS, unsigned_service


@pytest.mark.parametrize("service", ["cognito-idp", "cognito-identity"])
def test_they_are_those_that_awss_own_client_does_not_sign(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    unsigned = {name for name in model.operation_names if model.operation_model(name).auth_type == "none"}
    prefix = model.metadata["targetPrefix"]
    listed = {target for target, signing_name in UNSIGNED_CALLS.items() if signing_name == service}
    assert listed == {f"{prefix}.{name}" for name in unsigned}


def test_call_is_known_by_its_target_alone() -> None:
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AWSCognitoIdentityService.GetId",
    }
    assert unsigned_service("POST", "/", {}, headers) == "cognito-identity"
    assert unsigned_service("POST", "/", {}, {**headers, "x-amz-target": "DynamoDB_20120810.Scan"}) is None


@pytest.mark.parametrize("document", ["jwks.json", "openid-configuration"])
def test_what_a_user_pool_publishes_needs_no_signature(document: str) -> None:
    path = f"/us-east-1_AbC123/.well-known/{document}"
    assert unsigned_service("GET", path, {}, {}) == "cognito-idp"
    assert unsigned_service("PUT", path, {}, {}) is None
    assert unsigned_service("GET", path, {"acl": [""]}, {}) is None


@pytest.mark.parametrize(
    "path",
    [
        "/a-bucket/.well-known/jwks.json",
        "/us-east-1_AbC123/.well-known/other.json",
        "/us-east-1_AbC123/.well-known/jwks.json/x",
        "/x/us-east-1_AbC123/.well-known/jwks.json",
        "/us-east-1_AbC123/.well-known/..%2fjwks.json",
    ],
)
def test_what_only_looks_like_a_user_pools_document_needs_one(path: str) -> None:
    assert unsigned_service("GET", path, {}, {}) is None
