"""Calls that read accounts."""

import base64
from typing import Any, Final

from chalicelib.adapters import base58
from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.programs import TOKEN, TOKEN_2022, TOKEN_PROGRAMS
from infra.chain.machine import RENT_EPOCH_NEVER
from infra.chain.node import Node
from infra.chain.records import is_token_account, ui_amount
from infra.chain.rpc.errors import RpcError, invalid_params
from infra.chain.rpc.params import Params, decoded, key_of, view_of, whole, with_context

ACCOUNTS_MAX: Final = 100
FILTERS_MAX: Final = 4
_BASE58_BYTES_MAX: Final = 128
_MINT_BYTES: Final = 82


def get_account_info(node: Node, params: Params) -> Any:
    config = params.config(1)
    view = view_of(node, config)
    key = params.key(0)
    return with_context(view, shown(node, key, node.chain.account(key, view.slot), config))


def get_multiple_accounts(node: Node, params: Params) -> Any:
    config = params.config(1)
    view = view_of(node, config)
    keys = params.keys(0, ACCOUNTS_MAX)
    node.chain.want(keys)
    return with_context(
        view,
        [
            shown(node, key, node.chain.account(key, view.slot), {"encoding": "base64", **config})
            for key in keys
        ],
    )


def get_balance(node: Node, params: Params) -> Any:
    view = view_of(node, params.config(1))
    account = node.chain.account(params.key(0), view.slot)
    return with_context(view, 0 if account is None else account.lamports)


def get_token_account_balance(node: Node, params: Params) -> Any:
    view = view_of(node, params.config(1))
    account = node.chain.account(params.key(0), view.slot)
    if account is None:
        raise invalid_params("Invalid param: could not find account")
    if not is_token_account(account):
        raise invalid_params("Invalid param: not a Token account")
    amount = int.from_bytes(account.data[64:72], "little")
    return with_context(view, ui_amount(amount, _decimals(node, Pubkey(account.data[:32]))))


def get_token_supply(node: Node, params: Params) -> Any:
    view = view_of(node, params.config(1))
    mint = node.chain.account(params.key(0), view.slot)
    if mint is None or mint.owner not in TOKEN_PROGRAMS or len(mint.data) < _MINT_BYTES:
        raise invalid_params("Invalid param: not a Token mint")
    return with_context(view, ui_amount(int.from_bytes(mint.data[36:44], "little"), mint.data[44]))


def get_token_accounts_by_owner(node: Node, params: Params) -> Any:
    owner = params.key(0)
    wanted = params.required(1, "a mint or a program")
    if not isinstance(wanted, dict):
        raise invalid_params("Invalid params: expected {mint} or {programId}.")
    config = params.config(2)
    view = view_of(node, config)
    mint = key_of(wanted["mint"]) if "mint" in wanted else None
    programs = [key_of(wanted["programId"])] if "programId" in wanted else [TOKEN, TOKEN_2022]
    found = []
    for program in programs:
        for key, account in node.chain.owned_by(program, view.slot):
            if not is_token_account(account) or account.data[32:64] != owner:
                continue
            if mint is None or account.data[:32] == mint:
                found.append({"pubkey": address_of(key), "account": shown(node, key, account, config)})
    return with_context(view, found)


def get_program_accounts(node: Node, params: Params) -> Any:
    config = params.config(1)
    view = view_of(node, config)
    filters = filters_of(config)
    if node.chain.search is not None:
        node.chain.want(node.chain.search(params.key(0), config.get("filters")))
    found = [
        {"pubkey": address_of(key), "account": shown(node, key, account, config)}
        for key, account in node.chain.owned_by(params.key(0), view.slot)
        if matches(account, filters)
    ]
    return with_context(view, found) if config.get("withContext") else found


