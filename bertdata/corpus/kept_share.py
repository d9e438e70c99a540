"""Whether enough of each corpus is kept, and if not, why documents were rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bertdata.printable import printable
from bertdata.storage.locations import Location
from bertdata.storage.shards import open_arrow

_MAX_REASONS = 3  # per message
_MAX_DETAIL = 300  # characters per detail


@dataclass(kw_only=True)
class Rejected:
    """Rejections of one corpus: their number per reason, and the first detail per reason."""

    counts: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)


def is_enough(written: int, rejected: int, min_kept_share: float) -> bool:
    """Whether the kept share reaches the minimum; none kept is enough only if that is 0."""
    if min_kept_share == 0:
        return True
    return written > 0 and written >= min_kept_share * (written + rejected)


def is_lost(kept: int, rejected: Rejected, min_kept_share: float) -> bool:
    """Whether too little of a corpus is kept, not counting what was blocked by name."""
    blocked = rejected.counts["blocked"]
    others = rejected.counts.total() - blocked
    is_all_blocked = blocked > 0 and not kept and not others
    return not is_all_blocked and not is_enough(kept, others, min_kept_share)


def read_rejected(paths: Iterable[Location], source: str) -> Rejected:
    """The rejections of one corpus in `rejected-*` files."""
    found = Rejected()
    for path in paths:
        with open_arrow(path) as reader:
            for number in range(reader.num_record_batches):
                columns = reader.get_batch(number).select(["source", "reason", "detail"])
                for row in columns.to_pylist():
                    if row["source"] == source:
                        found.counts[row["reason"]] += 1
                        found.details.setdefault(row["reason"], row["detail"])
    return found


def describe_loss(name: str, kept: int, rejected: Rejected, min_kept_share: float) -> str:
    """One line: how much of a corpus was kept, the main reasons, and the key to check."""
    total = kept + rejected.counts.total()
    if not total:
        return (
            f"corpus {name!r} has no document; check its paths and format, or set "
            "min_kept_share = 0 in its [[corpus]] to allow that"
        )
    reasons = rejected.counts.most_common(_MAX_REASONS)
    shown = ", ".join(f"{count:,} {reason}" for reason, count in reasons)
    main = reasons[0][0]
    return (
        f"corpus {name!r}: {kept:,} of {total:,} documents kept, less than min_kept_share = "
        f"{min_kept_share:g}; rejected: {shown} (the first {main}: "
        f"{_on_one_line(rejected.details[main])}); "
        f"check {_KEYS[main]}, or set min_kept_share in its [[corpus]] to accept that"
    )


def _on_one_line(detail: str) -> str:
    """A detail, which may quote a file, made safe for a terminal."""
    line = printable(" ".join(detail.split()))
    return line if len(line) <= _MAX_DETAIL else f"{line[:_MAX_DETAIL]}…"


_KEYS: Mapping[str, str] = {
    "unreadable_file": "[[corpus]] paths and format",
    "invalid_utf8": "[[corpus]] encoding",
    "invalid_encoding": "[[corpus]] encoding",
    "invalid_json": "[[corpus]] format",
    "invalid_xml": "[[corpus]] format",
    "invalid_http": "[[corpus]] format",
    "http_error": "[[corpus]] paths",
    "missing_field": "[[corpus]] text_field",
    "other_namespace": "[[corpus]] paths",
    "redirect": "[[corpus]] paths",
    "not_text": "[[corpus]] format",
    "too_long": "[[corpus]] max_document_bytes and [cleaning] max_characters",
    "too_complex": "[[corpus]] paths",
    "too_short": "[cleaning] min_characters",
    "blocked": "[cleaning] blocked and block_list",
    "other_language": "[cleaning] languages",
    "gopher_quality": "[cleaning] rules",
    "gopher_repetition": "[cleaning] rules",
    "c4": "[cleaning] rules and line_rules",
    "bad_words": "[cleaning] bad_words",
    "fineweb": "[cleaning] rules",
    "empty": "[[corpus]] paths",
    "duplicate": "[cleaning] exact_duplicates",
    "near_duplicate": "[cleaning] near_duplicates",
}
