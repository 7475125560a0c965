"""A key in a file, as the Solana command line keeps it, and transactions that it signs."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from chalicelib.adapters.solana.blockhashes import Blockhashes
from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import KEY_BYTES, address_of
from chalicelib.adapters.solana.messages import v0_message
from chalicelib.adapters.solana.programs import SYSTEM, TOKEN_PROGRAMS
from chalicelib.adapters.solana.rpc_answers import epoch_info, statuses_at
from chalicelib.adapters.solana.rpc_calls import get_epoch_info, get_signature_statuses, send_transaction
from chalicelib.adapters.solana.rpc_errors import NodeError, Remedy, RpcError, instruction_fault
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.signing import sign
from infra.cli.parameters import wrong
from infra.cli.solana_nodes import TIME_LIMIT_S

_FILE_BYTES_MAX: Final = 1_024
_POLL_S: Final = 0.5
_REFUSALS: Final = {
    (SYSTEM, 1): "the wallet does not hold enough SOL",
    **dict.fromkeys(((program, 17) for program in TOKEN_PROGRAMS), "the token account is frozen"),
}
"""What the commands' own instructions are refused for by number: an owner can do something about it."""


def key_in(path: Path) -> SeedKey:
    """Return the key of a file that ``solana-keygen`` wrote: a JSON list of 64 bytes, the last 32 public.

    Raises:
        BadParameter: It is none. What is in the file is never shown.
    """
    try:
        numbers = json.loads(path.read_bytes()[:_FILE_BYTES_MAX])
        raw = bytes(numbers)
    except (OSError, ValueError, TypeError) as error:
        raise wrong("--keypair", f"{path} is no keypair file of solana-keygen") from error
    key = SeedKey(raw[:KEY_BYTES]) if len(raw) == 2 * KEY_BYTES else None
    if key is None or key.key != raw[KEY_BYTES:]:
        problem = f"{path} is no keypair file: it holds 64 bytes, a private key and its public one"
        raise wrong("--keypair", problem)
    return key


def send(nodes: RpcNodes, key: SeedKey, instructions: Sequence[Instruction]) -> str:
    """Send a transaction, and return its signature once it landed.

    Raises:
        ClickException: It was refused, or did not land while it could.
    """
    try:
        recent = Blockhashes(nodes, time_limit_s=TIME_LIMIT_S).recent()
        signed = sign(v0_message(key.key, list(instructions), recent.blockhash), {key.key: key.sign})
        call = send_transaction(signed.wire, is_simulated_first=True)
        try:
            nodes.ask(call, time_limit_s=TIME_LIMIT_S)
        except NodeError as error:
            if isinstance(error, RpcError) and error.fault == "AccountNotFound":
                address = address_of(key.key)
                raise click.ClickException(
                    f"{address} has no SOL for the fee: ./orderflow wallet airdrop --address {address},"
                    " or send it some"
                ) from error
            if error.remedy is Remedy.REFUSAL:
                why = _refusal(error, instructions)
                raise click.ClickException(f"the transaction would fail: {why}") from error
        landed_by(nodes, signed.signature, recent.last_valid_height, resend=signed.wire)
    except NodeError as error:
        raise click.ClickException(f"no node answers: {error}; whether it landed is not known") from error
    return signed.signature


def _refusal(error: NodeError, instructions: Sequence[Instruction]) -> str:
    found = instruction_fault(error.fault) if isinstance(error, RpcError) else None
    if found is None or not 0 <= found[0] < len(instructions) or isinstance(found[1], str):
        return str(error)
    return _REFUSALS.get((instructions[found[0]].program, found[1]), str(error))


def landed_by(
    nodes: RpcNodes, signature: str, last_height: int | None, *, resend: bytes | None = None
) -> None:
    """Wait until a transaction landed.

    Args:
        last_height: It cannot land beyond; None waits for as long as a transaction lives.
        resend: Its bytes, which are sent again while nothing is known of it.

    Raises:
        ClickException: It failed, or is dead.
        NodeError: No node answers.
    """
    end_height = last_height
    while True:
        height = epoch_info(nodes.ask(get_epoch_info(), time_limit_s=TIME_LIMIT_S)).height
        end_height = height + 150 if end_height is None else end_height
        (status,) = statuses_at(
            nodes.ask(get_signature_statuses([signature]), time_limit_s=TIME_LIMIT_S), 1
        ).statuses
        if status is not None and status.is_final:
            if status.fault is not None:
                raise click.ClickException(f"{signature} was refused: {json.dumps(status.fault)}")
            return
        # One that is seen has landed, and may only not be final yet.
        if status is None and height > end_height:
            raise click.ClickException(f"{signature} did not land; sending again makes a new transaction")
        if resend is not None and status is None:
            nodes.tell_all(send_transaction(resend, is_simulated_first=False), time_limit_s=TIME_LIMIT_S)
        time.sleep(_POLL_S)
