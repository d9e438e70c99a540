"""Which field of records is the text, and which the id."""

from __future__ import annotations

import pytest

from flows.guess.fields import guess_fields

LONG = "a long text that goes on and on"


@pytest.mark.parametrize(
    ("record", "text", "id_field"),
    [
        ({"text": LONG, "id": 1}, "text", "id"),
        ({"body": LONG, "headline": "short", "url": "u"}, "body", "url"),
        ({"Text": LONG, "summary": LONG + LONG}, "Text", ""),
        ({"review": LONG, "content": "pdf"}, "review", ""),
        ({"text": LONG, "id": True}, "text", ""),
        ({"text": LONG, "id": ""}, "text", ""),
        ({"text": LONG, "id": None, "uri": "u"}, "text", "uri"),
    ],
)
def test_one_record(record: dict[str, object], text: str, id_field: str) -> None:
    found = guess_fields([record])
    assert found is not None
    assert (found.text, found.id) == (text, id_field)


def test_an_id_is_another_in_each_record() -> None:
    found = guess_fields([{"id": 1, "key": n, "text": LONG} for n in range(2)])
    assert found is not None
    assert found.id == "key"


def test_a_field_that_is_mostly_empty_is_not_the_text() -> None:
    records = [{"text": LONG if n == 0 else None, "note": "some words"} for n in range(4)]
    found = guess_fields(records)
    assert found is not None
    assert found.text == "note"
    assert "other fields: text" in found.reasons[0]


def test_many_other_fields_are_not_all_shown() -> None:
    found = guess_fields([{"text": LONG, **{f"f{n}": n for n in range(20)}}])
    assert found is not None
    assert found.reasons[0].endswith("f7, …")


@pytest.mark.parametrize("records", [[], [{"a": 1}], [{"a": ""}], [{"a": ["text"]}]])
def test_records_without_text(records: list[dict[str, object]]) -> None:
    assert guess_fields(records) is None
