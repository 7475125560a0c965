"""Parameters of a call, checked, and which block its answer is about."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.adapters import base58
from chalicelib.adapters.solana.keys import Pubkey, pubkey
from infra.chain.chain import Commitment
from infra.chain.node import Node
from infra.chain.rpc.errors import context_slot_not_reached, invalid_params
from infra.chain.store import Block

API_VERSION: Final = "4.2.1"
_OLD_NAMES: Final = {
    "recent": Commitment.PROCESSED,
    "single": Commitment.CONFIRMED,
    "singleGossip": Commitment.CONFIRMED,
    "root": Commitment.FINALIZED,
    "max": Commitment.FINALIZED,
}
SIGNATURE_BYTES: Final = 64
NUMBER_MAX: Final = 2**63 - 1
"""The most that the store can hold; no slot, length or amount of a local chain comes near."""


@dataclass(frozen=True, slots=True)
class Params:
    """The positional parameters of a call."""

    values: list[Any]

    def at(self, place: int) -> Any:
        return self.values[place] if place < len(self.values) else None

    def required(self, place: int, name: str) -> Any:
        value = self.at(place)
        if value is None:
            raise invalid_params(f"`params` should have at least {place + 1} argument(s): {name}")
        return value

    def config(self, place: int) -> dict[str, Any]:
        value = self.at(place)
        if value is None:
            return {}
        if isinstance(value, str):  # a commitment alone, as very old clients have it
            return {"commitment": value}
        if not isinstance(value, dict):
            raise invalid_params("Invalid params: invalid type, expected a configuration object.")
        return value

    def key(self, place: int) -> Pubkey:
        return key_of(self.required(place, "an address"))

    def keys(self, place: int, most: int) -> list[Pubkey]:
        return [key_of(one) for one in self.listed(place, most)]

    def listed(self, place: int, most: int) -> list[Any]:
        values = self.required(place, "a list")
        if not isinstance(values, list):
            raise invalid_params("Invalid params: invalid type, expected a sequence.")
        if len(values) > most:
            raise invalid_params(f"Too many inputs provided; max {most}")
        return values


def key_of(value: Any) -> Pubkey:
    try:
        return pubkey(_text(value))
    except ValueError as e:
        raise invalid_params("Invalid param: Invalid") from e


def signature_of(value: Any) -> bytes:
    try:
        raw = base58.decode(_text(value))
    except ValueError as e:
        raise invalid_params("Invalid param: Invalid") from e
    if len(raw) != SIGNATURE_BYTES:
        raise invalid_params("Invalid param: WrongSize")
    return raw


def whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
        raise invalid_params(f"Invalid params: {name} must be a whole number up to {NUMBER_MAX}.")
    return value


def decoded(text: Any, encoding: str) -> bytes:
    """Return bytes that a client wrote as text."""
    try:
        if encoding == "base64":
            return base64.b64decode(_text(text), validate=True)
        if encoding == "base58":
            return base58.decode(_text(text))
    except (ValueError, binascii.Error) as e:
        raise invalid_params(f"invalid {encoding} encoding: {e}") from e
    raise invalid_params(f"unsupported encoding: {encoding}. Supported encodings: base58, base64")


def commitment_of(config: dict[str, Any], name: str = "commitment") -> Commitment:
    value = config.get(name)
    if value is None:
        return Commitment.FINALIZED
    if value in _OLD_NAMES:
        return _OLD_NAMES[value]
    try:
        return Commitment(value)
    except ValueError as e:
        raise invalid_params(f"Invalid params: unknown variant `{value}`.") from e


def view_of(node: Node, config: dict[str, Any], name: str = "commitment") -> Block:
    """Return the block that an answer is about.

    Raises:
        RpcError: The node has not seen the least slot that the client wants.
    """
    view = node.view(commitment_of(config, name))
    least = config.get("minContextSlot")
    if least is not None and view.slot < whole(least, "minContextSlot"):
        raise context_slot_not_reached(view.slot)
    return view


def with_context(view: Block, value: Any) -> dict[str, Any]:
    return {"context": {"apiVersion": API_VERSION, "slot": view.slot}, "value": value}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise invalid_params(f"Invalid params: invalid type: {type(value).__name__}, expected a string.")
    return value
