"""The wheel, as it is built and installed."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "clients" / "python"
UV = shutil.which("uv", path=str(Path(sys.executable).parent))


def test_wheel_has_every_module_and_its_types_and_works_from_there(tmp_path: Path) -> None:
    if UV is None:
        pytest.skip("uv is not installed beside this Python: the wheel was not built")
    source = shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__"))
    build = [
        UV,
        "build",
        "--offline",
        "--no-cache",
        "--wheel",
        "--quiet",
        "--out-dir",
        str(tmp_path),
        str(source),
    ]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {
        f"orderflow_client/{path.name}" for path in (PACKAGE / "src" / "orderflow_client").glob("*.py")
    }
    assert names >= modules | {"orderflow_client/py.typed"}
    told = subprocess.run(
        [sys.executable, "-c", "import orderflow_client.sync as s; print(s.__file__)"],
        env={"PYTHONPATH": str(wheel)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(wheel) in told.stdout
