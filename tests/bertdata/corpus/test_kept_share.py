"""How much of a corpus is enough, and what is said where it is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.corpus.documents import REASONS
from bertdata.corpus.kept_share import Rejected, describe_loss, is_enough, is_lost, read_rejected
from bertdata.storage.schema import REJECTED
from bertdata.storage.shards import write_arrow


@pytest.mark.parametrize(
    ("written", "rejected", "minimum", "expected"),
    [
        (1, 19, 0.05, True),
        (1, 20, 0.05, False),
        (0, 400, 0.05, False),
        (0, 0, 0.05, False),  # no document is nothing kept
        (0, 1, 1e-9, False),
        (0, 400, 0, True),
        (0, 0, 0, True),
        (3, 0, 1, True),
        (3, 1, 1, False),
    ],
)
def test_the_kept_share(written: int, rejected: int, minimum: float, expected: bool) -> None:
    assert is_enough(written, rejected, minimum) is expected


def test_what_is_blocked_by_name_is_not_a_loss() -> None:
    all_blocked = Rejected(counts=Counter(blocked=9))
    assert not is_lost(0, all_blocked, 0.05)
    some = Rejected(counts=Counter(blocked=990, empty=10))
    assert is_lost(0, some, 0.05)
    assert not is_lost(1, some, 0.05)
    assert is_lost(0, Rejected(), 0.05)


def test_rejections_of_one_corpus_are_counted(tmp_path: Path) -> None:
    given = [("b", "empty"), ("a", "empty"), ("a", "redirect"), ("a", "empty")]
    rows = [
        {"source": source, "document": str(n), "reason": reason, "detail": f"{source} {n}"}
        for n, (source, reason) in enumerate(given)
    ]
    path = tmp_path / "rejected.arrow"
    write_arrow(path, REJECTED, pa.Table.from_pylist(rows, REJECTED).to_batches(3))
    found = read_rejected([path, path], "a")
    assert found.counts == {"empty": 4, "redirect": 2}
    assert found.details == {"empty": "a 1", "redirect": "a 2"}


def test_every_reason_has_a_key_to_look_at() -> None:
    for reason in REASONS:
        rejected = Rejected(counts=Counter({reason: 9}), details={reason: "why"})
        text = describe_loss("web", 1, rejected, 0.5)
        assert text.startswith(
            "corpus 'web': 1 of 10 documents kept, less than min_kept_share = 0.5"
        )
        assert f"rejected: 9 {reason} (the first {reason}: why); check [" in text


def test_a_detail_is_on_one_line() -> None:
    rejected = Rejected(counts=Counter({"empty": 1}), details={"empty": "a\n\x1b[1m" + "x" * 999})
    text = describe_loss("web", 0, rejected, 0.5)
    assert "\n" not in text
    assert "\x1b" not in text
    assert "x…)" in text
    assert len(text) < 600
