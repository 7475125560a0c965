"""What `chalice deploy` has to be told beside the stacks.

What no name of the stage tells, and no secret of AWS's.
"""

from infra.deploy.chalice_config import chalice_config

ON_AWS = {
    "AuthMode": "jwt",
    "JwksUrl": "https://issuer.example/keys",
    "JwtIssuer": "https://issuer.example",
    "JwtAudience": "orderflow",
    "DatabaseHost": "proxy.example",
    "SubnetIds": "subnet-a,subnet-b",
    "FunctionSecurityGroupId": "sg-1",
    "MarketFaucet": "1",
    "EmulatorUrl": "",
    "DatabaseSecretArn": "arn:secret",
    "OrdersQueueUrl": "https://queue",
}


def test_stage_on_aws_is_told_its_issuer_its_proxy_and_its_network() -> None:
    assert chalice_config("dev", ON_AWS) == {
        "stages": {
            "dev": {
                "environment_variables": {
                    "AUTH_MODE": "jwt",
                    "JWKS_URL": "https://issuer.example/keys",
                    "JWT_ISSUER": "https://issuer.example",
                    "JWT_AUDIENCE": "orderflow",
                    "DATABASE_HOST": "proxy.example",
                    "MARKET_FAUCET": "1",
                },
                "subnet_ids": ["subnet-a", "subnet-b"],
                "security_group_ids": ["sg-1"],
            }
        }
    }


def test_open_stage_in_an_emulator_is_local_to_this_machine_and_told_where_its_secrets_are() -> None:
    values = {"AuthMode": "none", "EmulatorUrl": "http://127.0.0.1:4566", "SubnetIds": "", "DatabaseHost": ""}
    (own,) = chalice_config("dev", values)["stages"].values()
    assert own == {
        "environment_variables": {
            "AUTH_MODE": "none",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            "STAGE": "local",
            "LOCAL_GATEWAY_HOST": "127.0.0.1",
            "DATABASE_SECRET_ARN": "orderflow/dev/database",
            "WALLET_SEED_SECRET_ARN": "orderflow/dev/wallet-seed",
        }
    }
