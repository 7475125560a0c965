"""A handler's result as JSON, as Lambda's own runtime for Python writes it.

That runtime (``awslambdaric/lambda_runtime_marshaller.py``) uses simplejson, which differs from the
standard library: a ``Decimal`` is a number with all its digits, a named tuple an object, bytes within
a result are text in UTF-8. NaN and Infinity pass, though JSON has neither. What has no form, a
datetime or a set, fails the invocation.
"""

import decimal
import json
import math
from typing import Any

import simplejson

# Lambda's limit for the answer to a synchronous invocation, and the text of the refusal
# (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
RESPONSE_BYTES_MAX = 6 * 1024 * 1024 + 100


class _Encoder(simplejson.JSONEncoder):  # type: ignore[misc]  # it comes without types
    def default(self, o: Any) -> Any:
        if isinstance(o, decimal.Decimal):
            return math.nan if o.is_nan() else simplejson.RawJSON(str(o))
        return super().default(o)


_encode = _Encoder(use_decimal=False, allow_nan=True, separators=(",", ":")).encode


def marshalled(result: Any) -> str:
    """Return a handler's result as JSON.

    Bytes are the answer as it is, on Lambda too; those that are no JSON are handed on as text, which a caller
    that wants a document finds as unusable.

    Raises:
        Exception: Of any kind; the result has no form in JSON.
    """
    if not isinstance(result, bytes):
        text: str = _encode(result)
        return text
    text = result.decode("utf-8", "replace")
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps(text)
    return text
