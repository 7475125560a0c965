"""Pools by their bytes: one vector of each program, to be changed byte by byte."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest

from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.pool_reading import OnChainPool
from chalicelib.adapters.solana.programs import SwapProgram
from tests.vectors.onchain import Case, cases_of
from tests.vectors.onchain_checks import decode

VECTORS: Final = Path(__file__).parents[3] / "vectors" / "solana"


@lru_cache(maxsize=8)
def all_cases(program: SwapProgram) -> tuple[Case, ...]:
    return tuple(cases_of(VECTORS / f"{program.value}.json"))


def a_case(program: SwapProgram, kind: str = "normal") -> Case:
    return next(case for case in all_cases(program) if case.kind == kind and case.error is None)


def with_bytes(case: Case, key: Pubkey, at: int, raw: bytes) -> Case:
    """The same case with a few bytes of one account changed."""
    account = case.accounts[key]
    data = account.data[:at] + raw + account.data[at + len(raw) :]
    return with_account(case, key, account._replace(data=data))


def with_account(case: Case, key: Pubkey, account: Account | None) -> Case:
    accounts: Mapping[Pubkey, Account] = {**case.accounts, key: account}  # type: ignore[dict-item]  # None: not there
    return replace(case, accounts=accounts)


def a_pool(case: Case) -> OnChainPool:
    return decode(case, case.accounts)


def refusal_of(case: Case) -> Unsupported:
    """Why the case's pool is left alone."""
    with pytest.raises(UnsupportedPoolError) as refused:
        a_pool(case)
    return refused.value.reason
