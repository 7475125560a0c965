"""Pools of mints that are in no list: on the way of orders that name the mint, and of no others."""

from chalicelib.adapters.token_list import load_tokens
from chalicelib.routing.marginal import MarginalRates
from chalicelib.routing.marks import mark_of
from chalicelib.routing.open_to import makes_price, open_to
from chalicelib.routing.plan import RoutablePool
from tests.fakes.market import a_pool
from tests.unit.routing.markets import NOW_S

ONE, OTHER = "5xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi", "6xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi"


def found(pool_id: str, *tokens: str, price: int = 1) -> RoutablePool:
    made = a_pool(pool_id, tokens=(tokens[0], tokens[1]), reserves=(10**15, price * 10**15))
    return made._replace(is_listed=False)


MARKET = [
    a_pool("listed"),
    found("stranger", "SOL", "USDC", price=900),
    found("one", ONE, "USDC"),
    found("one-sol", ONE, "SOL", price=50),
    found("other", OTHER, "USDC", price=2),
    found("both", ONE, OTHER, price=70),
    a_pool("delisted", tokens=("GONE", "USDC")),
]


def open_ids(*pair: str) -> set[str]:
    return {pool.pool_id for pool in open_to((pair[0], pair[1]), MARKET, load_tokens())}


def test_pools_of_a_mint_are_open_to_orders_that_name_it_alone() -> None:
    assert open_ids("SOL", "USDC") == {"listed"}
    assert open_ids(ONE, "USDC") == open_ids("SOL", ONE) == {"listed", "one", "one-sol"}
    assert open_ids(ONE, OTHER) == {"listed", "one", "one-sol", "other", "both"}


def test_rates_of_a_mint_are_of_its_pools_and_no_rate_leads_over_a_mint_that_is_not_named() -> None:
    rates = MarginalRates(MARKET, NOW_S)
    listed = MarginalRates(MARKET[:1], NOW_S)
    assert rates.best("USDC", "SOL") == listed.best("USDC", "SOL")
    assert rates.best("SOL", "USDC") == listed.best("SOL", "USDC")
    sold, bought = rates.best(ONE, "USDC"), rates.best(OTHER, "USDC")
    assert sold is not None
    assert bought is not None
    # For a unit: 50 SOL, each a fifth of a USDC's unit; straight, one; over the other mint, 140.
    assert 9 * sold.input_units < sold.output_units < 10 * sold.input_units
    assert bought.output_units < 2 * bought.input_units
    crossed = rates.best(ONE, OTHER)
    assert crossed is not None
    assert 69 * crossed.input_units < crossed.output_units < 70 * crossed.input_units


def test_mark_of_a_mint_is_of_its_pools_and_strangers_pools_make_no_other() -> None:
    assert not makes_price(MARKET[1], ("SOL", "USDC"))
    assert makes_price(MARKET[2], (ONE, "USDC"))
    assert not makes_price(MARKET[4], (ONE, "USDC"))
    mark = mark_of(MARKET, (ONE, "USDC"), NOW_S)
    assert mark is not None
    assert mark.output_units == mark.input_units
    assert mark_of(MARKET, ("SOL", "USDC"), NOW_S) == mark_of(MARKET[:1], ("SOL", "USDC"), NOW_S)
