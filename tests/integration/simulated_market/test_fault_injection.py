"""Each fault does what it says, and none of them breaks the books or the word of a node."""

import pytest

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults, VenueFault
from chalicelib.adapters.simulated_market.transactions import VALIDITY_BLOCKS
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.transactions import SignatureStatus
from tests.integration.simulated_market.conftest import MarketUnderTest, a_swap, status_of


def turn_on(market: MarketUnderTest, faults: Faults) -> None:
    FaultBoard(market.engine).set(faults)


def test_dropped_send_has_no_effect_and_no_error(market: MarketUnderTest) -> None:
    turn_on(market, Faults(drop_rate=1))
    node = market.node()
    (transaction,) = node.sign([a_swap()])
    node.send([transaction])
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN


def test_error_before_effect_leaves_nothing_behind(market: MarketUnderTest) -> None:
    turn_on(market, Faults(error_before_rate=1))
    node = market.node()
    (transaction,) = node.sign([a_swap()])
    with pytest.raises(RetryableError):
        node.send([transaction])
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN


def test_error_after_effect_is_raised_and_the_transaction_lands(market: MarketUnderTest) -> None:
    turn_on(market, Faults(error_after_rate=1))
    node = market.node()
    (transaction,) = node.sign([a_swap()])
    with pytest.raises(RetryableError):
        node.send([transaction])
    assert status_of(node, transaction).signature_status is SignatureStatus.LANDED


def test_extra_delay_holds_a_transaction_back(market: MarketUnderTest) -> None:
    turn_on(market, Faults(extra_delay_ms=20 * 400))
    node = market.node()
    (transaction,) = node.sign([a_swap()])
    node.send([transaction])
    market.pass_blocks(15)
    assert status_of(node, transaction).signature_status is SignatureStatus.UNKNOWN
    market.pass_blocks(6)
    assert status_of(node, transaction).signature_status is SignatureStatus.LANDED


def test_node_that_lags_is_behind_in_height_and_statuses_alike(market: MarketUnderTest) -> None:
    node = market.node()
    (transaction,) = node.sign([a_swap()])
    market.pass_blocks(VALIDITY_BLOCKS - 10)
    node.send([transaction])
    height = node.view([transaction.signature]).height
    turn_on(market, Faults(view_lag_ms=50 * 400))
    market.pass_blocks(20)
    view = node.view([transaction.signature])
    assert view.statuses[transaction.signature].signature_status is SignatureStatus.UNKNOWN
    assert height - 40 <= view.height <= transaction.last_valid_height
    market.pass_blocks(31)
    assert status_of(node, transaction).signature_status is SignatureStatus.LANDED


def test_faults_fall_the_same_way_for_the_same_seed(market: MarketUnderTest) -> None:
    turn_on(market, Faults(drop_rate=0.5, seed=7))

    def landed() -> list[bool]:
        node = market.node()
        transactions = node.sign([a_swap() for _ in range(20)])
        node.send(transactions)
        statuses = node.view([each.signature for each in transactions]).statuses
        return [statuses[each.signature].signature_status is SignatureStatus.LANDED for each in transactions]

    first, second = landed(), landed()
    assert first == second
    assert len(set(first)) == 2


def test_faults_survive_a_round_trip_through_the_database(market: MarketUnderTest) -> None:
    faults = Faults(drop_rate=0.25, view_lag_ms=10, seed=3, venues={"raydium": VenueFault(is_down=True)})
    turn_on(market, faults)
    assert FaultBoard(market.engine).current() == faults


def test_database_that_does_not_answer_is_a_passing_fault(market: MarketUnderTest) -> None:
    (transaction,) = market.node().sign([a_swap()])
    unreachable = MarketUnderTest(make_engine("postgresql://nobody@127.0.0.1:1/nothing"), "")
    node = unreachable.node()
    calls = (lambda: node.sign([a_swap()]), lambda: node.send([transaction]), lambda: node.view([]))
    for call in calls:
        with pytest.raises(RetryableError):
            call()
