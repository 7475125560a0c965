"""The bench as a fixture."""

from pathlib import Path

import pytest

from tests.unit.chalice_offline.lambda_host.bench import APP, BROKEN, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "app.py").write_text(APP)
    for name, text in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(text)
    return Bench(tmp_path)
