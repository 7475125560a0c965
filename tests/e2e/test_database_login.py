"""Whom functions log in to the managed database as."""

from sqlalchemy import text
from sqlalchemy.engine import make_url

from chalicelib.adapters.postgres.engine import make_engine
from tests.e2e.trader import Trader
from tests.support.instance import Instance

_SESSIONS = text("""
    SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'client backend'
        AND pid <> pg_backend_pid()
""")


def test_functions_trade_without_owning_anything(instance: Instance, trader: Trader) -> None:
    assert trader.finished(trader.submit(side="sell", amount="0.01"))[-1]["status"] == "confirmed"
    status = instance.status()
    login = make_url(status["functions_database_url"]).username
    owner = make_engine(status["database_url"])
    with owner.connect() as connection:

        def are_all_functions() -> bool:
            return connection.execute(_SESSIONS).scalars().all() == [login]

        # The server ends the session of a command, which the owner ran, a moment after the command.
        instance.wait(are_all_functions, "sessions of functions alone")
        owned = text("SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = :login")
        assert connection.execute(owned, {"login": login}).scalar_one() == 0
        rights = text("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = :login")
        assert not connection.execute(rights, {"login": login}).scalar_one()
    owner.dispose()
