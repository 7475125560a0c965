"""boto3's clients for what runs on this machine, whatever profile the shell names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config


def local_client(
    service: str, endpoint: str, aws: Mapping[str, str], *, config: "Config | None" = None
) -> Any:
    """Return a client of a service at an endpoint.

    A profile in ``AWS_PROFILE`` is of a real account: it is not looked at, and need not be there. Nor are
    proxies asked.

    Args:
        aws: Region and credentials, as environment variables.
        config: Of botocore, if there is more to say.
    """
    # A quarter of a second that those who ask nothing need not wait.
    import boto3.session  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    local = Config(proxies={}, use_fips_endpoint=False, use_dualstack_endpoint=False)
    # Names in the configuration file and in the environment, default, conversion.
    no_profile = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    session = boto3.session.Session(
        botocore_session=no_profile,
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
        region_name=aws["AWS_REGION"],
    )
    return session.client(service, endpoint_url=endpoint, config=local.merge(config) if config else local)
