"""Previews in wire form."""

from chalicelib.domain.previews import Check, Preview
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.moments import rfc3339
from chalicelib.wire.route_views import RouteViews


def preview_view(preview: Preview, routes: RouteViews) -> JsonObject:
    """Return what would become of an order, for people first, and with all that was looked at."""
    route = preview.route
    shown = {
        "verdict": preview.outlook,
        "summary": preview.summary,
        "checks": [_check(each) for each in preview.checks],
        "quote": None
        if route is None
        else routes.quote(route, at=preview.at, valid_until=preview.valid_until),
        "at": rfc3339(preview.at),
        "orderId": None if preview.order_id is None else str(preview.order_id),
    }
    return shown if preview.code is None else shown | {"code": preview.code}


def _check(check: Check) -> JsonObject:
    shown = {"check": check.name, "result": check.result, "message": check.message}
    return shown if check.code is None else shown | {"code": check.code}
