"""Which changed files lead to a reload."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import mkdtemp

import pytest

from chalice_offline.logs import Log
from chalice_offline.reload import CodeWatch, RestlessFiles, is_among, unless
from chalice_offline.state_dir import StateDir


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    for name in ("app/.chalice", "app/env/lib", "code/domain"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "app/env/pyvenv.cfg").touch()
    (tmp_path / "app/lib").symlink_to(tmp_path / "code")
    return tmp_path / "app"


Watch = Callable[[Path, Path], CodeWatch]


@pytest.fixture
def watch(log: Log) -> Watch:
    return lambda app_dir, state_dir: CodeWatch(app_dir, state_dir, log)


@pytest.mark.parametrize(
    "path",
    ["app/app.py", "app/.chalice/config.json", "app/.chalice/local.toml", "code/domain/a.py", "app/q/a.sql"],
)
def test_code_and_settings_are_heeded(app_dir: Path, path: str, watch: Watch) -> None:
    assert watch(app_dir, app_dir / ".orderflow").is_code(str(app_dir.parent / path))


@pytest.mark.parametrize(
    "path",
    [
        "app/.orderflow/status.json",
        "app/.orderflow/ministack/state/sqs.json",
        "app/.chalice/deployed/dev.json",
        "app/.chalice/deployments/x.json",
        "app/__pycache__/app.py",
        "app/.mypy_cache/3.11/app.data.json",
        "app/.vscode/settings.json",
        "app/.git/x.json",
        "app/.#app.py",
        "app/app.py~",
        "app/.app.py.swp",
        "app/env/lib/x.py",
        "app/node_modules/a/package.json",
        "code/.pytest_cache/v/cache/x.json",
        "app/app.log",
    ],
)
def test_what_others_write_beside_the_code_is_not(app_dir: Path, path: str, watch: Watch) -> None:
    assert not watch(app_dir, app_dir / ".orderflow").is_code(str(app_dir.parent / path))


def test_folder_that_came_as_a_whole_is_heeded_if_it_holds_code(app_dir: Path, watch: Watch) -> None:
    def is_code(path: str) -> bool:
        return watch(app_dir, app_dir / "state").is_code(str(app_dir / path))

    for path in (
        "package/inner/a.py",
        "data/inner/a.csv",
        "env/lib/b.py",
        "node_modules/c.json",
        "state/d.json",
    ):
        (app_dir / path).parent.mkdir(parents=True, exist_ok=True)
        (app_dir / path).touch()
    (app_dir / "data/loop").symlink_to("..")
    assert is_code("package")
    assert [path for path in ("data", "env", "node_modules", "state", "gone") if is_code(path)] == []
    (app_dir / "link").symlink_to("package")
    assert is_code("link")


def test_state_directory_by_any_name_and_by_a_link_is_not_code(app_dir: Path, watch: Watch) -> None:
    assert not watch(app_dir, app_dir / "state").is_code(str(app_dir / "state/status.json"))
    (app_dir.parent / "link").symlink_to(app_dir / "state")
    assert not watch(app_dir, app_dir.parent / "link").is_code(str(app_dir / "state/secrets.json"))


def test_project_inside_its_state_directory_is_code_all_the_same(app_dir: Path, watch: Watch) -> None:
    for state_dir in (app_dir.parent, app_dir):
        looked_at = watch(app_dir, state_dir)
        assert looked_at.is_code(str(app_dir / "app.py"))
        assert not looked_at.is_code(str(state_dir / "status.json"))
        assert not looked_at.is_code(str(state_dir / "postgres/data/x.json"))


def test_everything_an_instance_writes_is_its_state(tmp_path: Path, watch: Watch) -> None:
    state = StateDir(tmp_path)
    state.acquire()
    state.secret("x")
    state.write_status({"pid": 1})
    for name in ("logs", "postgres", "ministack/tmp", "tmp"):
        state.folder(name)
    looked_at = watch(tmp_path, tmp_path)
    assert [entry for entry in tmp_path.iterdir() if looked_at.is_code(f"{entry}/x.json")] == []
    state.release()


def test_file_that_changes_all_the_time_is_given_up_until_it_rests() -> None:
    files = RestlessFiles()
    assert [files.changed("data.json", float(at)) for at in range(20)] == [True] * 5 + [False] * 15
    assert files.changed("app.py", 20.0)
    assert files.changed("data.json", 60.0)


def test_file_that_changes_at_each_reload_waits_twice_as_long_each_time() -> None:
    files = RestlessFiles()
    now = 0.0
    waits: list[float] = []
    while len(waits) < 5:
        now += 1.0  # the app writes it while it is imported
        if not files.changed("data.json", now):
            waits.append(files.quiet_s("data.json"))
            now += waits[-1]
            files.rested("data.json", now)
    assert waits == [15.0, 30.0, 60.0, 120.0, 240.0]
    now += 16.0
    assert files.changed("data.json", now), "changed by a person, long after the last reload"


def test_file_that_changes_at_each_reload_is_given_up_however_long_the_import_takes() -> None:
    files = RestlessFiles()
    files.reloaded(4.0)
    assert [files.changed("state.json", 8.0 * number) for number in range(7)] == [True] * 5 + [False] * 2
    files.reloaded(0.3)
    assert all(files.changed("app.py", 8.0 * number) for number in range(20))


def test_saves_of_a_person_are_all_heeded() -> None:
    files = RestlessFiles()
    assert all(files.changed("app.py", at * 4.0) for at in range(500))


def test_files_remembered_are_bounded() -> None:
    files = RestlessFiles()
    for number in range(5_000):
        files.changed(str(number), 0.0)
    assert len(files._changes) <= 1_000


@pytest.mark.parametrize(
    ("pattern", "is_meant"),
    [
        ("../code/migrations/*", True),
        ("../code/*.sql", True),
        ("../code/migrations/*.py", False),
        ("migrations/*", False),
    ],
)
def test_pattern_is_relative_to_the_project_and_met_below_it(
    app_dir: Path, pattern: str, *, is_meant: bool
) -> None:
    changed = [str(app_dir / "app.py"), str(app_dir.parent / "code/migrations/versions/2.sql")]
    assert is_among(changed, [pattern], app_dir) is is_meant


def test_change_of_code_reloads_and_the_runtimes_own_writing_does_not(app_dir: Path, watch: Watch) -> None:
    state = StateDir(app_dir / ".orderflow")
    reloads: list[Collection[str]] = []

    async def scenario() -> None:
        state.acquire()

        async def reload(changed: Collection[str], _is_more: asyncio.Event) -> None:
            reloads.append(changed)
            state.write_status({"reloads": len(reloads)})

        async def told(name: str) -> int:
            """Change a file until a reload is told of it; return which one."""
            path, number = str((app_dir / name).resolve()), 0
            while not any(path in changed for changed in reloads):
                number += 1
                (app_dir / name).write_text(f"x = {number}\n")
                await asyncio.sleep(0.3)
            return next(place for place, changed in enumerate(reloads) if path in changed)

        task = asyncio.create_task(watch(app_dir, state.path).run(reload))
        await told("app.py")
        for number in range(4):
            state.write_status({"n": number})
        # What was written before is seen before.
        last = await told("last.py")
        names = {Path(path).name for changed in reloads[: last + 1] for path in changed}
        assert names == {"app.py", "last.py"}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    state.release()


def test_renamed_folder_and_link_that_leads_elsewhere_reload(app_dir: Path, watch: Watch) -> None:
    async def scenario() -> None:
        told: set[str] = set()

        async def reload(changed: Collection[str], _is_more: asyncio.Event) -> None:
            told.update(Path(path).name for path in changed)

        async def brings(name: str, change: Callable[[], object]) -> None:
            """Do something again and again until a reload is told of this file or folder."""
            told.clear()
            while name not in told:
                change()
                await asyncio.sleep(0.3)

        def rename_another() -> None:
            another = Path(mkdtemp(dir=app_dir.parent))
            (another / "a.py").touch()
            if (app_dir / "package").exists():
                (app_dir / "package").rename(mkdtemp(dir=app_dir.parent))
            another.rename(app_dir / "package")

        def link_again() -> None:
            (app_dir / "new").symlink_to(app_dir.parent / "code")
            (app_dir / "new").rename(app_dir / "lib")

        (app_dir.parent / "code/a.py").touch()
        task = asyncio.create_task(watch(app_dir, app_dir / "state").run(reload))
        await brings("app.py", (app_dir / "app.py").touch)
        await brings("package", rename_another)
        await brings("lib", link_again)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_last_of_many_saves_is_reloaded_once_the_file_is_quiet(app_dir: Path, log: Log) -> None:
    loaded: list[str] = []

    async def scenario() -> None:
        is_last = asyncio.Event()

        async def reload(_changed: Collection[str], _is_more: asyncio.Event) -> None:
            loaded.append((app_dir / "app.py").read_text())
            if loaded[-1] == "x = 11\n":
                is_last.set()

        task = asyncio.create_task(CodeWatch(app_dir, app_dir / "state", log, quiet_s=4.0).run(reload))
        for number in range(12):
            (app_dir / "app.py").write_text(f"x = {number}\n")
            await asyncio.sleep(0.3)
        await is_last.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_change_during_a_reload_is_told_and_reloads_once_more(app_dir: Path, watch: Watch) -> None:
    other = str((app_dir / "other.py").resolve())
    reloads: list[Collection[str]] = []

    async def scenario() -> None:
        done = asyncio.Event()

        async def reload(changed: Collection[str], is_more: asyncio.Event) -> None:
            reloads.append(changed)
            if len(reloads) == 1:
                (app_dir / "other.py").write_text("y = 1\n")
                await is_more.wait()
            elif other in changed:  # what was written just before this reload began may be told by itself
                done.set()

        task = asyncio.create_task(watch(app_dir, app_dir / ".orderflow").run(reload))
        number = 0
        while not reloads:  # until the watch has begun
            number += 1
            (app_dir / "app.py").write_text(f"x = {number}\n")
            await asyncio.sleep(0.3)
        await done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert other not in reloads[0]


def test_work_is_done_unless_the_event_comes_first() -> None:
    ended: list[str] = []

    async def work(*, hangs: bool) -> str:
        try:
            await asyncio.sleep(3600 if hangs else 0)
        finally:
            ended.append("hung" if hangs else "done")
        return "result"

    async def scenario() -> None:
        event = asyncio.Event()
        assert await unless(event, work(hangs=False)) == "result"
        asyncio.get_running_loop().call_soon(event.set)
        assert await unless(event, work(hangs=True)) is None

    asyncio.run(scenario())
    assert ended == ["done", "hung"]


def test_failure_of_work_is_its_callers() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(unless(asyncio.Event(), fails()))
