"""Wallets that a local chain fills when they are first met."""

from typing import Any

from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.local_faucet import FundedSigner
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import RpcError
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.adapters.solana.signer import DelegateSigner, SeedKey, SeedSigner
from tests.unit.adapters.solana.books import a_key


class Faucet(RpcNode):
    """Notes whom it funds; refuses if it is no local chain."""

    def __init__(self, *, is_local: bool = True) -> None:
        self.name = "faucet"
        self.funded: list[str] = []
        self._is_local = is_local

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:
        del time_limit_s
        assert isinstance(call, RpcCall)
        assert call.method == "chain_fund"
        self.funded += call.params
        if not self._is_local:
            raise RpcError(-32601, "Method not found", None)
        return True


def test_wallet_is_funded_once_when_it_is_first_asked_for() -> None:
    faucet, seeds = Faucet(), SeedSigner(b"seed")
    signer = FundedSigner(seeds, RpcNodes([faucet]), time_limit_s=1)
    for _ in range(2):
        assert signer.wallet("a") == seeds.wallet("a")
    assert signer.sign("a", b"m") == seeds.sign("a", b"m")
    assert faucet.funded == [address_of(seeds.wallet("a").owner)]


def test_desk_and_its_owner_are_both_funded() -> None:
    faucet, desk = Faucet(), SeedKey(b"k" * 32)
    FundedSigner(DelegateSigner(desk, {"a": a_key(1)}.get), RpcNodes([faucet]), time_limit_s=1).wallet("a")
    assert faucet.funded == [address_of(desk.key), address_of(a_key(1))]


def test_chain_without_such_a_faucet_is_asked_once_and_the_wallet_serves() -> None:
    faucet, seeds = Faucet(is_local=False), SeedSigner(b"seed")
    signer = FundedSigner(seeds, RpcNodes([faucet]), time_limit_s=1)
    assert signer.wallet("a") == signer.wallet("a") == seeds.wallet("a")
    assert len(faucet.funded) == 1
