"""What another program does once with the AWS command line."""

import os

import boto3

if __name__ == "__main__":
    boto3.client("ssm").put_parameter(
        Name=os.environ.get("PRICES_PARAMETER", "/shop/prices"), Value="tea=3", Type="String", Overwrite=True
    )
