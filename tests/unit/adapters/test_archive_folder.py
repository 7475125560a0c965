"""Archives in a folder: whole or not at all."""

from pathlib import Path

import pytest

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.domain.errors import RetryableError


def test_archive_is_found_by_its_name_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = FolderArchiveStore(tmp_path / "new")
    assert store.get("orders/2026-01-01/a") is None
    for _ in range(2):
        store.put("orders/2026-01-01/a", b"content")
    assert store.get("orders/2026-01-01/a") == b"content"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a"]


def test_folder_that_cannot_be_written_is_a_passing_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = FolderArchiveStore(tmp_path / "file")
    with pytest.raises(RetryableError):
        store.put("a", b"")
    with pytest.raises(RetryableError):
        store.get("a")
