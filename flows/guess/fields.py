"""Which field of records is the text, and which the id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

_TEXT_NAMES = ("text", "content", "body", "article", "document", "raw_content", "page_content")
_ID_NAMES = ("id", "_id", "doc_id", "document_id", "docid", "guid", "uuid", "key", "url", "uri")
_MAX_NAMES = 8  # in messages


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fields:
    """The fields to read, "" if there is no id, and why they were chosen."""

    text: str
    id: str
    reasons: tuple[str, ...]


def guess_fields(records: Sequence[Mapping[str, object]]) -> _Fields | None:
    """The fields of records; None if no field holds text."""
    names = list(dict.fromkeys(key for record in records for key in record))
    lengths = {key: length for key in names if (length := _mean_length(records, key))}
    if not lengths:
        return None
    text = _choose_text(lengths)
    found = next((key for key in _ID_NAMES if key != text and _is_unique(records, key)), "")
    others = [key for key in names if key not in (text, found)]
    more = f"; other fields: {_list(others)}" if others else ""
    return _Fields(text=text, id=found, reasons=(f"{_describe(text, lengths)}{more}", _why(found)))


def _choose_text(lengths: Mapping[str, float]) -> str:
    """The field with a usual name, unless its texts are far shorter than another's."""
    longest = max(lengths, key=lambda key: lengths[key])
    usual = [key for key in lengths if key.lower() in _TEXT_NAMES]
    usual.sort(key=lambda key: _TEXT_NAMES.index(key.lower()))
    return next((key for key in usual if 4 * lengths[key] >= lengths[longest]), longest)


def _mean_length(records: Sequence[Mapping[str, object]], key: str) -> float:
    """The mean length of a field's texts; 0 unless at least half of the records have one."""
    texts = [value for record in records if isinstance(value := record.get(key), str) and value]
    return fmean(map(len, texts)) if 2 * len(texts) >= len(records) else 0.0


def _is_unique(records: Sequence[Mapping[str, object]], key: str) -> bool:
    values = [record.get(key) for record in records]
    return all(map(_is_id, values)) and len(set(values)) == len(values)


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _describe(text: str, lengths: Mapping[str, float]) -> str:
    return f'text_field = "{text}": {lengths[text]:,.0f} characters on average'


def _why(found: str) -> str:
    if found:
        return f'id_field = "{found}": each record has another'
    return "no id_field: a document is named after its file and place"


def _list(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
