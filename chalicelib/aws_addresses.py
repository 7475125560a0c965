"""Where AWS's services answer, as the SDKs find it out: by service, region and what the environment prefers.

Of these few services the SDKs' rules come down to this; ``tests/unit/test_aws_addresses.py`` holds it against
botocore's for each region. botocore's own reading of them takes as long as a cold start's other imports.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
"""

from typing import Final

_USUAL: Final = ("amazonaws.com", "api.aws")
# By how a region's name begins: what the names of its services end with, and of those that have IPv6 as well.
_ENDS: Final = {
    "cn-": ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eusc-": ("amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-": ("c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-": ("sc2s.sgov.gov", "api.aws.scloud"),
    "us-isof-": ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    "eu-isoe-": ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
}
_ONE_ADDRESS: Final = frozenset({"secretsmanager"})
"""Services whose usual address has IPv6 as well."""


def service_url(service: str, region: str, *, is_fips: bool = False, is_dual_stack: bool = False) -> str:
    """Return where a region's SQS (``sqs``), KMS (``kms``) or Secrets Manager (``secretsmanager``) answers.

    Args:
        is_fips: Where it holds to FIPS 140, as ``AWS_USE_FIPS_ENDPOINT`` asks for.
        is_dual_stack: Where it has IPv6 as well, as ``AWS_USE_DUALSTACK_ENDPOINT`` asks for.
    """
    usual, dual = next((ends for begin, ends in _ENDS.items() if region.startswith(begin)), _USUAL)
    is_dual = is_dual_stack and service not in _ONE_ADDRESS
    # There the usual one does.
    is_usual = service == "sqs" and region.startswith("us-gov-") and not is_dual
    name = f"{service}-fips" if is_fips and not is_usual else service
    return f"https://{name}.{region}.{dual if is_dual else usual}"
