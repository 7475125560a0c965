"""Dry runs, for both APIs: an order's checks, and nothing of the order."""

from chalicelib.bootstrap import services
from chalicelib.handlers.named_tokens import tokens_for
from chalicelib.services.intake.rates import RequestKind
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.previews import preview_view


def preview(fields: OrderFields, account_id: str) -> JsonObject:
    """Return what would become of an order; it counts as a quote, since it asks the venues as one does."""
    use = services()
    terms = fields.terms(tokens_for(use, account_id, fields.named_tokens))
    use.access.requests.admit(account_id, RequestKind.QUOTE)
    found = use.preview_orders.preview(terms, account_id)
    return preview_view(found, use.event_views.routes)
