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
