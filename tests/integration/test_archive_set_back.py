"""Records that are set back beside archives that are not, and archives that are lost beside records."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.archive import archive_check
from chalicelib.adapters.postgres.engine import make_engine
from tests.integration.archives import archiving, ended, on_record
from tests.support.postgres_server import Databases


def wrong(engine: Engine, folder: Path) -> list[str]:
    with engine.connect() as connection:
        return [each.problem for each in archive_check(FolderArchiveStore(folder)).violations(connection)]


def test_orders_that_the_record_has_again_are_archived_again(
    make_database: Databases, tmp_path: Path
) -> None:
    url = make_database()
    engine = make_engine(url)
    ended(engine, 3)
    engine.dispose()
    restored = make_engine(make_database.copies_of(url)())
    engine = make_engine(url)
    assert archiving(engine, tmp_path).run().orders == 3
    engine.dispose()
    # With one more, so that they go into another file than before.
    ended(restored, days_ago=41)
    assert on_record(restored)[3] == 0
    assert archiving(restored, tmp_path).run().orders == 4
    assert wrong(restored, tmp_path) == []
    restored.dispose()


@pytest.mark.parametrize("is_back", [True, False])
def test_archive_that_a_bucket_has_lost_is_missed_until_it_is_back(
    make_database: Databases, tmp_path: Path, *, is_back: bool
) -> None:
    engine = make_engine(make_database())
    ended(engine, 2)
    folder, kept = tmp_path / "archive", tmp_path / "kept"
    assert archiving(engine, folder).run().orders == 2
    folder.rename(kept)
    ended(engine)
    # Archiving goes on without it.
    assert archiving(engine, folder).run().orders == 1
    assert len(wrong(engine, folder)) == 1
    if is_back:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        assert wrong(engine, folder) == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 3
    engine.dispose()
