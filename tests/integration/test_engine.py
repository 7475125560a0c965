"""The engine's promises about its connections."""

import socket

from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine


def test_pg8000_connections_send_at_once(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver._usock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    engine.dispose()
