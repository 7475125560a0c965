"""What a shell is told of a stage."""

import pytest

from infra.deploy.operator_shell import shell_lines

STACKS = {
    "orderflow-dev-database": {
        "OwnerSecretArn": "arn:owner",
        "DatabaseHost": "proxy",
        "DatabaseCluster": "c",
    },
    "orderflow-dev-secrets": {"WalletSeedSecretArn": "arn:seed"},
    "orderflow-dev-archive": {"ArchiveUrl": "s3://an archive"},
}


def fetched(arn: str) -> str:
    return f'"$(aws secretsmanager get-secret-value --secret-id {arn} --query SecretString --output text)"'


def test_shell_is_told_where_everything_is_and_fetches_secrets_itself() -> None:
    assert list(shell_lines("dev", STACKS.get, region="eu-west-1")) == [
        "export STAGE=dev AWS_REGION=eu-west-1",
        "export DATABASE_SECRET_ARN=arn:owner",
        "export DATABASE_HOST=proxy",
        "export ARCHIVE_URL='s3://an archive'",
        f"export WALLET_SEED={fetched('arn:seed')}",
    ]


def test_stage_on_solana_says_so() -> None:
    solana = {
        "orderflow-dev-solana-nodes": {"SolanaNodesSecretArn": "arn:nodes"},
        "orderflow-dev-app": {"DeskKeyArn": "arn:desk"},
    }
    lines = list(shell_lines("dev", {**STACKS, **solana}.get, region="eu-west-1"))
    assert lines[1] == "export CHAIN=solana"
    assert "export SOLANA_DESK_KMS_KEY=arn:desk" in lines
    assert lines[-1] == f"export SOLANA_RPC_URLS={fetched('arn:nodes')}"


def test_stage_that_is_not_there_is_told() -> None:
    with pytest.raises(LookupError, match="no stage prod"):
        list(shell_lines("prod", STACKS.get, region="eu-west-1"))
