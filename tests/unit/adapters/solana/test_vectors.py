"""Every stored vector of the chain, and the command that checks files of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.__main__ import main
from tests.vectors.check import check_any

VECTORS = Path(__file__).parents[3] / "vectors" / "solana"


@pytest.mark.parametrize(
    ("name", "vectors"),
    [
        ("raydium_cpmm", 200),
        ("raydium_clmm", 230),
        ("raydium_clmm_mainnet", 17),
        ("meteora_dlmm", 230),
        ("meteora_dlmm_6085", 6),
        ("meteora_damm_v2", 260),
        ("decode", 49),
        ("transactions", 35),
        ("rpc_shapes", 27),
    ],
)
def test_every_stored_vector_agrees(name: str, vectors: int) -> None:
    report = check_any(VECTORS / f"{name}.json")
    assert [str(difference) for difference in report.differences] == []
    assert report.swaps == vectors


def _first(name: str, *, kind: str = "normal", is_ok: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    file = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    case = next(case for case in file["cases"] if case["kind"] == kind and case["result"]["ok"] is is_ok)
    return {**file, "cases": [case]}, case


def _checked(path: Path, file: dict[str, Any]) -> int:
    path.write_text(json.dumps(file), encoding="utf-8")
    return main([str(path)])


def test_command_reads_a_file_of_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, _ = _first("raydium_cpmm")
    assert _checked(tmp_path / "kept_back.json", file) == 0
    assert "1 agree, 0 differ" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["raydium_cpmm", "raydium_clmm", "meteora_dlmm", "meteora_damm_v2"])
@pytest.mark.parametrize("check", ["quote", "instruction", "state", "event", "refusal"])
def test_command_names_the_check_that_differs(
    name: str, check: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, case = _first(name)
    match check:
        case "quote":
            case["received"] = str(int(case["received"]) + 1)
        case "instruction":
            case["instruction"]["accounts"][1][1] = "sw"
        case "state":
            case["result"]["after"] = {}
        case "event":
            case["result"]["events"] = []
        case "refusal":
            error = {"InstructionError": [0, {"Custom": 6999}]}
            case["result"] = {"ok": False, "error": error, "log": None}
    assert _checked(tmp_path / "spoiled.json", file) == 1
    assert f"{check}:" in capsys.readouterr().out


@pytest.mark.parametrize("spoil", ["accounts", "clock", "instruction", "result", "amount", "pool"])
def test_command_exits_2_where_a_part_is_missing(
    spoil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, case = _first("meteora_dlmm")
    del case[spoil]
    assert _checked(tmp_path / "broken.json", file) == 2
    assert "holds no vectors: KeyError" in capsys.readouterr().err


def test_command_exits_2_on_an_object_that_is_no_vector_file(tmp_path: Path) -> None:
    assert _checked(tmp_path / "else.json", {"answer": 42}) == 2
    assert _checked(tmp_path / "empty.json", {"vectors": []}) == 2
