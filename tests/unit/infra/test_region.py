"""The region that a shell names."""

import pytest

from infra.region import region_of


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"AWS_REGION": "eu-central-1"}, "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-central-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({}, None),
    ],
)
def test_region_is_read_as_the_aws_command_line_reads_it(
    environment: dict[str, str], region: str | None
) -> None:
    assert region_of(environment) == region
