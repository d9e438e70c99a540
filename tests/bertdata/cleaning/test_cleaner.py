"""Repair and filters of documents: each counts what it drops, and says where and why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bertdata.cleaning.cleaner import CleaningConfig, describe_cleaning, make_cleaner
from bertdata.corpus.documents import REASONS, Document, Rejection
from bertdata.errors import ConfigError, InputError
from bertdata.storage.locations import Address
from bertdata.storage.writing import write_text

ENGLISH = "The old house by the river was sold last year to a family from the north of the country."
GERMAN = "Das alte Haus am Fluss wurde letztes Jahr an eine Familie aus dem Norden verkauft."


def document(text: str, name: str = "a", source: str = "c", place: str = "f, row 3") -> Document:
    return Document(source=source, document=name, text=text, place=place)


def outcomes(config: CleaningConfig, *documents: Document) -> list[str]:
    items = list(make_cleaner(config)(documents))
    assert all(item.reason in REASONS for item in items if isinstance(item, Rejection))
    return [item.text if isinstance(item, Document) else item.reason for item in items]


def test_nothing_is_done_by_default() -> None:
    rejection = Rejection(source="c", document="x", reason="empty", detail="")
    items = [document(""), rejection, document("schÃ¶n {lorem ipsum}")]
    assert list(make_cleaner(CleaningConfig())(items)) == items


def test_wrongly_decoded_text_is_mended() -> None:
    config = CleaningConfig(unicode_repair=True)
    assert outcomes(config, document("schÃ¶n â€” “quoted” &amp; ﬁne\r\n")) == [
        "schön — “quoted” &amp; ﬁne\r\n"
    ]
    given = Document(source="c", document="x", text="Ã¶\nb", sentences=("Ã¶", "b"))
    (item,) = make_cleaner(config)([given])
    assert isinstance(item, Document)
    assert item.sentences == ("ö", "b")
    assert outcomes(config, document("\x1b[31m\x00")) == ["empty"]


def test_lengths_are_of_characters() -> None:
    config = CleaningConfig(min_characters=3, max_characters=5)
    texts = ["ab", "abc", "äöüßé", "abcdef"]
    assert outcomes(config, *map(document, texts)) == ["too_short", "abc", "äöüßé", "too_long"]
    (item,) = make_cleaner(config)([document("ab")])
    assert isinstance(item, Rejection)
    assert (item.source, item.document) == ("c", "a")
    assert item.detail == "f, row 3: 2 characters, under 3"


def test_languages_are_detected_without_a_download() -> None:
    documents = [document(ENGLISH), document(GERMAN)]
    assert outcomes(CleaningConfig(languages=("en",)), *documents) == [ENGLISH, "other_language"]
    assert outcomes(CleaningConfig(languages=("de", "en")), *documents) == [ENGLISH, GERMAN]
    with pytest.raises(ConfigError, match=r"languages must be one of .*got 'english'"):
        make_cleaner(CleaningConfig(languages=("english",)))


def test_block_lists(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# bad ones\nspam.example\n\nhttp://b.org/ads/\nbook.txt\n")
    config = CleaningConfig(block_list=str(tmp_path / "list.txt"), blocked=("[junk]",))
    names = {
        "https://spam.example/x": "blocked",
        "https://www.SPAM.example:80/": "blocked",
        "https://notspam.example/": "t",
        "http://b.org/ads/1": "blocked",
        "http://b.org/news": "t",
        "book.txt": "blocked",
        "book.txt.gz": "t",
        "http://[broken": "t",
    }
    documents = [document("t", name) for name in names]
    assert outcomes(config, *documents) == list(names.values())
    assert outcomes(config, document("t", source="junk")) == ["blocked"]


def test_parents_of_a_host_that_is_too_long_are_blocked_too() -> None:
    config = CleaningConfig(blocked=("spam.example", "x.spam.example"))
    address = f"http://{'a.' * 500_000}spam.example/"
    assert outcomes(config, document("t", name=address)) == ["blocked"]


def test_a_block_list_counts_by_its_content(tmp_path: Path) -> None:
    described = []
    for name, text in [("a", "x"), ("b", "x"), ("c", "y")]:
        (tmp_path / name).write_text(text)
        described.append(describe_cleaning(CleaningConfig(block_list=str(tmp_path / name))))
    assert described[0] == described[1] != described[2]
    missing = CleaningConfig(block_list=str(tmp_path / "gone"))
    for use in (describe_cleaning, make_cleaner):
        with pytest.raises(InputError, match="cannot read the list"):
            use(missing)


def test_quality_rules_by_name() -> None:
    config = CleaningConfig(rules=("c4", "gopher-quality", "gopher-repetition", "fineweb"))
    documents = [document("{"), document("One. Two. Three."), document(ENGLISH)]
    assert outcomes(config, *documents) == ["c4", "gopher_quality", "c4"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_characters": -1}, "min_characters must be from 0"),
        ({"min_characters": 9, "max_characters": 5}, "no document can be kept"),
        ({"rules": ("gopher",)}, "rules must be one of gopher-quality, gopher-repetition, c4"),
        ({"exact_duplicates": "no"}, "exact_duplicates must be one of drop, keep"),
        ({"near_duplicate_similarity": 0.2}, "must be from 0.5 to 1"),
    ],
)
def test_what_cannot_be_meant(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CleaningConfig(**values)  # type: ignore[arg-type]


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    monkeypatch.setitem(sys.modules, "resiliparse.parse.lang", None)
    with pytest.raises(ConfigError, match="unicode_repair needs the package ftfy: pip install"):
        make_cleaner(CleaningConfig(unicode_repair=True))
    with pytest.raises(ConfigError, match="languages needs the package resiliparse"):
        make_cleaner(CleaningConfig(languages=("en",)))


PAGE = (
    "Home\n\nThe bridge was built by monks in 1150.[3] It fell soon after.\nToo few words.\n"
    "This line does not end as prose should\nPlease enable JavaScript to see this fine page.\n\n"
    "We use cookies to make this site better.\nA tale that nobody ends for us all...\n"
    "Visitors should climb the hill behind it!"
)


def test_c4_drops_lines_and_counts_them() -> None:
    config = CleaningConfig(line_rules=("c4",))
    (item,) = make_cleaner(config)([document(PAGE)])
    assert isinstance(item, Document)
    assert item.text == (
        "\nThe bridge was built by monks in 1150. It fell soon after.\n\n"
        "Visitors should climb the hill behind it!"
    )
    assert item.lines_dropped == 6
    given = Document(source="c", document="x", text=f"{ENGLISH}\nNo", sentences=(ENGLISH, "No"))
    (item,) = make_cleaner(config)([given])
    assert isinstance(item, Document)
    assert (item.sentences, item.text, item.lines_dropped) == ((ENGLISH,), ENGLISH, 1)
    (item,) = make_cleaner(config)([document("Home\n\nContact\n")])
    assert isinstance(item, Rejection)
    assert (item.reason, item.detail) == ("c4", "f, row 3: of its 2 lines none is left")


@pytest.mark.parametrize(("length", "dropped"), [(999, 0), (1000, 1)])
def test_c4_drops_lines_with_words_without_end(length: int, dropped: int) -> None:
    long = f"There was once a word {'a' * length}."
    (item,) = make_cleaner(CleaningConfig(line_rules=("c4",)))([document(f"{ENGLISH}\n{long}")])
    assert isinstance(item, Document)
    assert item.lines_dropped == dropped


def test_bad_words_are_whole_words_of_any_case(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# rude\ndarn\nfull of it\nölig\n")
    config = CleaningConfig(bad_words=str(tmp_path / "words.txt"))
    texts = {
        "That DARN cat": "bad_words",
        "You are full of it!": "bad_words",
        "ÖLIG": "bad_words",
        "a darned sock": "a darned sock",
    }
    assert outcomes(config, *map(document, texts)) == list(texts.values())
    (tmp_path / "empty.txt").write_text("\n")
    assert outcomes(CleaningConfig(bad_words=str(tmp_path / "empty.txt")), document("a")) == ["a"]


def test_lists_may_be_at_an_address(tmp_path: Path, s3: Address) -> None:
    described = []
    for folder in (tmp_path, s3):
        write_text(folder / "block.txt", "# bad ones\nspam.example\n")
        write_text(folder / "words.txt", "darn\r\nölig\n")
        names = {"block_list": str(folder / "block.txt"), "bad_words": str(folder / "words.txt")}
        config = CleaningConfig(**names)  # type: ignore[arg-type]
        documents = document("t", "https://spam.example/"), document("DARN"), document("good")
        assert outcomes(config, *documents) == ["blocked", "bad_words", "good"]
        described.append(describe_cleaning(config))
    assert described[0] == described[1]
    missing = CleaningConfig(bad_words=str(s3 / "gone"))
    for use in (describe_cleaning, make_cleaner):
        with pytest.raises(InputError, match=f"cannot read the list {s3}/gone: "):
            use(missing)
