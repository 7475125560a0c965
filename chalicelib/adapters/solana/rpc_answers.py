"""JSON-RPC's answers as values: what is read from them is checked, and the rest is not looked at."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from chalicelib.adapters import base58
from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import Pubkey, pubkey
from chalicelib.adapters.solana.rpc_errors import (
    MalformedResultError,
    RateLimitedError,
    Remedy,
    RpcError,
    UnreadableAnswerError,
    id_in,
    json_in,
    seconds_asked,
)
from chalicelib.adapters.solana.transaction_size import check_size

_OK, RATE_LIMITED = 200, 429
_WHOLE_MAX, _PLACE_MAX = 2**63 - 1, 2**53
"""The record holds no more; to heights and slots blocks are added before that."""
_U64_DIGITS: Final = 20  # Python refuses to parse some thousand, with an error that is no NodeError
FINAL_COMMITMENTS: Final = frozenset({"confirmed", "finalized"})  # since Alpenglow both are irreversible


class LatestBlockhash(NamedTuple):
    """A hash that a message may name, up to a block height."""

    blockhash: bytes
    last_valid_height: int
    slot: int


class EpochInfo(NamedTuple):
    """Height and slot of one bank."""

    slot: int
    height: int
    epoch: int


class AccountsAt(NamedTuple):
    """Accounts in the order asked for, all as of one slot; None where there is none."""

    slot: int
    accounts: tuple[Account | None, ...]


class RpcSignatureStatus(NamedTuple):
    """What a node knows of a transaction.

    Attributes:
        fault: As JSON, None if it succeeded.
        is_final: It can no longer vanish.
    """

    slot: int
    fault: Any
    is_final: bool


class StatusesAt(NamedTuple):
    """Statuses in the order asked for; None says only that this node, at this slot, has not seen one."""

    slot: int
    statuses: tuple[RpcSignatureStatus | None, ...]


class MentionedIn(NamedTuple):
    """A transaction that names an account.

    Attributes:
        fault: As JSON, None if it succeeded.
        memo: Its memos, each behind its length in brackets; None if this node tells none.
        unix_time: Of its block; None if this node does not know it.
    """

    signature: str
    slot: int
    fault: Any
    memo: str | None = None
    unix_time: int | None = None


class TokenBalance(NamedTuple):
    """A token account's balance beside a transaction."""

    mint: Pubkey
    amount: int


