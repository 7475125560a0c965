"""What protects a stage from being deleted, found before anything of it is: half a stage is of no use."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.deploy.cloudformation import CloudFormation

_OF_STACK: Final = "aws cloudformation update-termination-protection --no-enable-termination-protection"
_OF_DATABASE: Final = "aws rds modify-db-cluster --no-deletion-protection"


class ProtectedStageError(RuntimeError):
    """Deleting the stage takes other decisions first."""


def require_unprotected(
    cloudformation: CloudFormation, stacks: Iterable[str], rds: Any, cluster: str | None
) -> None:
    """Refuse a stage that something protects.

    Args:
        cluster: Its database; None if it has none of its own.

    Raises:
        ProtectedStageError: It has the commands that take the protection off.
    """
    taken_off = [f"{_OF_STACK} --stack-name {each}" for each in stacks if cloudformation.is_protected(each)]
    if cluster is not None:
        taken_off += [f"{_OF_DATABASE} --db-cluster-identifier {each}" for each in _protected(rds, cluster)]
    if taken_off:
        raise ProtectedStageError("\n  ".join(("the stage is protected. To take that off:", *taken_off)))


def _protected(rds: Any, cluster: str) -> Iterator[str]:
    try:
        found = rds.describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "DBClusterNotFoundFault":
            raise
        return
    yield from (each["DBClusterIdentifier"] for each in found if each["DeletionProtection"])
