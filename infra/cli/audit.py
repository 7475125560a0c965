"""``orderflow audit``: check a whole database, and hold it against the chain."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
from rich.console import Console

from chalicelib.adapters.audit_checks import AuditCheck, Violation, reads_whole_tables
from chalicelib.adapters.postgres.chains import orders_elsewhere, said
from chalicelib.adapters.solana.chain_audit import ChainAudit, ChainFindings, wallets_of_unfinished
from chalicelib.adapters.solana.record_comparison import Rule
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.bootstrap.audit import chain_audit, checks
from chalicelib.config import ChainName
from chalicelib.services.archive.ports import ArchiveStore
from infra.cli.archives import archives, store_at
from infra.cli.session import CliSession
from infra.cli.solana_nodes import SolanaNodes, rpc_options

BROKEN: Final = 1
UNKNOWN: Final = 3
"""The exit status if nothing is broken, and the chain cannot tell of all of it."""

_RUNNING: Final = "that of the runtime"
_EACH_ON_ITS_OWN: Final = "each order is held against the chain that it executed on"


@dataclass(frozen=True)
class _Findings:
    """What each check found, and what the comparison with a Solana did, if there was one."""

    results: Sequence[tuple[str, Sequence[Violation]]]
    compared: ChainFindings | None
    elsewhere: Mapping[str, int]
    """Orders by the chain they executed on, where it is another: they are not held against this one."""

    @property
    def facts(self) -> list[dict[str, Any]]:
        checked = [
            {"check": name, "violations": [asdict(each) for each in found]} for name, found in self.results
        ]
        elsewhere = [
            {"check": _EACH_ON_ITS_OWN, "violations": [], "unknown": [{"subject": name, "problem": orders}]}
            for name, orders in self.uncompared.items()
        ]
        return [*checked, *(_facts(self.compared) if self.compared else ()), *elsewhere]

    @property
    def uncompared(self) -> Mapping[str, str]:
        """What executed on another Solana, which would have to be asked, by its name: the simulated market's
        ledger is in the record itself.
        """
        return {
            name: f"{orders:,} orders executed there, and were not compared with it"
            for name, orders in self.elsewhere.items()
            if name != ChainName.SIMULATED
        }

    @property
    def exit_status(self) -> int:
        if any(found for _, found in self.results) or (self.compared and self.compared.is_broken):
            return BROKEN
        is_unknown = self.compared and self.compared.is_unknown
        return UNKNOWN if is_unknown or self.uncompared else 0


@click.command(name="audit")
@click.option(
    "--finished", "must_be_finished", is_flag=True, help="Count an unfinished order as a violation too."
)
@click.option(
    "--wallet-seed",
    envvar="WALLET_SEED",
    help="Prove whose wallet is whose. Default: that of the runtime that is running.",
)
@click.option(
    "--chain",
    type=click.Choice([*(each.value for each in ChainName), _RUNNING]),
    is_flag=False,
    flag_value=_RUNNING,
    envvar="CHAIN",
    show_default="that of the runtime that is running, or of a record alone the simulated one's",
    show_envvar=True,
    metavar="[simulated|solana]",
    help="The market that the record is held against: the simulated one's ledger, or every attempt against a "
    "Solana. Without a value: the Solana of the runtime that is running, or of --rpc-url.",
)
@archives
@rpc_options
@click.pass_obj
def audit_command(
    session: CliSession,
    /,
    *,
    must_be_finished: bool,
    wallet_seed: str | None,
    chain: str | None,
    archive_url: str | None,
    **options: Any,
) -> None:
    """Check that no order was lost, doubled or forged and that the books balance.

    Exits with 1 if something is broken; with 3 if nothing is, and the chain cannot tell of all of it; with 4
    if the database does not answer.
    """
    solana = SolanaNodes(session, **options)
    store = store_at(archive_url)
    if not chain:
        # The other's ledger is empty: each confirmed order would be called lost.
        chain = _RUNNING if session.running_value("SOLANA_RPC_URLS") else ChainName.SIMULATED.value
    against = _against(solana, chain, store)
    chain_name = ChainName.SOLANA if chain == _RUNNING else ChainName(chain)
    seed = wallet_seed or session.running_seed()
    wanted = checks(
        chain_name,
        must_be_finished=must_be_finished,
        wallet_seed=seed.encode() if seed else None,
        tokens=solana.tokens,
        archives=store,
    )
    found = _look(session, wanted, against, seed, against.chain if against else chain_name)
    needs_seed = chain_name is ChainName.SIMULATED and not seed

    def printed(console: Console) -> None:
        _print(console, found.results, needs_seed=needs_seed)
        if found.compared:
            _print_compared(console, found.compared)
        elif chain_name is ChainName.SOLANA:
            console.print("Nothing was compared with the chain: give --rpc-url.", highlight=False)
        for name, orders in found.elsewhere.items():
            told = f"Not compared: what was executed on {said(name)}, orders: {orders:,}."
            console.print(told, highlight=False)

    session.show(found.facts, printed)
    sys.exit(found.exit_status)


def _against(solana: SolanaNodes, chain: str, store: ArchiveStore) -> ChainAudit | None:
    """Return what compares with a Solana, None where none is meant or, by its name alone, none is known."""
    if chain == ChainName.SIMULATED or (chain == ChainName.SOLANA and not solana.urls):
        return None
    return chain_audit(solana.nodes, solana.cluster, solana.listed(), solana.tokens, archives=store)


def _look(
    session: CliSession,
    wanted: Sequence[AuditCheck],
    against: ChainAudit | None,
    seed: str | None,
    chain: str,
) -> _Findings:
    """Carry out the checks, and the comparison, on one state of the record.

    Raises:
        ClickException: No node answers.
    """
    try:
        # Asked first: what landed by then is in the record's snapshot.
        slot = against.slot() if against else 0
    except NodeError as error:
        raise click.ClickException(f"no node answers: {error}") from error
    engine = session.patient_engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, session.progress() as progress:
        reads_whole_tables(connection)
        results = [
            (check.name, check.violations(connection))
            for check in progress.track(wanted, description="Checking")
        ]
        elsewhere = {} if chain == ChainName.SOLANA else orders_elsewhere(connection, chain)
        if not against:
            return _Findings(results, None, elsewhere)
        task = progress.add_task("Comparing with the chain", total=against.count(connection))
        compared = against.run(
            connection,
            up_to_slot=slot,
            advance=lambda count: progress.advance(task, count),
            wallets=wallets_of_unfinished(connection, seed.encode()) if seed else (),
        )
        return _Findings(results, compared, elsewhere)


def _facts(compared: ChainFindings) -> Iterator[dict[str, Any]]:
    for rule in Rule:
        found = {
            is_unknown: [
                {"check": rule.value, "subject": each.subject, "problem": each.problem}
                for each in compared.shown.get((rule, is_unknown), ())
            ]
            for is_unknown in (False, True)
        }
        yield {"check": rule.value, "violations": found[False], "unknown": found[True]}


def _print(console: Console, results: Sequence[tuple[str, Sequence[Violation]]], *, needs_seed: bool) -> None:
    for name, violations in results:
        _say(console, f"{'[red]broken[/]' if violations else '[green]holds[/] '}  {name}")
        for each in violations:
            _say(console, f"          {each.subject}: {each.problem}")
    if needs_seed:
        console.print("Without WALLET_SEED nothing proves that a wallet is its account's.", highlight=False)


def _print_compared(console: Console, compared: ChainFindings) -> None:
    for rule in Rule:
        broken, unknown = compared.counts[rule, False], compared.counts[rule, True]
        word = "[red]broken[/] " if broken else "[yellow]unknown[/]" if unknown else "[green]holds[/]  "
        _say(console, f"{word} {rule}")
        for is_unknown, count in ((False, broken), (True, unknown)):
            shown = compared.shown.get((rule, is_unknown), ())
            for each in shown:
                _say(console, f"          {'unknown: ' if is_unknown else ''}{each.subject}: {each.problem}")
            if count > len(shown):
                _say(console, f"          and {count - len(shown)} more")
    told = f"{compared.orders} orders, {compared.attempts} attempts and {compared.wallets} wallets"
    _say(console, f"Compared with the chain: {told}.")
    if compared.is_unknown:
        _say(console, "Unknown is not clean: ask a node that keeps its ledger for longer (--rpc-url).")


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
