"""The wheel and the source archive, as they are built and installed."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from orderflow_client import __version__

PACKAGE = Path(__file__).parents[3] / "clients" / "python"
UV = shutil.which("uv", path=str(Path(sys.executable).parent))


def test_built_package_has_every_module_types_and_licence_and_works_from_there(tmp_path: Path) -> None:
    if UV is None:
        pytest.skip("uv is not installed beside this Python: the wheel was not built")
    source = shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__"))
    build = [UV, "build", "--offline", "--no-cache", "--quiet", "--out-dir", str(tmp_path), str(source)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {
        f"orderflow_client/{path.name}" for path in (PACKAGE / "src" / "orderflow_client").glob("*.py")
    }
    licence = f"orderflow_client-{__version__}.dist-info/licenses/LICENSE"
    assert names >= modules | {"orderflow_client/py.typed", licence}
    with tarfile.open(tmp_path / f"orderflow_client-{__version__}.tar.gz") as archive:
        paths = {name.partition("/")[2] for name in archive.getnames()}
    examples = {f"examples/{path.name}" for path in (PACKAGE / "examples").glob("*.py")}
    assert paths >= examples | {"LICENSE", "CHANGELOG.md", "README.md"}
    told = subprocess.run(
        [sys.executable, "-c", "import orderflow_client.sync as s; print(s.__file__)"],
        env={"PYTHONPATH": str(wheel)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(wheel) in told.stdout
