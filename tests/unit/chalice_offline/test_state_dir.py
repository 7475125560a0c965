"""The state directory."""

import subprocess
from pathlib import Path

import pytest

from chalice_offline.state_dir import StateDir, StateDirInUseError, StateDirUnwritableError


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


def test_status_of_an_instance_that_was_killed_goes_when_the_next_one_begins(tmp_path: Path) -> None:
    StateDir(tmp_path).write_status({"port": 1})
    state = StateDir(tmp_path)
    state.acquire()
    assert not (tmp_path / "status.json").exists()
    state.release()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_new_directory_and_its_files_are_their_owners_alone(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "of")
    state.acquire()
    state.write_status({"port": 1, "aws": {"AWS_ACCESS_KEY_ID": "a b"}})
    folder = state.folder("logs")
    state.release()
    assert [mode(path) for path in (state.path, folder)] == [0o700] * 2
    assert {mode(path) for path in state.path.iterdir() if path.is_file()} == {0o600}


def test_what_an_earlier_release_left_open_is_closed(tmp_path: Path) -> None:
    logs = tmp_path / "of" / "logs"
    logs.mkdir(parents=True)
    files = [tmp_path / "of" / "children.json", logs / "postgres.log"]
    for path in files:
        path.touch()
        path.chmod(0o644)
    for path in (logs, logs.parent):
        path.chmod(0o755)
    state = StateDir(logs.parent)
    state.acquire()
    state.release()
    assert [mode(path) for path in (logs.parent, logs, *files)] == [0o700, 0o700, 0o600, 0o600]


def test_directory_that_holds_other_things_stays_as_it_is_but_for_our_files(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "notes.txt").chmod(0o644)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs").chmod(0o755)
    state = StateDir(tmp_path)
    state.acquire()
    state.release()
    assert [mode(tmp_path), mode(tmp_path / "notes.txt"), mode(tmp_path / "logs")] == [0o755, 0o644, 0o700]


def test_credentials_are_for_a_shell_to_read_while_the_instance_runs(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    credentials = state.emulator_credentials()
    assert StateDir(tmp_path).emulator_credentials() == credentials
    state.write_status({"aws": {**credentials, "AWS_REGION": "a b; c"}})
    script = '. ./aws.env && printf "%s\\n" "$AWS_ACCESS_KEY_ID" "$AWS_REGION" "${AWS_SESSION_TOKEN-none}"'
    command, environment = ["/bin/sh", "-c", script], {"AWS_SESSION_TOKEN": "x"}
    printed = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
    assert printed.splitlines() == [credentials["AWS_ACCESS_KEY_ID"], "a b; c", "none"]
    state.clear_status()
    assert not (tmp_path / "aws.env").exists()


@pytest.mark.parametrize(
    ("status", "told"), [({"url": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000"), ({}, "")]
)
def test_shell_invokes_functions_at_the_gateway_and_without_one_at_the_emulator(
    tmp_path: Path, status: dict[str, str], told: str
) -> None:
    StateDir(tmp_path).write_status({**status, "aws": {"AWS_REGION": "here"}})
    command = ["/bin/sh", "-c", '. ./aws.env && printf "%s" "${AWS_ENDPOINT_URL_LAMBDA-}"']
    environment = {"AWS_ENDPOINT_URL_LAMBDA": "http://another"}
    assert subprocess.check_output(command, cwd=tmp_path, env=environment, text=True) == told


def test_command_that_reads_credentials_can_be_pasted_whatever_the_path(tmp_path: Path) -> None:
    path = tmp_path / "it's $HOME"
    path.mkdir()
    state = StateDir(path)
    state.write_status({"aws": {"AWS_REGION": "here"}})
    script = f'{state.aws_env_command} && printf "%s" "$AWS_REGION"'
    assert subprocess.check_output(["/bin/sh", "-c", script], text=True) == "here"


def test_directory_ignores_itself_in_git_unless_it_holds_other_things(tmp_path: Path) -> None:
    for name, is_shared in (("own", False), ("shared", True)):
        folder = tmp_path / name
        folder.mkdir()
        if is_shared:
            (folder / "app.py").touch()
        state = StateDir(folder)
        state.acquire()
        state.release()
        assert (folder / ".gitignore").exists() is not is_shared
    assert (tmp_path / "own" / ".gitignore").read_text() == "*\n"


def test_port_of_the_last_run_is_kept(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    assert state.kept_port("emulator") == 0
    state.keep_port("emulator", 4567)
    assert StateDir(tmp_path).kept_port("emulator") == 4567
    (tmp_path / "ports.json").write_text("[")
    assert state.kept_port("emulator") == 0


def test_directory_that_cannot_be_written_to_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        StateDirUnwritableError, match=r"cannot write to .*state \(Not a directory\); .* --state-dir"
    ):
        StateDir(tmp_path / "file" / "state").acquire()
