"""Money for new accounts on a chain of one's own, so that an order can be the first thing that one sends.

The simulated market does the same with ``MARKET_FAUCET``. Only ``infra.chain`` knows the call; another chain
refuses it, which is said once per wallet and changes nothing.
"""

from typing import Final

from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.adapters.solana.signer import Signer
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.logs import logger

_MET_MAX: Final = 100_000


class FundedSigner:
    """A signer whose wallets get SOL and every token when this process first meets them. The port ``Signer``.

    Asking again gives nothing to a wallet that has its accounts.
    """

    def __init__(self, inner: Signer, nodes: RpcNodes, *, time_limit_s: float) -> None:
        self._inner, self._nodes, self._time_limit_s = inner, nodes, time_limit_s
        self._met: set[Pubkey] = set()

    def wallet(self, account_id: str) -> TradingWallet:
        wallet = self._inner.wallet(account_id)
        for key in dict.fromkeys(wallet):
            self._meet(key)
        return wallet

    def sign(self, account_id: str, message: bytes) -> bytes:
        return self._inner.sign(account_id, message)

    def _meet(self, key: Pubkey) -> None:
        if key in self._met:
            return
        try:
            self._nodes.ask(RpcCall("chain_fund", (address_of(key),)), time_limit_s=self._time_limit_s)
        except NodeError as error:
            logger.warning("wallet not funded", wallet=address_of(key), reason=str(error))
        if len(self._met) >= _MET_MAX:
            self._met.clear()
        self._met.add(key)
