"""``orderflow archive``: move what ended long ago out of the record."""

import click

from chalicelib.bootstrap.archiving import archiver
from chalicelib.config import DAYS_MAX, KEPT_DAYS
from chalicelib.domain.errors import RetryableError
from infra.cli.archives import archives, store_at
from infra.cli.session import CliSession
from infra.cli.stopping import stopping


@click.command()
@click.option(
    "--days",
    type=click.IntRange(1, DAYS_MAX),
    default=30,
    envvar="RETENTION_DAYS",
    show_default=True,
    show_envvar=True,
    help="How long orders stay after their end.",
)
@click.option(
    "--keep-keys",
    "kept_days",
    type=click.IntRange(60, DAYS_MAX),
    default=KEPT_DAYS,
    envvar="CLIENT_ORDER_KEYS_DAYS",
    show_default=True,
    show_envvar=True,
    help="After how many days the record forgets an archived order and its client order id.",
)
@archives
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say how many orders there are to archive.")
@click.pass_obj
def archive(session: CliSession, days: int, kept_days: int, *, archive_url: str | None, is_dry: bool) -> None:
    """Archive orders that ended long ago: their events and attempts go to compressed files, by day.

    What is written is read back and compared before anything is dropped. Safe to stop at any moment, and to
    start again: Ctrl-C and SIGTERM let it finish the parts under way first, a second one does not.
    """
    store = store_at(archive_url)
    use_case = archiver(session.patient_engine, store, retention_days=days, kept_days=kept_days)
    moved = 0

    def count(orders: int) -> None:
        nonlocal moved
        moved += orders
        progress.advance(bar, orders)

    try:
        waiting = use_case.waiting()
        if is_dry:
            session.show({"waiting": waiting}, lambda console: console.print(f"{waiting} orders to archive"))
            return
        with session.progress() as progress, stopping("the parts under way") as stop:
            bar = progress.add_task("Archiving", total=waiting)
            done = use_case.run(lambda _: not stop.is_wanted, count)
    except RetryableError as fault:
        # What was moved before is moved.
        before = f" (after {moved} orders; start it again to go on)" if moved else ""
        raise click.ClickException(f"{fault.message}{before}") from fault
    except KeyboardInterrupt:
        # What a part was about is decided by its commit: one that was not counted here may be archived too.
        click.echo(f"Interrupted after {moved} orders; start it again to go on", err=True)
        raise
    if stop.is_wanted:
        click.echo(f"Stopped after {moved} orders; start it again to go on", err=True)
        raise click.exceptions.Exit(stop.exit_status)
    facts = {
        "archived": done.orders,
        "refused": done.refused,
        "forgotten": done.forgotten,
        "folded": done.folded,
    }
    refused = (
        f"; {done.refused} are not what was written and stay: see ./orderflow audit" if done.refused else ""
    )
    forgotten = f"; {done.forgotten} of long ago forgotten" if done.forgotten else ""
    session.show(facts, lambda console: console.print(f"{done.orders} orders archived{forgotten}{refused}"))
    if done.refused:
        raise click.exceptions.Exit(1)
