"""Where services answer, held against botocore's rules for every region that it knows."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider

from chalicelib.aws_addresses import service_url

LOADER: Any = botocore.session.get_session().get_component("data_loader")
PARTITIONS: Any = LOADER.load_data("partitions")


def regions() -> Iterator[tuple[str, str]]:
    for partition in PARTITIONS["partitions"]:
        for region in partition["regions"]:
            if not region.endswith("-global"):
                yield partition["id"], region


@pytest.mark.parametrize("service", ["sqs", "kms", "secretsmanager"])
def test_address_is_the_sdks(service: str) -> None:
    rules = LOADER.load_service_model(service, "endpoint-rule-set-1")
    theirs: Any = EndpointProvider(rules, PARTITIONS)
    compared = 0
    for (partition, region), is_fips, is_dual in product(regions(), (False, True), (False, True)):
        if service == "secretsmanager" and is_dual and partition not in {"aws", "aws-us-gov"}:
            continue  # botocore knows another name there, and the usual one answers as well
        ours = service_url(service, region, is_fips=is_fips, is_dual_stack=is_dual)
        found = theirs.resolve_endpoint(Region=region, UseFIPS=is_fips, UseDualStack=is_dual)
        assert ours == found.url
        compared += 1
    assert compared > 100
