"""The state directory."""

from pathlib import Path

import pytest

from infra.local.state_dir import StateDir, StateDirInUseError


def test_second_instance_on_the_same_directory_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = StateDir(tmp_path / "s"), StateDir(tmp_path / "s")
    first.acquire()
    with pytest.raises(StateDirInUseError, match="in use"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_secret_is_generated_once_and_private(tmp_path: Path) -> None:
    value = StateDir(tmp_path).secret("SEED")
    other = StateDir(tmp_path).secret("OTHER")
    assert len(value) >= 43
    assert other != value
    assert StateDir(tmp_path).secret("SEED") == value
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_status_is_private_and_goes_away(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.write_status({"port": 1})
    assert (tmp_path / "status.json").stat().st_mode & 0o777 == 0o600
    state.clear_status()
    assert not (tmp_path / "status.json").exists()
