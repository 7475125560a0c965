"""Room that is kept on a disk, as a file that can go."""

from pathlib import Path

from chalice_offline.services.reserve import Reserve


def test_room_is_taken_up_once_by_however_many_starts_and_given_once(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    for _ in range(2):  # one that was killed has left its own
        Reserve(path, mebibytes=2).take()
        # Blocks of 512 bytes: a file of holes would keep no room.
        assert path.stat().st_blocks * 512 >= path.stat().st_size == 2 * 1024 * 1024
        assert path.stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        Reserve(path, mebibytes=2).give()
    assert not path.exists()


def test_disk_that_takes_nothing_is_no_error(tmp_path: Path) -> None:
    Reserve(tmp_path / "missing" / "reserve", mebibytes=1).take()
    Reserve(tmp_path / "missing" / "reserve", mebibytes=1).give()
