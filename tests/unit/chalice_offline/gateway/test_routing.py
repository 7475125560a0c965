import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalice_offline.gateway.routing import SelectionExpression, select_route

ACTION = SelectionExpression.parse("$request.body.action")
ROUTES = {"$connect", "$default", "$disconnect", "greet", "7", "true", ""}


@pytest.mark.parametrize(
    ("expression", "document", "selected"),
    [
        ("$request.body.action", {"action": "greet"}, "greet"),
        ("$request.body.action", {}, ""),
        ("$request.body.action", {"action": None}, ""),
        ("$request.body.action", {"action": 7}, "7"),
        ("$request.body.action", {"action": True}, "true"),
        ("$request.body.action", {"action": {"a": [1]}}, '{"a":[1]}'),
        ("$request.body.action", ["action"], ""),
        ("$request.body.a.b.c", {"a": {"b": {"c": "deep"}}}, "deep"),
        ("$request.body.a.b", {"a": "b"}, ""),
        ("$request.body.items[1].name", {"items": [{}, {"name": "second"}]}, "second"),
        ("$request.body.items[9].name", {"items": []}, ""),
        ("${request.body.a}", {"a": "x"}, "x"),
        ("v1-${request.body.a}/${request.body.b}", {"a": "x", "b": "y"}, "v1-x/y"),
        ("v1-${request.body.a}", {}, "v1-"),
    ],
)
def test_expression_evaluates_to_text(expression: str, document: object, selected: str) -> None:
    assert SelectionExpression.parse(expression).evaluate(document) == selected


@pytest.mark.parametrize(
    "text", ["", "action", "$request.header.x", "$request.body.", "$request.body.a b", "${request.body.a}$x"]
)
def test_text_that_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="selection expression"):
        SelectionExpression.parse(text)


@pytest.mark.parametrize(
    ("body", "route"),
    [
        ('{"action":"greet"}', "greet"),
        ('{"action":7}', "7"),
        ('{"action":"nosuchroute"}', "$default"),
        ('{"action":"$connect"}', "$default"),
        ('{"action":"$disconnect"}', "$default"),
        ("not json", "$default"),
        ("[" * 100_000, "$default"),
        ("1" * 10_000, "$default"),
    ],
)
def test_message_goes_to_its_route_or_to_default(body: str, route: str) -> None:
    assert select_route(ACTION, body, ROUTES - {""}) == route


def test_message_without_any_route_has_none() -> None:
    assert select_route(ACTION, '{"action":"other"}', {"$connect", "greet"}) is None
    assert select_route(ACTION, "not json", {"$connect", "greet"}) is None


def test_message_without_default_still_reaches_its_own_route() -> None:
    assert select_route(ACTION, '{"action":"greet"}', {"$connect", "greet"}) == "greet"


@given(st.text())
def test_any_text_selects_a_route_that_exists(body: str) -> None:
    assert select_route(ACTION, body, ROUTES) in ROUTES - {"$connect", "$disconnect"}
