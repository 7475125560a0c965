"""Schemas of the wire models, as JSON Schema and by name."""

from typing import Annotated

from pydantic import Field

from chalicelib.wire.fields import WholeNumber, WireModel
from infra.specs.schemas import reference, schemas


class Inner(WireModel):
    """Something inside."""

    whole_number: Annotated[WholeNumber, Field(ge=1, le=5)]


class Outer(WireModel):
    """Something that refers to it."""

    inner: Inner
    title: str = "x"


def test_models_and_what_they_refer_to_are_there_by_name() -> None:
    found = schemas((Outer,))
    assert list(found) == ["Inner", "Outer"]
    assert found["Outer"]["properties"]["inner"] == reference(Inner)
    assert found["Outer"]["required"] == ["inner"]


def test_limits_are_in_the_words_of_json_schema_and_titles_that_repeat_names_are_gone() -> None:
    found = schemas((Outer,))
    assert found["Inner"]["properties"]["wholeNumber"] == {"maximum": 5, "minimum": 1, "type": "integer"}
    assert "title" not in found["Inner"]


def test_field_of_the_name_title_is_still_a_field() -> None:
    assert schemas((Outer,))["Outer"]["properties"]["title"] == {"default": "x", "type": "string"}
