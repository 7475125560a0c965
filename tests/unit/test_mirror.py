"""Each module has a test of its name at the same place below ``tests/unit``, or a reason why not."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
UNIT: Final = ROOT / "tests" / "unit"
CLIENT: Final = "clients/python/src"
MIRRORED: Final = ("chalicelib", "infra/cli", "infra/specs", "infra/deploy", f"{CLIENT}/orderflow_client")

_MARKET: Final = "tests/integration/simulated_market"
_SOLANA: Final = "tests/integration/solana"

ELSEWHERE: Final[dict[str, str]] = {
    # SQL: what it does, only a server can say.
    "chalicelib/adapters/postgres/arrays.py": "tests/integration/test_arrays.py",
    "chalicelib/adapters/postgres/audit.py": "tests/integration/test_operator.py",
    "chalicelib/adapters/postgres/cancel_all.py": "tests/contract/test_open_orders.py",
    "chalicelib/adapters/postgres/readiness.py": "tests/integration/test_readiness.py",
    "chalicelib/adapters/postgres/revision.py": "tests/integration/test_revision.py",
    "chalicelib/adapters/postgres/claims.py": "tests/contract/test_order_record.py",
    "chalicelib/adapters/postgres/cancels.py": "tests/integration/test_cancel_all_in_queue.py",
    "chalicelib/adapters/postgres/unpublished.py": "tests/integration/test_cancel_all_in_queue.py",
    "chalicelib/adapters/postgres/event_chain_audit.py": "tests/integration/test_event_chain.py",
    "chalicelib/adapters/postgres/engine.py": "tests/integration/test_engine.py",
    "chalicelib/adapters/postgres/housekeeping.py": "tests/contract/test_sweep.py",
    "chalicelib/adapters/postgres/audit_rules.py": "tests/integration/test_operations.py",
    "chalicelib/adapters/postgres/consumer_notes.py": "tests/integration/test_operations.py",
    "chalicelib/adapters/postgres/refusal_tally.py": "tests/integration/test_operations.py",
    "chalicelib/adapters/postgres/operations.py": "tests/integration/test_operations.py",
    "chalicelib/adapters/postgres/order_queries.py": "tests/contract/test_order_queries.py",
    "chalicelib/adapters/postgres/order_creation.py": "tests/contract/test_order_record.py",
    "chalicelib/adapters/postgres/order_record.py": "tests/contract/test_order_record.py",
    "chalicelib/adapters/postgres/psycopg_connection.py": "tests/integration/test_engine.py",
    "chalicelib/adapters/postgres/resting_audit.py": "tests/integration/test_resting_audit.py",
    "chalicelib/adapters/postgres/rotation.py": "tests/integration/test_secrets.py",
    "chalicelib/adapters/postgres/rows.py": "tests/contract/test_order_record.py",
    "chalicelib/adapters/postgres/servers.py": "tests/integration/test_servers.py",
    "chalicelib/adapters/postgres/chains.py": "tests/integration/test_chains.py",
    "chalicelib/adapters/postgres/statements.py": "tests/integration/test_statements.py",
    "chalicelib/adapters/postgres/subscriptions.py": "tests/contract/test_subscriptions.py",
    "chalicelib/adapters/postgres/usage.py": "tests/security/test_limits.py",
    "chalicelib/adapters/postgres/watches.py": "tests/contract/test_watches.py",
    "chalicelib/adapters/simulated_market/balance.py": f"{_MARKET}/test_storm.py",
    "chalicelib/adapters/simulated_market/chain.py": "tests/contract/test_chain.py",
    "chalicelib/adapters/simulated_market/fault_injection.py": f"{_MARKET}/test_fault_injection.py",
    "chalicelib/adapters/simulated_market/folding.py": f"{_MARKET}/test_folding.py",
    "chalicelib/adapters/simulated_market/landing.py": f"{_MARKET}/test_finality.py",
    "chalicelib/adapters/simulated_market/launch.py": f"{_MARKET}/test_launch.py",
    "chalicelib/adapters/simulated_market/launches.py": f"{_MARKET}/test_launch.py",
    "chalicelib/adapters/simulated_market/mints.py": f"{_MARKET}/test_launch.py",
    "chalicelib/adapters/simulated_market/ledger.py": f"{_MARKET}/test_trading.py",
    "chalicelib/adapters/simulated_market/ledger_replay.py": f"{_MARKET}/test_storm.py",
    "chalicelib/adapters/simulated_market/locking.py": f"{_MARKET}/test_finality.py",
    "chalicelib/adapters/simulated_market/pool_cache.py": f"{_MARKET}/test_pools.py",
    "chalicelib/adapters/simulated_market/prices.py": "tests/integration/test_resting_orders.py",
    "chalicelib/adapters/simulated_market/readiness.py": "tests/integration/test_readiness.py",
    "chalicelib/adapters/simulated_market/seed.py": f"{_MARKET}/test_pools.py",
    "chalicelib/adapters/simulated_market/statuses.py": f"{_MARKET}/test_finality.py",
    "chalicelib/adapters/simulated_market/prompt_landing.py": f"{_MARKET}/test_prompt_landing.py",
    "chalicelib/adapters/simulated_market/published_slots.py": "tests/integration/test_operator.py",
    "chalicelib/adapters/simulated_market/venue.py": "tests/contract/test_venue.py",
    "chalicelib/adapters/simulated_market/wallets.py": f"{_MARKET}/test_trading.py",
    "chalicelib/migrations/app_login.py": "tests/deploy/test_prepare.py",
    "chalicelib/migrations/online.py": "tests/integration/test_migrations.py",
    "chalicelib/migrations/env.py": "tests/integration/test_migrations.py",
    "chalicelib/migrations/roles.py": "tests/security/test_roles.py",
    "chalicelib/prepare.py": "tests/deploy/test_prepare.py",
    "chalicelib/adapters/audit_checks.py": "tests/integration/test_operator.py",
    "chalicelib/adapters/solana/found_pools.py": "tests/integration/solana/test_found_pools.py",
    "chalicelib/adapters/solana/day_spending.py": "tests/integration/solana/test_day_spending.py",
    "chalicelib/adapters/postgres/fills_audit.py": "tests/integration/test_operator.py",
    "chalicelib/adapters/simulated_market/audit.py": "tests/integration/test_operator.py",
    "chalicelib/bootstrap/audit.py": "tests/integration/test_operator.py",
    "chalicelib/services/archive/archiver.py": "tests/integration/test_archive.py",
    "infra/cli/archive.py": "tests/integration/test_archive.py",
    "infra/cli/archives.py": "tests/integration/test_archive.py",
    "infra/cli/audit.py": "tests/integration/test_operator.py",
    "infra/cli/market_launch.py": f"{_MARKET}/test_launch.py",
    "infra/cli/market_move.py": f"{_MARKET}/test_launch.py",
    "infra/cli/resting_orders.py": "tests/e2e/test_several_orders.py",
    "infra/cli/market.py": f"{_MARKET}/test_cli.py",
    "infra/cli/market_facts.py": f"{_MARKET}/test_cli.py",
    "infra/cli/orders.py": "tests/integration/test_operator.py",
    "infra/cli/orderflow.py": "tests/unit/infra/cli/test_late_commands.py",
    "infra/cli/pools.py": f"{_SOLANA}/test_solana_commands.py",
    "infra/cli/solana_nodes.py": f"{_SOLANA}/test_solana_commands.py",
    "infra/cli/wallet.py": f"{_SOLANA}/test_solana_commands.py",
    "infra/cli/wallet_facts.py": f"{_SOLANA}/test_solana_commands.py",
    "infra/cli/wallet_registration.py": f"{_SOLANA}/test_solana_commands.py",
    "infra/cli/queues.py": "tests/e2e/test_queue_commands.py",
    "infra/cli/session.py": f"{_MARKET}/test_cli.py",
    # Over a socket, with a server that behaves.
    "clients/python/src/orderflow_client/models.py": "tests/unit/infra/specs/test_client_models.py",
    # One promise that several modules keep together.
    "chalicelib/services/planning/chosen_route.py": "tests/unit/wire/test_route_views.py",
    "chalicelib/wire/conditions.py": "tests/unit/wire/test_event_views.py",
    "chalicelib/domain/market_prices.py": "tests/unit/services/planning/test_markets.py",
    "chalicelib/domain/order_filters.py": "tests/contract/test_open_orders.py",
    "chalicelib/domain/previews.py": "tests/unit/services/intake/test_preview.py",
    "chalicelib/handlers/previews.py": "tests/e2e/test_several_orders.py",
    "chalicelib/services/intake/wording.py": "tests/unit/services/intake/test_outlook.py",
    "chalicelib/wire/market_views.py": "tests/unit/services/planning/test_markets.py",
    "chalicelib/wire/previews.py": "tests/unit/services/intake/test_preview.py",
    "chalicelib/wire/several_orders.py": "tests/unit/wire/test_resting_frames.py",
    "chalicelib/domain/events.py": "tests/unit/wire/test_event_views.py",
    "chalicelib/handlers/operator_views.py": "tests/unit/handlers/test_operator.py",
    "chalicelib/wire/operator_answers.py": "tests/unit/handlers/test_operator.py",
    "chalicelib/wire/venue_views.py": "tests/unit/services/planning/test_quotes.py",
    "chalicelib/routing/assembly.py": "tests/unit/routing/test_router.py",
    "chalicelib/bootstrap/watching.py": "tests/integration/test_resting_orders.py",
    "chalicelib/bootstrap/ports.py": "tests/unit/bootstrap/test_wiring.py",
    "chalicelib/bootstrap/simulated_market.py": "tests/unit/bootstrap/test_wiring.py",
    # Layouts of real accounts and messages, against vectors from the chain.
    "chalicelib/adapters/solana/accounts.py": "tests/unit/adapters/solana/test_vectors.py",
    "chalicelib/adapters/solana/layouts.py": "tests/unit/adapters/solana/test_vectors.py",
    "chalicelib/adapters/solana/meteora_damm_v2.py": "tests/unit/adapters/solana/test_vectors.py",
    "chalicelib/adapters/solana/meteora_dlmm.py": "tests/unit/adapters/solana/test_vectors.py",
    "chalicelib/adapters/solana/program_logs.py": "tests/unit/adapters/solana/test_events.py",
    "chalicelib/adapters/solana/raydium_clmm.py": "tests/unit/adapters/solana/test_vectors.py",
    "chalicelib/adapters/solana/raydium_cpmm.py": "tests/unit/adapters/solana/test_vectors.py",
    "chalicelib/adapters/solana/registered_wallets.py": f"{_SOLANA}/test_registered_wallets.py",
    "chalicelib/adapters/solana/chain_audit.py": f"{_SOLANA}/test_chain_audit.py",
    "chalicelib/adapters/solana/stray_transactions.py": f"{_SOLANA}/test_stray_transactions.py",
    "chalicelib/adapters/solana/rpc_calls.py": "tests/unit/adapters/solana/test_rpc_nodes.py",
    # On the local chain, or with the modules that they serve.
    "chalicelib/adapters/solana/book.py": "tests/unit/adapters/solana/test_fixed_amounts.py",
    "chalicelib/adapters/solana/trading_wallet.py": "tests/integration/solana/test_local_chain.py",
    # Documents and templates, which are judged whole.
    "chalicelib/wire/answers.py": "tests/security/test_specs.py",
    "chalicelib/wire/rest_answers.py": "tests/security/test_specs.py",
    "infra/specs/asyncapi.py": "tests/security/test_specs.py",
    "infra/specs/documents.py": "tests/security/test_specs.py",
    "infra/specs/operations.py": "tests/security/test_specs.py",
    "infra/specs/operator_paths.py": "tests/security/test_specs.py",
    "infra/specs/openapi.py": "tests/security/test_specs.py",
    "infra/specs/postman.py": "tests/security/test_postman.py",
    "infra/cli/specs.py": "tests/security/test_specs.py",
    "infra/cli/token.py": "tests/security/test_token_command.py",
    "infra/cli/advisories.py": "tests/security/test_advisories.py",
    "infra/deploy/cloud.py": "tests/deploy/test_stacks.py",
    "infra/deploy/compiling.py": "tests/deploy/test_package.py",
    "infra/deploy/dashboard.py": "tests/deploy/test_documents.py",
    "infra/deploy/emulator.py": "tests/deploy/test_localstack.py",
    "infra/deploy/monitoring.py": "tests/deploy/test_documents.py",
    "infra/deploy/packaging.py": "tests/deploy/test_package.py",
    "infra/deploy/running_emulator.py": "tests/deploy/test_localstack.py",
    "infra/deploy/stacks.py": "tests/deploy/test_stacks.py",
    "infra/deploy/template.py": "tests/deploy/test_package.py",
}
"""Where a module is tested instead."""

WITHOUT_BEHAVIOUR: Final = frozenset(
    {
        "chalicelib/adapters/simulated_market/settings.py",
        "chalicelib/adapters/solana/swap_terms.py",
        "chalicelib/domain/acknowledgement.py",
        "chalicelib/domain/chosen_route.py",
        "chalicelib/domain/progress.py",
        "chalicelib/domain/queue_messages.py",
        "chalicelib/domain/swap_mode.py",
        "clients/python/src/orderflow_client/limits.py",
        "clients/python/src/orderflow_client/order_calls.py",
        "clients/python/src/orderflow_client/results.py",
        "chalicelib/routing/plan.py",
        "chalicelib/services/ports.py",
        "chalicelib/services/subscription_ports.py",
        "chalicelib/services/archive/ports.py",
        "chalicelib/services/resting/ports.py",
        "chalicelib/services/resting/prices.py",
        "infra/deploy/json_types.py",
    }
)
"""Records, protocols and types."""


def modules() -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for package in MIRRORED
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.name.startswith("__") and path.parent.name != "versions"
    ]


def mirror_of(module: str) -> Path:
    path = Path(module)
    place = path.relative_to("chalicelib") if path.parts[0] == "chalicelib" else path
    if path.is_relative_to(CLIENT):
        place = path.relative_to(CLIENT)
    return UNIT / place.parent / f"test_{place.name}"


def test_every_module_has_a_test_of_its_name_or_a_reason_why_not() -> None:
    without = [module for module in modules() if not mirror_of(module).is_file()]
    assert sorted(without) == sorted([*ELSEWHERE, *WITHOUT_BEHAVIOUR])


def test_every_test_that_stands_in_for_another_is_there() -> None:
    assert [test for test in ELSEWHERE.values() if not (ROOT / test).is_file()] == []


def test_module_that_is_said_to_do_nothing_decides_nothing() -> None:
    words = ("    if ", "    for ", "    while ", "    try:")
    texts = {module: (ROOT / module).read_text() for module in WITHOUT_BEHAVIOUR}
    decides = {module for module, text in texts.items() if any(f"\n{word}" in text for word in words)}
    assert decides == set()
