"""What is typed wrongly: exit status 2 and the argument's or option's name, with no database to ask."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.cli.orderflow import orderflow

PAIR = "market move SOL/USDC"
LAUNCH = "market launch WIF --price 1 --depth 1000"
NODE = "--rpc-url http://127.0.0.1:1"
LONG = "x" * 300
HUGE = "9" * 30
WALLET = "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R"


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (f"{PAIR} --path 150,abc", "--path"),
        (f"{PAIR} --path 0", "--path"),
        ("market move SOL --path 150", "--path"),
        (f"{PAIR} --drift -10000", "--drift"),
        (f"{PAIR} --spike -10000", "--spike"),
        (f"{PAIR} --walk nan", "--walk"),
        (f"{PAIR} --walk inf", "--walk"),
        (f"{PAIR} --walk 1e300", "--walk"),
        (f"{PAIR} --walk 10 --interval nan", "--interval"),
        ("market move NOPE --drift 5", "WHAT"),
        ("market move SOL/SOL --drift 5", "WHAT"),
        ("market replay --steps -1", "--steps"),
        ("market replay --interval -1", "--interval"),
        ("market replay --volatility-bps inf", "--volatility-bps"),
        ("market replay --csv /etc/passwd", "--csv"),
        ("market faults {", "SETTINGS"),
        ('market faults {"nope":1}', "nope"),
        ('market faults {"drop_rate":7}', "drop_rate"),
        ('market faults {"extra_delay_ms":-1}', "extra_delay_ms"),
        ('market faults {"venues":{"raydium":{"error_rate":2}}}', "venues.raydium.error_rate"),
        ("market show --pair SOL", "--pair"),
        ("market show --pair SOL/NOPE", "--pair"),
        (f"{LAUNCH} --quote NOPE", "--quote"),
        (f"{LAUNCH} --quote WIF", "--quote"),
        (f"{LAUNCH} --fee-bps 10000", "--fee-bps"),
        (f"{LAUNCH} --fee-from-bps 5", "--fee-from-bps"),
        (f"{LAUNCH} --in-blocks 99999999999999999999", "--in-blocks"),
        ("market launch WIF --price 1e-300 --depth 1", "--price"),
        ("market launch WIF --price 1 --depth 1e300", "--depth"),
        ("market launch NOPE --price 1 --depth 1", "TOKEN"),
        ("orders --account é", "--account"),
        ("trade sell 1 --url nonsense", "--url"),
        ("trade sell 1 --rest-url http://", "--rest-url"),
        ("watch --url ftp://x", "--url"),
        ("cancel-all --yes --url nonsense", "--url"),
        ("archive --days 999999999999", "--days"),
        ("archive --archives relative", "--archives"),
        ("token --account local", "--account"),
        ("token --account é", "--account"),
        ("pools discover SOL/USDC", "--pools-file"),
        (f"pools discover SOL --pools-file x.toml {NODE}", "PAIRS"),
        (f"pools discover SOL/NOPE --pools-file x.toml {NODE}", "PAIRS"),
        (f"pools show --pools-file /etc/passwd {NODE}", "--pools-file"),
        (f"wallet show --address nonsense {NODE}", "--address"),
        (f"wallet show --account é {NODE}", "--account"),
        (f"wallet airdrop --address {WALLET} --sol x {NODE}", "--sol"),
        ("wallet register --account a --keypair /etc/passwd", "--keypair"),
        (f"wallet register --account a --address {WALLET} --text /etc/passwd --signature 0", "--signature"),
        (f"wallet register --account a --address {WALLET} --text /bin/true --signature 2", "--text"),
        ("market launch WIF --price 1 --depth 1e18", "--depth"),
        ("market launch WIF --price 1e-18 --depth 1", "--depth"),
        ("market launch WIF --price 1 --depth 1e-9", "--depth"),
        (f"{LAUNCH} --id {LONG}", "--id"),
        (f"{LAUNCH} --id é", "--id"),
        (f"{LAUNCH} --period {HUGE}", "--period"),
        (f"{LAUNCH} --fee-from-bps {HUGE}", "--fee-from-bps"),
        (f"{PAIR} --drift {HUGE}", "--drift"),
        (f"{PAIR} --spike {HUGE}", "--spike"),
        (f"{PAIR} --path {'1,' * 100_000}1", "--path"),
        (f"token --ttl {HUGE}", "--ttl"),
        (f"token --ttl -{HUGE}", "--ttl"),
        ("token --secret short", "--secret"),
        ("token --issuer ", "--issuer"),
        (f"token --audience {LONG}", "--audience"),
        (f"trade sell 1 --key {LONG}", "--key"),
        ("trade sell 1 --key ", "--key"),
        (f"trade sell 1 --valid-for {HUGE}", "--valid-for"),
        ("trade sell 1 --token é", "--token"),
        (f"trade sell 1 --url http://{LONG}", "--url"),
        ("watch --token é", "--token"),
        ("cancel-all --yes --token é", "--token"),
        (f"queues --stage {LONG}", "--stage"),
        ("dead-letters redrive --stage a/b", "--stage"),
        ("advisories --service nonsense", "--service"),
        (f'pools discover SOL/USDC --venue " --pools-file x.toml {NODE}', "--venue"),
        (f"--database-url postgresql://{LONG}/x orders", "--database-url"),
        ("--database-url nonsense orders", "--database-url"),
        ("--database-url mysql://x/y orders", "--database-url"),
    ],
)
def test_what_is_typed_wrongly_is_named_and_is_a_usage_error(
    typed: str, named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORDERFLOW_HOME", str(tmp_path))
    for name in ("DATABASE_URL", "ARCHIVE_URL", "SOLANA_RPC_URLS", "SOLANA_POOLS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WALLET_SEED", "seed")
    result = CliRunner().invoke(orderflow, typed.split(" "))
    assert (result.exit_code, named in result.output) == (2, True), result.output
    assert isinstance(result.exception, SystemExit)
