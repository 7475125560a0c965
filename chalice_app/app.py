"""The Chalice app: which event reaches which handler. What they do is in ``chalicelib``."""

import os
from typing import Any

from chalice import Chalice, Rate, Response
from chalice.app import CloudWatchEvent, Request, SQSEvent, WebsocketEvent

from chalicelib.handlers import authorizer, rest, rest_edge, several_orders, websocket
from chalicelib.handlers.invocation import in_time

app = Chalice(app_name="orderflow")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.register_middleware(in_time)

ORDERS_QUEUE = os.environ.get("ORDERS_QUEUE_NAME", "orderflow-local-orders")
DEAD_LETTER_QUEUE = os.environ.get("ORDERS_DLQ_NAME", "orderflow-local-orders-dlq")
BATCH_SIZE = 10

# Bodies are JSON whatever they are called: `curl -d` calls them a form.
JSON = ["application/json", "application/x-www-form-urlencoded", "text/plain"]


app.register_middleware(rest_edge.correlated, "http")
app.register_middleware(rest_edge.in_our_words, "http")


def request() -> Request:
    """Return the request that the running route answers."""
    assert app.current_request is not None
    return app.current_request


@app.lambda_function()
def websocket_authorizer(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return authorizer.authorize(event)


@app.on_ws_connect()
def websocket_connect(event: WebsocketEvent) -> dict[str, Any]:
    return websocket.connect(event.to_dict())


@app.on_ws_message()
def websocket_message(event: WebsocketEvent) -> dict[str, Any]:
    return websocket.message(event.to_dict())


@app.on_ws_disconnect()
def websocket_disconnect(event: WebsocketEvent) -> dict[str, Any]:
    return websocket.disconnect(event.to_dict())


@app.on_sqs_message(queue=ORDERS_QUEUE, batch_size=BATCH_SIZE)
def execute_orders(event: SQSEvent) -> Any:
    from chalicelib.handlers import queue

    return queue.execute_orders(event.to_dict())


@app.on_sqs_message(queue=DEAD_LETTER_QUEUE, batch_size=BATCH_SIZE)
def settle_dead_letters(event: SQSEvent) -> Any:
    from chalicelib.handlers import queue

    return queue.settle_dead_letters(event.to_dict())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(_event: CloudWatchEvent) -> dict[str, Any]:
    from chalicelib.handlers import schedule

    return schedule.sweep()


@app.schedule(Rate(1, unit=Rate.MINUTES))
def match_prices(_event: CloudWatchEvent) -> dict[str, Any]:
    from chalicelib.handlers import schedule

    return schedule.match_prices()


@app.schedule(Rate(10, unit=Rate.MINUTES))
def archive_orders(_event: CloudWatchEvent) -> dict[str, Any]:
    from chalicelib.handlers import schedule

    return schedule.archive_orders()


@app.route("/orders", methods=["POST"], content_types=JSON)
@app.route("/orders/execute", methods=["POST"], content_types=JSON)
def post_order() -> Response:
    return rest.submit(request())


@app.route("/orders", methods=["GET"])
def get_orders() -> Response:
    return rest.orders(request())


@app.route("/orders", methods=["DELETE"], content_types=JSON)
def delete_orders() -> Response:
    return several_orders.cancel_all(request())


@app.route("/orders/batch", methods=["POST"], content_types=JSON)
def post_orders() -> Response:
    return several_orders.submit_batch(request())


@app.route("/orders/{order_id}", methods=["GET"])
def get_order(order_id: str) -> Response:
    return rest.order(request(), order_id)


@app.route("/orders/{order_id}", methods=["DELETE"], content_types=JSON)
def delete_order(order_id: str) -> Response:
    return rest.cancel(request(), order_id)


@app.route("/orders/{order_id}", methods=["PATCH"], content_types=JSON)
def patch_order(order_id: str) -> Response:
    return rest.amend(request(), order_id)


@app.route("/orders/{order_id}/events", methods=["GET"])
def get_order_events(order_id: str) -> Response:
    return rest.events(request(), order_id)


@app.route("/quotes", methods=["POST"], content_types=JSON)
def post_quote() -> Response:
    return rest.quote(request())


@app.route("/venues", methods=["GET"])
def get_venues() -> Response:
    return rest.venues(request())


@app.route("/markets", methods=["GET"])
def get_markets() -> Response:
    return rest.markets(request())


@app.route("/health", methods=["GET"])
def get_health() -> Response:
    return rest.health()


@app.route("/health/ready", methods=["GET"])
def get_ready() -> Response:
    return rest.ready()


@app.route("/console", methods=["GET"])
def get_console() -> Response:
    from chalicelib.handlers import console

    return console.page(request())


@app.route("/console/{version}/{asset}", methods=["GET"])
def get_console_asset(version: str, asset: str) -> Response:
    from chalicelib.handlers import console

    return console.asset(version, asset)


@app.route("/operator/health", methods=["GET"])
def get_operator_health() -> Response:
    from chalicelib.handlers import operator

    return operator.health(request())


@app.route("/operator/dead-letters", methods=["GET"])
def get_dead_letters() -> Response:
    from chalicelib.handlers import operator

    return operator.dead_letters(request())


@app.route("/operator/dead-letters/{message_id}/redrive", methods=["POST"], content_types=JSON)
def post_redrive(message_id: str) -> Response:
    from chalicelib.handlers import operator

    return operator.redrive(request(), message_id)


@app.route("/operator/audit", methods=["GET"])
def get_audit() -> Response:
    from chalicelib.handlers import operator

    return operator.audit(request())


@app.route("/operator/audit/{rule_id}", methods=["POST"], content_types=JSON)
def post_audit(rule_id: str) -> Response:
    from chalicelib.handlers import operator

    return operator.run_rule(request(), rule_id)


@app.route("/metrics", methods=["GET"])
def get_metrics() -> Response:
    from chalicelib.handlers import metrics

    return metrics.metrics(request())
