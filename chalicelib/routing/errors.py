"""Why no plan can be made.

RoutingError
    NoRouteError                  no pool, and no two pools in a row, connect the tokens
    InsufficientLiquidityError    they are connected, yet the amount cannot be filled
"""


class RoutingError(Exception):
    """No plan exists for this order on these pools; asking again changes nothing until the pools do."""

    def __init__(self, problem: str, *, input_token: str, output_token: str) -> None:
        super().__init__(f"{problem}: input_token={input_token} output_token={output_token}")
        self.input_token = input_token
        self.output_token = output_token


class NoRouteError(RoutingError):
    """Nothing connects the two tokens within two hops."""

    def __init__(self, *, input_token: str, output_token: str) -> None:
        super().__init__("no pool connects the tokens", input_token=input_token, output_token=output_token)


class InsufficientLiquidityError(RoutingError):
    """The pools cannot give this amount, or the amount is too small for any to pay a unit."""

    def __init__(self, *, input_token: str, output_token: str, amount: int) -> None:
        super().__init__(
            f"the pools cannot fill amount={amount}", input_token=input_token, output_token=output_token
        )
        self.amount = amount
