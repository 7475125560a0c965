"""Archives in a folder: whole or not at all."""

import os
import stat
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


def test_archive_that_cannot_have_its_name_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "taken" / "by a folder").mkdir(parents=True)
    with pytest.raises(RetryableError):
        FolderArchiveStore(tmp_path).put("taken", b"content")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_content_is_on_disk_before_it_has_its_name_and_the_name_before_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk: list[tuple[int | None, bool]] = []

    def noted(descriptor: int) -> None:
        told = os.fstat(descriptor)
        size = None if stat.S_ISDIR(told.st_mode) else told.st_size
        on_disk.append((size, (tmp_path / "archive").exists()))

    monkeypatch.setattr(os, "fsync", noted)
    FolderArchiveStore(tmp_path).put("archive", b"content")
    assert on_disk == [(len(b"content"), False), (None, True)]