def filters_of(config: dict[str, Any]) -> list[tuple[int, bytes | None]]:
    """Return filters: (length, None), or (offset, bytes that stand there).

    Raises:
        RpcError: There are too many, or one is none.
    """
    given = config.get("filters") or []
    if not isinstance(given, list) or len(given) > FILTERS_MAX:
        raise invalid_params(f"Too many filters provided; max {FILTERS_MAX}")
    filters: list[tuple[int, bytes | None]] = []
    for one in given:
        if isinstance(one, dict) and "dataSize" in one:
            filters.append((whole(one["dataSize"], "dataSize"), None))
        elif isinstance(one, dict) and isinstance(one.get("memcmp"), dict):
            compared = one["memcmp"]
            text, encoding = compared.get("bytes"), compared.get("encoding") or "base58"
            filters.append((whole(compared.get("offset"), "offset"), decoded(text, encoding)))
        else:
            raise invalid_params("Invalid params: unknown filter")
    return filters


def matches(account: Account, filters: list[tuple[int, bytes | None]]) -> bool:
    return all(
        len(account.data) == number
        if wanted is None
        else account.data[number : number + len(wanted)] == wanted
        for number, wanted in filters
    )


def shown(node: Node, key: Pubkey, account: Account | None, config: dict[str, Any]) -> Any:
    """Return an account as JSON-RPC has it, None for none.

    Raises:
        RpcError: The encoding is unknown, or not for that much data.
    """
    if account is None:
        return None
    encoding = config.get("encoding") or "base58"
    data = account.data
    piece = config.get("dataSlice")
    if piece is not None:
        offset = whole(piece.get("offset"), "dataSlice.offset")
        data = data[offset : offset + whole(piece.get("length"), "dataSlice.length")]
    body: Any
    parsed = _parsed(node, account) if encoding == "jsonParsed" else None
    if parsed is not None:
        body = parsed
    elif encoding in {"base64", "jsonParsed"}:
        body = [base64.b64encode(data).decode(), "base64"]
    elif encoding in {"base58", "binary"}:
        if len(data) > _BASE58_BYTES_MAX:
            raise RpcError(
                -32600,
                "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding.",
            )
        body = [base58.encode(data), "base58"] if config.get("encoding") else base58.encode(data)
    else:
        raise invalid_params(f"unsupported encoding: {encoding}")
    return {
        "lamports": account.lamports,
        "owner": address_of(account.owner),
        "data": body,
        "executable": node.chain.is_executable(key),
        "rentEpoch": RENT_EPOCH_NEVER,
        "space": len(account.data),
    }


def _parsed(node: Node, account: Account) -> dict[str, Any] | None:
    """Token accounts and mints; all else has its bytes."""
    program = {TOKEN: "spl-token", TOKEN_2022: "spl-token-2022"}.get(account.owner)
    data = account.data
    if program is None:
        return None
    if is_token_account(account):
        mint = Pubkey(data[:32])
        info: dict[str, Any] = {
            "mint": address_of(mint),
            "owner": address_of(Pubkey(data[32:64])),
            "state": "frozen" if data[108] == 2 else "initialized",
            "isNative": bool(data[109]),
            "tokenAmount": ui_amount(int.from_bytes(data[64:72], "little"), _decimals(node, mint)),
        }
        if data[72]:
            delegated = int.from_bytes(data[121:129], "little")
            info["delegate"] = address_of(Pubkey(data[76:108]))
            info["delegatedAmount"] = ui_amount(delegated, _decimals(node, mint))
        kind = "account"
    elif len(data) >= _MINT_BYTES and data[45]:
        info = {
            "decimals": data[44],
            "supply": str(int.from_bytes(data[36:44], "little")),
            "isInitialized": True,
            "mintAuthority": address_of(Pubkey(data[4:36])) if data[0] else None,
            "freezeAuthority": address_of(Pubkey(data[50:82])) if data[46] else None,
        }
        kind = "mint"
    else:
        return None
    return {"program": program, "parsed": {"type": kind, "info": info}, "space": len(data)}


def _decimals(node: Node, mint: Pubkey) -> int:
    account = node.chain.account(mint)
    return account.data[44] if account is not None and len(account.data) >= _MINT_BYTES else 0
