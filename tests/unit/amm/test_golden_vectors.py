"""Every stored golden swap, and the command that checks files of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.__main__ import main
from tests.vectors.check import check
from tests.vectors.formats import FORMATS

VECTORS = Path(__file__).parents[2] / "vectors"


def _vectors(kind: str) -> Any:
    return json.loads((VECTORS / f"{kind}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "swaps"),
    [
        ("raydium_cpmm", 300),
        ("meteora_dlmm", 200),
        ("meteora_dlmm.exact_out_dust", 3),
        ("meteora_damm_v2", 300),
    ],
)
def test_every_golden_swap_agrees(name: str, swaps: int) -> None:
    report = check(VECTORS / f"{name}.json")
    assert [str(difference) for difference in report.differences] == []
    assert report.swaps == swaps


def test_command_accepts_agreeing_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(VECTORS / f"{kind}.json") for kind in FORMATS]) == 0
    assert capsys.readouterr().out.count("0 differ") == len(FORMATS)


@pytest.mark.parametrize("kind", FORMATS)
def test_command_names_the_field_that_differs(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = _vectors(kind)
    position = next(i for i, vector in enumerate(vectors) if "error" not in vector["expect"])
    right = vectors[position]["expect"]["protocol_fee"]
    vectors[position]["expect"]["protocol_fee"] += 1
    (tmp_path / f"{kind}.json").write_text(json.dumps(vectors), encoding="utf-8")

    assert main([str(tmp_path / f"{kind}.json")]) == 1

    out = capsys.readouterr().out
    assert f"{len(vectors) - 1} agree, 1 differ" in out
    assert f"{kind}.json[{position}] protocol_fee: expected {right + 1}, got {right}" in out


@pytest.mark.parametrize("kind", FORMATS)
def test_command_reports_an_accepted_swap_that_should_be_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted = next(vector for vector in _vectors(kind) if "error" not in vector["expect"])
    accepted["expect"] = {"error": "zero_output"}
    (tmp_path / f"{kind}.json").write_text(json.dumps([accepted]), encoding="utf-8")

    assert main([str(tmp_path / f"{kind}.json")]) == 1
    assert "error: expected zero_output, got nothing" in capsys.readouterr().out


def _without_amount(vector: Any) -> Any:
    del vector["swap"]["amount"]
    return [vector]


def _with_text_amount(vector: Any) -> Any:
    vector["swap"]["amount"] = "5"
    return [vector]


def _with_foreign_mode(vector: Any) -> Any:
    vector["swap"]["mode"] = "exact"
    return [vector]


def _with_foreign_token(vector: Any) -> Any:
    vector["swap"]["token_in"] = "SOL"
    return [vector]


@pytest.mark.parametrize(
    "spoil",
    [
        _without_amount,
        _with_text_amount,
        _with_foreign_mode,
        _with_foreign_token,
        lambda vector: vector,
        lambda _: [],
        lambda _: [1],
    ],
)
def test_command_exits_2_on_a_malformed_file(
    spoil: Callable[[Any], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "raydium_cpmm.json"
    path.write_text(json.dumps(spoil(_vectors("raydium_cpmm")[0])), encoding="utf-8")
    assert main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_command_exits_2_on_an_unknown_kind_or_a_missing_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "uniswap.json")]) == 2
    assert "unknown pool kind 'uniswap'" in capsys.readouterr().err
    assert main([str(tmp_path / "raydium_cpmm.json")]) == 2
    assert "cannot read" in capsys.readouterr().err
