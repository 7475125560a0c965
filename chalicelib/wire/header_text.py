"""Text beyond ASCII in a header's value, which is bytes on the wire (RFC 9110, 5.5)."""

from chalicelib.domain.errors import FieldError


def utf8_header(name: str, value: str) -> str:
    """Return what the bytes of a header's value say in UTF-8, as a body does.

    A gateway hands a value on as text, in which each byte stands for the character of that number (Latin-1):
    the two bytes of an e with an acute accent arrive as two letters. A value with characters that Latin-1
    does not have was decoded before, and is taken as it stands.

    Raises:
        FieldError: The bytes are no UTF-8; what the client meant by them cannot be known.
    """
    try:
        sent = value.encode("latin-1")
    except UnicodeEncodeError:
        return value
    try:
        return sent.decode()
    except UnicodeDecodeError as error:
        raise FieldError(name, "must be UTF-8") from error
