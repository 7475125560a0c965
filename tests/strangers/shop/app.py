"""A shop that reads its prices when it is imported, and keeps its orders in a bucket: no queue, no socket."""

import json
import os

import boto3
from chalice import Chalice, NotFoundError

app = Chalice(app_name="shop")
PRICES = boto3.client("ssm").get_parameter(Name=os.environ["PRICES_PARAMETER"])["Parameter"]["Value"]
s3 = boto3.client("s3")
BUCKET = "shop-orders"


@app.route("/orders/{name}", methods=["PUT"])
def put(name):
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=name, Body=json.dumps(app.current_request.json_body).encode())
    return {"prices": PRICES}


@app.route("/orders/{name}")
def get(name):
    try:
        size = s3.head_object(Bucket=BUCKET, Key=name)["ContentLength"]
    except s3.exceptions.ClientError as error:
        raise NotFoundError(name) from error
    return {"size": size, "order": json.loads(s3.get_object(Bucket=BUCKET, Key=name)["Body"].read())}


@app.lambda_function()
def price(event, context):
    return dict(each.split("=") for each in PRICES.split(","))[event["name"]]


@app.lambda_function()
def total(event, context):
    answer = boto3.client("lambda").invoke(
        FunctionName=f"shop-{context.function_name.split('-')[1]}-price",
        Payload=json.dumps({"name": event["name"]}).encode(),
    )
    return int(json.loads(answer["Payload"].read())) * event["count"]
