"""What clients of this machine's own HTTP servers need instead of TLS."""

import ssl
from typing import Final

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no authority. As its ``verify`` it spares a client of httpx to read all that the machine trusts:
50 ms of processor time for each client, and for each request that makes its own.
"""
