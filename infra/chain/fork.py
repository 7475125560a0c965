"""Accounts of another chain, fetched from one of its nodes when they are first asked for, and kept.

A program comes with its code, and then runs itself: nothing of it is modelled any more.
"""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any, Final

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from infra.chain.chain import Chain
from infra.chain.machine import program_data_key

ACCOUNTS_PER_CALL: Final = 100
TIMEOUT_S: Final = 20
ANSWER_BYTES_MAX: Final = 512 * 1024 * 1024
FOUND_MAX: Final = 1_000
"""Of one search: each account that is found is fetched, and kept."""

ABSENT_FOR_S: Final = 30
"""So long an account that the node has not got is not asked for again."""


class ForkError(OSError):
    """The node that is copied from did not answer as a node does."""


class Fork:
    """A node to copy from.

    Args:
        url: Its JSON-RPC over HTTP.
        now: A monotonic clock, in seconds.
    """

    def __init__(self, url: str, *, now: Callable[[], float]) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"--fork takes an http or https URL, not {url!r}")
        self._url = url
        self._now = now
        self._absent: dict[Pubkey, float] = {}
        self._chain: Chain | None = None

    def attach(self, chain: Chain) -> None:
        """Fetch what this chain misses from now on."""
        self._chain = chain
        chain.fetch, chain.search = self._fetch, self._search

    def genesis_hash(self) -> str:
        return str(self._call("getGenesisHash", []))

    def position(self) -> tuple[int, int]:
        """Return the slot and the height of the node."""
        info = self._call("getEpochInfo", [{"commitment": "confirmed"}])
        return int(info["absoluteSlot"]), int(info["blockHeight"])

    def _fetch(self, keys: list[Pubkey]) -> None:
        chain = self._chain
        assert chain is not None, "it is attached"
        now = self._now()
        self._absent = {key: until for key, until in self._absent.items() if until > now}
        wanted = [key for key in dict.fromkeys(keys) if key not in self._absent]
        found = self._read(wanted)
        # Code first: a program without it cannot be put into the machine.
        code = [
            at
            for account, executable in found.values()
            if executable and (at := program_data_key(account)) is not None and at not in chain.keys
        ]
        if code:
            chain.put({key: account for key, (account, _) in self._read(code).items()})
        if found:
            chain.put(
                {key: account for key, (account, _) in found.items()},
                executable=[key for key, (_, executable) in found.items() if executable],
            )
        self._absent |= {key: now + ABSENT_FOR_S for key in wanted if key not in found}

    def _search(self, program: Pubkey, filters: Any) -> list[Pubkey]:
        """Return the accounts of a program that the node finds, without what is in them."""
        config = {
            "encoding": "base64",
            "commitment": "confirmed",
            "dataSlice": {"offset": 0, "length": 0},
            "filters": filters or [],
        }
        found = self._call("getProgramAccounts", [address_of(program), config])
        if not isinstance(found, list) or len(found) > FOUND_MAX:
            raise ForkError(f"{self._url} finds no list of at most {FOUND_MAX} accounts")
        try:
            return [pubkey(one["pubkey"]) for one in found]
        except (KeyError, TypeError, ValueError) as e:
            raise ForkError(f"{self._url} answers with something else than accounts") from e

    def _read(self, keys: Iterable[Pubkey]) -> dict[Pubkey, tuple[Account, bool]]:
        listed = list(keys)
        found: dict[Pubkey, tuple[Account, bool]] = {}
        for at in range(0, len(listed), ACCOUNTS_PER_CALL):
            part = listed[at : at + ACCOUNTS_PER_CALL]
            config = {"encoding": "base64", "commitment": "confirmed"}
            answer = self._call("getMultipleAccounts", [[address_of(key) for key in part], config])
            try:
                for key, value in zip(part, answer["value"], strict=True):
                    if value is not None:
                        found[key] = _account(value), bool(value["executable"])
            except (KeyError, TypeError, ValueError) as e:
                raise ForkError(f"{self._url} answers with something else than accounts") from e
        return found

    def _call(self, method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 - checked to be http
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - the same
                answer = json.loads(response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as e:
            with e:
                raise ForkError(f"no answer from the node to copy from: {e}") from e
        except (OSError, ValueError) as e:
            raise ForkError(f"no answer from the node to copy from: {e}") from e
        if not isinstance(answer, dict) or "result" not in answer:
            raise ForkError(f"the node to copy from refuses {method}: {answer}")
        return answer["result"]


def _account(value: Any) -> Account:
    return Account(pubkey(value["owner"]), int(value["lamports"]), base64.b64decode(value["data"][0]))
