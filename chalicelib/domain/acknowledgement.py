"""Acknowledgements that travel with an order's first events instead of ahead of them."""

from chalicelib.values import value


@value
class Acknowledgement:
    """The ``accepted`` frame that is deferred: a batched connection has yet to get it.

    Attributes:
        request_id: The client's own mark, repeated in the frame.
    """

    connection_id: str
    request_id: str | None
