"""What is logged of a node that calls wrong what is sent: nothing proves that it is right."""

import pytest

from chalicelib.adapters.solana.rpc_errors import RpcError
from chalicelib.domain.errors import RetryableError
from tests.unit.adapters.solana.test_chain import a_chain, a_node, an_order


@pytest.mark.parametrize("is_alone", [True, False])
def test_node_that_calls_a_transaction_wrong_is_told_as_an_error_only_if_no_other_takes_it(
    caplog: pytest.LogCaptureFixture, *, is_alone: bool
) -> None:
    caplog.set_level("INFO")
    first, second = a_node("first"), a_node("second")
    chain = a_chain(first) if is_alone else a_chain(first, second)
    (signed,) = chain.sign([an_order()])
    first.failing = RpcError(-32003, "signature verification failure", None)
    if is_alone:
        with pytest.raises(RetryableError, match="no node took"):
            chain.send([signed])
    else:
        chain.send([signed])
        assert second.sent == [signed.payload]
    (told,) = caplog.records
    assert (told.levelname, told.getMessage()) == (
        ("ERROR", "transaction called wrong") if is_alone else ("INFO", "node passed over")
    )
    assert vars(told)["node"] == "first"
    assert "signature verification" in vars(told)["reason"]
