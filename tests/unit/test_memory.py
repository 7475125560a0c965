"""What a run keeps in memory is gone with it, even if it was killed: memory would fill up, run by run."""

import fcntl
import os
from pathlib import Path

import pytest

from tests.support import memory


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MEMORY", tmp_path)
    monkeypatch.setattr(memory, "_ROOM_BYTES", 0)
    monkeypatch.setattr(memory, "_NEW_S", -1)


def test_folder_is_gone_at_the_end_with_what_lies_in_it(tmp_path: Path) -> None:
    with memory.folder_in_memory() as folder:
        (folder / "data").mkdir()
        assert folder.parent == tmp_path
        assert memory.is_in_memory(str(folder / "data"))
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_run_is_removed_by_the_next_and_one_in_use_is_not(tmp_path: Path) -> None:
    names = ("orderflow-test-postgres-1", "orderflow-test-postgres-2", "orderflow-tests-0-ports")
    killed, used, foreign = (tmp_path / name for name in names)
    for folder in (killed, used, foreign):
        folder.mkdir()
    lock = os.open(used, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)

    with memory.folder_in_memory():
        assert not killed.exists()
        assert used.exists()
        assert foreign.exists()
    os.close(lock)


def test_folder_lies_among_temporary_files_where_memory_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_ROOM_BYTES", 2**62)
    with memory.folder_in_memory() as folder:
        assert not folder.is_relative_to(tmp_path)


def test_folder_lies_among_temporary_files_on_a_system_without_such_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MEMORY", tmp_path / "absent")
    with memory.folder_in_memory() as folder:
        assert folder.exists()
        assert not memory.is_in_memory(str(folder))
