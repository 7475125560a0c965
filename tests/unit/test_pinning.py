"""RDS Proxy lends a database connection for a transaction, unless a statement sets something of its session:
then it pins the connection to that client, and others wait for theirs.
"""

import re
from pathlib import Path
from typing import Final

ADAPTERS: Final = Path(__file__).parents[2] / "chalicelib" / "adapters"

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html
PINNING: Final = re.compile(
    r"""\bset_config\b | "\s*(SET|LISTEN|DECLARE|DISCARD|LOAD|PREPARE)\s | "[^"]*\bSET\s(LOCAL|SESSION)\b
    | \bCREATE\s+TEMP | \bpg_(try_)?advisory_(lock|unlock) | \b(nextval|setval)\b
    | isolation_level="(?!AUTOCOMMIT) """,
    re.VERBOSE,
)


def test_no_statement_pins_a_session_of_the_proxy() -> None:
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(ADAPTERS.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if PINNING.search(line.partition("#")[0])
    ]
    assert found == []
