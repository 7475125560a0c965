"""Lines that read like sentences."""

import json
from datetime import UTC, datetime

import pytest

from chalice_offline.log_file import Printed
from chalice_offline.logs import Look
from chalice_offline.sentences import Sentences, TemplateError

SHIPPED = Sentences({"order shipped": "{order_id:.8} {status:9} {weight} by={carrier} {note}"})


def test_facts_stand_where_the_template_names_them_and_no_others() -> None:
    entry = {"message": "order shipped", "order_id": "0123456789", "status": "shipped", "weight": 5, "seq": 3}
    assert SHIPPED.of(entry) == "01234567 shipped   5"
    assert SHIPPED.of({**entry, "carrier": "post", "weight": None}) == "01234567 shipped   by=post"


def test_text_between_facts_stands_as_it_is() -> None:
    entry = {"message": "m", "share": 50}
    assert Sentences({"m": "100% {share}%{{x}}{share} %s"}).of(entry) == "100% 50%{x}50 %s"


@pytest.mark.parametrize(
    ("parcel_id", "shown"),
    [("0123456789abcdef", "01234567…cdef"), ("0123456789abc", "0123456789abc"), ("", ""), (12345, "12345")],
)
def test_long_fact_may_be_shown_by_both_its_ends(parcel_id: object, shown: str) -> None:
    sentences = Sentences({"sent": "{parcel_id:8…4} sent"})
    assert sentences.of({"message": "sent", "parcel_id": parcel_id}) == f"{shown} sent"


@pytest.mark.parametrize("form", ["", "9", "<9", ">9", "^9", "*<9", ".3", "9.3", ">9.3", "s", "9s"])
def test_fact_is_formatted_as_python_formats_text(form: str) -> None:
    sentence = Sentences({"sent": f"|{{carrier:{form}}}|"}).of({"message": "sent", "carrier": "parcel"})
    assert sentence == f"|{format('parcel', form)}|"


def test_message_without_a_template_has_no_sentence() -> None:
    assert SHIPPED.of({"message": "order packed"}) is None
    assert SHIPPED.of({"message": ["order shipped"]}) is None


def test_rendered_line_is_the_time_and_the_sentence() -> None:
    line = json.dumps({"level": "INFO", "message": "order shipped", "order_id": "0123", "status": "shipped"})
    now = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
    clock = now.astimezone().strftime("%H:%M:%S")
    assert Look(sentences=SHIPPED).shown(Printed("ship", [line], now)) == [f"{clock} 0123 shipped"]


@pytest.mark.parametrize("template", ["{", "{a.b}", "{a!r}", "{}", "{a:%Y}", "{a[0]}", "{a:8…}", "{a:0…4}"])
def test_template_that_could_never_be_filled_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        Sentences({"m": template})
