"""The AWS region that a shell names."""

from collections.abc import Mapping


def region_of(environment: Mapping[str, str]) -> str | None:
    """Return it by the names that the AWS command line reads, or None for the profile's.

    boto3 reads the second alone (https://docs.aws.amazon.com/cli/v1/userguide/cli-configure-envvars.html).
    """
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None
