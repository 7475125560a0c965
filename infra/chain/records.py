"""What ``getTransaction`` tells of a transaction, made once when it lands."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from solders.message import MessageV0, MessageV1

from chalicelib.adapters import base58
from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.programs import MEMO, TOKEN_PROGRAMS
from infra.chain.outcomes import Inner, Outcome
from infra.chain.transactions import Transaction

_TOKEN_ACCOUNT_BYTES: Final = 165
_ACCOUNT_TYPE: Final = 2
_DECIMALS_AT: Final = 44

_MEMO: Final = address_of(MEMO)

Read = Callable[[Pubkey], Account | None]


def record_of(transaction: Transaction, outcome: Outcome, before: Read) -> dict[str, Any]:
    """Return the record of a transaction; ``before`` reads the state before it.

    Besides what ``getTransaction`` answers it holds the bytes, under ``wire``.
    """
    keys = transaction.keys

    def after(key: Pubkey) -> Account | None:
        return outcome.changes[key] if key in outcome.changes else before(key)

    places = {key: place for place, key in enumerate(keys)}
    writable, readonly = transaction.loaded
    static = len(keys) - writable - readonly
    return {
        "version": "legacy" if transaction.version is None else transaction.version,
        "wire": base64.b64encode(bytes(transaction.parsed)).decode(),
        "transaction": _transaction(transaction, static),
        "meta": {
            "err": outcome.err,
            "status": {"Ok": None} if outcome.err is None else {"Err": outcome.err},
            "fee": outcome.fee,
            "computeUnitsConsumed": outcome.units,
            "costUnits": outcome.units + 720 * transaction.signers + 300 * sum(transaction.writable),
            "preBalances": [_lamports(before(key)) for key in keys],
            "postBalances": [_lamports(after(key)) for key in keys],
            "preTokenBalances": token_balances(keys, before),
            "postTokenBalances": token_balances(keys, after),
            "innerInstructions": inner_instructions(outcome.inner, places),
            "logMessages": list(outcome.logs),
            "loadedAddresses": {
                "writable": [address_of(key) for key in keys[static : static + writable]],
                "readonly": [address_of(key) for key in keys[static + writable :]],
            },
            "rewards": [],
            **({"returnData": return_data(outcome)} if outcome.return_data else {}),
        },
    }


def memos_of(record: Mapping[str, Any]) -> str | None:
    """Return a transaction's memos as lists of signatures tell them, each behind its length in bytes."""
    message = record["transaction"]["message"]
    programs = [message["accountKeys"][one["programIdIndex"]] for one in message["instructions"]]
    memos = [
        base58.decode(one["data"])
        for one, program in zip(message["instructions"], programs, strict=True)
        if program == _MEMO
    ]
    return "; ".join(f"[{len(memo)}] {memo.decode(errors='replace')}" for memo in memos) or None


def return_data(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.return_data is None:
        return None
    program, data = outcome.return_data
    return {"programId": address_of(program), "data": [base64.b64encode(data).decode(), "base64"]}


def inner_instructions(
    inner: Mapping[int, tuple[Inner, ...]], places: Mapping[Pubkey, int]
) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "instructions": [
                {
                    "programIdIndex": places.get(one.program, 0),
                    "accounts": [places[key] for key in one.accounts if key in places],
                    "data": base58.encode(one.data),
                    "stackHeight": one.height,
                }
                for one in many
            ],
        }
        for index, many in sorted(inner.items())
        if many
    ]


def token_balances(keys: tuple[Pubkey, ...], read: Read) -> list[dict[str, Any]]:
    """Return the balances of those accounts that hold tokens."""
    found = []
    for place, key in enumerate(keys):
        account = read(key)
        if account is None or not is_token_account(account):
            continue
        mint = Pubkey(account.data[:32])
        minted = read(mint)
        decimals = minted.data[_DECIMALS_AT] if minted is not None and len(minted.data) > _DECIMALS_AT else 0
        found.append(
            {
                "accountIndex": place,
                "mint": address_of(mint),
                "owner": address_of(Pubkey(account.data[32:64])),
                "programId": address_of(account.owner),
                "uiTokenAmount": ui_amount(int.from_bytes(account.data[64:72], "little"), decimals),
            }
        )
    return found


def is_token_account(account: Account) -> bool:
    """Return whether an account holds tokens of either token program."""
    if account.owner not in TOKEN_PROGRAMS:
        return False
    length = len(account.data)
    if length == _TOKEN_ACCOUNT_BYTES:
        return account.data[108] != 0
    return length > _TOKEN_ACCOUNT_BYTES and account.data[_TOKEN_ACCOUNT_BYTES] == _ACCOUNT_TYPE


def ui_amount(amount: int, decimals: int) -> dict[str, Any]:
    """Return an amount as JSON-RPC shows it; programs use ``amount`` only."""
    whole, part = divmod(amount, 10**decimals)
    text = f"{whole}.{part:0{decimals}d}".rstrip("0").rstrip(".") if decimals else str(whole)
    return {"amount": str(amount), "decimals": decimals, "uiAmount": float(text), "uiAmountString": text}


def _lamports(account: Account | None) -> int:
    return 0 if account is None else account.lamports


def _transaction(transaction: Transaction, static: int) -> dict[str, Any]:
    message = transaction.parsed.message
    header = message.header
    shown: dict[str, Any] = {
        "accountKeys": [address_of(key) for key in transaction.keys[:static]],
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "recentBlockhash": base58.encode(transaction.blockhash),
        "instructions": [
            {
                "programIdIndex": program,
                "accounts": list(accounts),
                "data": base58.encode(instruction.data),
                "stackHeight": 1,
            }
            for (program, accounts), instruction in zip(
                transaction.places, transaction.instructions, strict=True
            )
        ],
    }
    if isinstance(message, MessageV0):
        shown["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "writableIndexes": list(lookup.writable_indexes),
                "readonlyIndexes": list(lookup.readonly_indexes),
            }
            for lookup in message.address_table_lookups
        ]
    if isinstance(message, MessageV1):
        config = message.config
        shown["transactionConfig"] = {
            "computeUnitLimit": config.compute_unit_limit,
            "loadedAccountsDataSizeLimit": config.loaded_accounts_data_size_limit,
            "priorityFee": config.priority_fee,
            "heapSize": config.heap_size,
        }
    return {"signatures": [base58.encode(one) for one in transaction.signatures], "message": shown}