class InnerInstruction(NamedTuple):
    """A call that a program made."""

    program: Pubkey
    accounts: tuple[Pubkey, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """A transaction in a block.

    Attributes:
        keys: All accounts: of the message, then those from tables, writable ones first.
        tokens_before: By account; one that was opened and closed again has no entry at all.
        inner: By the index of the outer instruction.
        outer: What its message says.
    """

    slot: int
    fault: Any
    fee_lamports: int
    keys: tuple[Pubkey, ...]
    tokens_before: Mapping[Pubkey, TokenBalance]
    tokens_after: Mapping[Pubkey, TokenBalance]
    logs: tuple[str, ...]
    inner: Mapping[int, tuple[InnerInstruction, ...]]
    outer: tuple[InnerInstruction, ...] = ()

    def token_change(self, account: Pubkey) -> int:
        """Return by how much a token account's balance grew, transfer fees already off."""
        before, after = self.tokens_before.get(account), self.tokens_after.get(account)
        return (after.amount if after else 0) - (before.amount if before else 0)


class Simulation(NamedTuple):
    """What a transaction would do."""

    fault: Any
    units_consumed: int
    logs: tuple[str, ...]


def result_of(status: int, body: bytes, retry_after: bytes | None = None, call_id: int | None = None) -> Any:
    """Return the result that an HTTP answer carries; not that of a call with another id.

    Raises:
        RateLimitedError: The node limits us, by status or by an error of the same number.
        RpcError: The node answered an error.
        UnreadableAnswerError: Anything else: nothing is known.
    """
    if status == RATE_LIMITED:
        raise RateLimitedError(seconds_asked(retry_after))
    answer = json_in(body)
    if answer is None:
        raise UnreadableAnswerError(f"HTTP {status}, no JSON")
    return result_in(status, answer, retry_after, call_id)


def result_in(status: int, answer: Any, retry_after: bytes | None = None, call_id: int | None = None) -> Any:
    """Return the result in one answer of JSON-RPC. Raises as ``result_of``."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not (isinstance(error, dict) and isinstance(error.get("code"), int)):
        error = None
    if error is not None and error["code"] == RATE_LIMITED:
        raise RateLimitedError(seconds_asked(retry_after))
    is_its = call_id is None or id_in(answer) in {None, str(call_id)}
    if error is not None:
        found = RpcError(error["code"], str(error.get("message", "")), error.get("data"))
        # What is said of the node, gateways say with an id of their own.
        if is_its or found.remedy not in {Remedy.POLL, Remedy.REFUSAL}:
            raise found
    if not is_its:
        raise UnreadableAnswerError("the answer to another call")
    if status != _OK or not isinstance(answer, dict) or "result" not in answer:
        raise UnreadableAnswerError(f"HTTP {status}, no JSON-RPC result")
    return answer["result"]


def latest_blockhash(result: Any) -> LatestBlockhash:
    """Read ``getLatestBlockhash``. Raises MalformedResultError, as all of these do."""
    slot, value = _with_context(result, dict)
    return LatestBlockhash(_key(value, "blockhash"), _place(value, "lastValidBlockHeight"), slot)


def epoch_info(result: Any) -> EpochInfo:
    """Read ``getEpochInfo``."""
    return EpochInfo(_place(result, "absoluteSlot"), _place(result, "blockHeight"), _int(result, "epoch"))


def accounts_at(result: Any, count: int) -> AccountsAt:
    """Read ``getMultipleAccounts`` of so many keys."""
    slot, value = _with_context(result, list)
    return AccountsAt(slot, tuple(None if one is None else account(one) for one in _exactly(value, count)))


def account(value: Any) -> Account:
    """Read one account, as answers and notifications have it."""
    data = _member(value, "data", list)
    if len(data) != 2 or data[1] != "base64" or not isinstance(data[0], str):
        raise MalformedResultError("account data is not base64")
    return Account(_key(value, "owner"), _int(value, "lamports"), _base64(data[0]))


def statuses_at(result: Any, count: int) -> StatusesAt:
    """Read ``getSignatureStatuses`` of so many signatures."""
    slot, value = _with_context(result, list)
    return StatusesAt(slot, tuple(None if one is None else _status(one) for one in _exactly(value, count)))


def signatures_of(result: Any, before: str | None = None) -> tuple[MentionedIn, ...]:
    """Return the transactions that name an account, the newest first; of those ``before`` one, not itself."""
    if not isinstance(result, list):
        raise MalformedResultError("a list of signatures was expected")
    found = tuple(
        MentionedIn(
            _member(one, "signature", str),
            _place(one, "slot"),
            one.get("err"),
            memo if isinstance(memo := one.get("memo"), str) else None,
            None if one.get("blockTime") is None else _int(one, "blockTime"),
        )
        for one in result
    )
    if before is not None and any(one.signature == before for one in found):  # so it would go on for ever
        raise MalformedResultError("a page of signatures that was told before")
    return found


def transaction(result: Any) -> TransactionRecord | None:
    """Read ``getTransaction`` in ``json`` encoding; None if this node does not know it (yet)."""
    if result is None:
        return None
    check_size(result)
    meta = _member(result, "meta", dict)
    message = _member(_member(result, "transaction", dict), "message", dict)
    loaded = meta.get("loadedAddresses") or {"writable": [], "readonly": []}
    texts = [*_texts(message, "accountKeys"), *_texts(loaded, "writable"), *_texts(loaded, "readonly")]
    keys = tuple(_as_key(text) for text in texts)
    before, after = _member(meta, "preBalances", list), _member(meta, "postBalances", list)
    if not len(before) == len(after) == len(keys):
        raise MalformedResultError(f"{len(before)} and {len(after)} balances of {len(keys)} accounts")
    return TransactionRecord(
        slot=_place(result, "slot"),
        fault=meta.get("err"),
        fee_lamports=_int(meta, "fee"),
        keys=keys,
        tokens_before=_token_balances(meta, "preTokenBalances", keys),
        tokens_after=_token_balances(meta, "postTokenBalances", keys),
        logs=tuple(_texts(meta, "logMessages")) if meta.get("logMessages") is not None else (),
        inner=_inner(meta, keys),
        outer=tuple(_instruction(one, keys) for one in _member(message, "instructions", list)),
    )


def first_signature(result: Any) -> str:
    """Return the signature by which a transaction is known, of what ``getTransaction`` answered."""
    found = _texts(_member(result, "transaction", dict), "signatures")
    if not found:
        raise MalformedResultError("a transaction without a signature")
    return found[0]


def simulation(result: Any) -> Simulation:
    """Read ``simulateTransaction``."""
    _, value = _with_context(result, dict)
    logs = tuple(_texts(value, "logs")) if value.get("logs") is not None else ()
    return Simulation(value.get("err"), _whole(value.get("unitsConsumed") or 0), logs)


def prioritization_fees(result: Any) -> tuple[int, ...]:
    """Read ``getRecentPrioritizationFees``: micro-lamports per compute unit, one per block."""
    if not isinstance(result, list):
        raise MalformedResultError("the fees are no list")
    return tuple(_int(one, "prioritizationFee") for one in result)


def first_available_block(result: Any) -> int:
    """Read ``getFirstAvailableBlock``: the slot of the oldest block that the node still has."""
    return _whole(result, _PLACE_MAX)


def block_height(result: Any) -> int | None:
    """Read the height from ``getBlock``; None if the node does not know it."""
    if result is None:
        return None
    height = _member(result, "blockHeight", (int, type(None)))
    return None if height is None else _whole(height, _PLACE_MAX)


def program_accounts(result: Any) -> tuple[tuple[Pubkey, Account], ...]:
    """Read ``getProgramAccounts``."""
    if not isinstance(result, list):
        raise MalformedResultError("the accounts are no list")
    return tuple((_key(one, "pubkey"), account(_member(one, "account", dict))) for one in result)


def _status(value: Any) -> RpcSignatureStatus:
    commitment = value.get("confirmationStatus") if isinstance(value, dict) else None
    is_final = isinstance(commitment, str) and commitment in FINAL_COMMITMENTS
    if isinstance(value, dict) and commitment is None:
        is_final = value.get("confirmations", 0) is None  # as nodes say it that leave the word out
    return RpcSignatureStatus(_place(value, "slot"), value.get("err"), is_final)


def _token_balances(meta: Any, name: str, keys: Sequence[Pubkey]) -> dict[Pubkey, TokenBalance]:
    balances: dict[Pubkey, TokenBalance] = {}
    for one in _list_or_none(meta, name):
        amount = _member(_member(one, "uiTokenAmount", dict), "amount", str)
        if not (amount.isascii() and amount.isdigit() and len(amount) <= _U64_DIGITS):
            raise MalformedResultError(f"a token amount is {amount[:40]!r}")
        balances[_at(keys, _int(one, "accountIndex"))] = TokenBalance(_key(one, "mint"), int(amount))
    return balances


def _inner(meta: Any, keys: Sequence[Pubkey]) -> dict[int, tuple[InnerInstruction, ...]]:
    groups = _list_or_none(meta, "innerInstructions")
    called = ((_int(group, "index"), _member(group, "instructions", list)) for group in groups)
    return {index: tuple(_instruction(one, keys) for one in calls) for index, calls in called}


def _instruction(value: Any, keys: Sequence[Pubkey]) -> InnerInstruction:
    return InnerInstruction(
        _at(keys, _int(value, "programIdIndex")),
        tuple(_at(keys, _whole(index)) for index in _member(value, "accounts", list)),
        _base58(_member(value, "data", str)),
    )


def _with_context(result: Any, kind: type) -> tuple[int, Any]:
    return _place(_member(result, "context", dict), "slot"), _member(result, "value", kind)


def _member(record: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        wanted = kind if isinstance(kind, type) else kind[0]
        raise MalformedResultError(f"{name} is no {wanted.__name__}")
    return value


def _list_or_none(record: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list that nodes leave out, or say ``null`` for, if they did not record it."""
    listed: list[Any] = [] if record.get(name) is None else _member(record, name, list)
    return listed


def _exactly(values: list[Any], count: int) -> list[Any]:
    if len(values) != count:
        raise MalformedResultError(f"{len(values)} values for {count} asked")
    return values


def _int(record: Any, name: str) -> int:
    return _whole(_member(record, name, int))


def _place(record: Any, name: str) -> int:
    return _whole(_member(record, name, int), _PLACE_MAX)


def _whole(value: Any, most: int = _WHOLE_MAX) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise MalformedResultError(f"{value!r:.40} is no number of units")
    return value


def _texts(record: Any, name: str) -> list[str]:
    values: list[Any] = _member(record, name, list)
    if not all(isinstance(value, str) for value in values):
        raise MalformedResultError(f"{name} holds something else than texts")
    return values


def _key(record: Any, name: str) -> Pubkey:
    return _as_key(_member(record, name, str))


def _as_key(text: str) -> Pubkey:
    try:
        return pubkey(text)
    except ValueError as e:
        raise MalformedResultError(str(e)) from e


def _at(keys: Sequence[Pubkey], index: int) -> Pubkey:
    if index >= len(keys):
        raise MalformedResultError(f"account {index} of {len(keys)}")
    return keys[index]


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as e:  # binascii's is one of these, and not the only one
        raise MalformedResultError("not base64") from e


def _base58(text: str) -> bytes:
    if len(text) > base58.TEXT_MAX:  # calls within one carry 10 KB; none is so long that says anything to us
        return b""
    try:
        return base58.decode(text)
    except ValueError as e:
        raise MalformedResultError(str(e)) from e
