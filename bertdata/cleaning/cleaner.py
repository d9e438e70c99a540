"""Cleaning between reading and splitting: repair, and filters that give a reason.

By default only exact duplicates are dropped, by `bertdata.duplicates.find`, once all documents are
known.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from bertdata.cleaning.line_rules import LINE_RULES
from bertdata.cleaning.quality_rules import RULES
from bertdata.config import check_choice, check_choices, check_range, to_table
from bertdata.corpus.documents import Document, Reason, Rejection, reject, unless_empty
from bertdata.errors import ConfigError, InputError
from bertdata.storage.files import read_bytes
from bertdata.storage.locations import locate
from bertdata.storage.shards import sha256_of

_LANGUAGE_CHARACTERS = 100_000  # of a text, to detect its language

_MAX_HOST_CHARACTERS = 254

# What is wrong with a document: the reason, and a readable detail. None for a good document.
_Duplicates = Literal["drop", "keep"]
_Filter = Callable[[Document], tuple[Reason, str] | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CleaningConfig:
    """The `[cleaning]` table.

    `unicode_repair`: repair text that was decoded wrongly, as in "schÃ¶n" (with ftfy).
    `min_characters`, `max_characters`: limits per document; 0 is no limit. `languages`: the
    languages to keep, by their codes, such as ["en", "de"] (detected by resiliparse). `rules`:
    names from `bertdata.cleaning.quality_rules`; they reject documents. `line_rules`: names from
    `bertdata.cleaning.line_rules`; they drop lines, before `rules` are applied. `bad_words`: a file
    with one word or phrase per line; a document that contains one of them, in any case, is
    rejected. `blocked`, `block_list`: what to reject, as a list, or as a file with one per line:
    host names (with their subdomains), beginnings of addresses, ids of documents, or names of
    corpora in brackets, as in "[web]". `exact_duplicates`, `near_duplicates`: "drop" all but the
    first of equal or similar documents of all corpora, or "keep" them. `duplicate_sentences`:
    "drop" sentences of 40 bytes or more that occur earlier in a kept document.
    `near_duplicate_similarity`: minimum share of common runs of five words, in [0.5, 1].
    """

    unicode_repair: bool = False
    min_characters: int = 0
    max_characters: int = 0
    languages: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    line_rules: tuple[str, ...] = ()
    bad_words: str | None = None
    blocked: tuple[str, ...] = ()
    block_list: str | None = None
    exact_duplicates: _Duplicates = "drop"
    duplicate_sentences: _Duplicates = "keep"
    near_duplicates: _Duplicates = "keep"
    near_duplicate_similarity: float = 0.8

    def __post_init__(self) -> None:
        check_range("min_characters", self.min_characters, 0, 2**62)
        check_range("max_characters", self.max_characters, 0, 2**62)
        if 0 < self.max_characters < self.min_characters:
            raise ConfigError(
                f"max_characters {self.max_characters} is below min_characters "
                f"{self.min_characters}: no document can be kept; raise it, or set it to 0"
            )
        for rule in self.rules:
            check_choice("rules", rule, RULES)
        for rule in self.line_rules:
            check_choice("line_rules", rule, LINE_RULES)
        check_choices(self)
        check_range("near_duplicate_similarity", self.near_duplicate_similarity, 0.5, 1)


def describe_cleaning(config: CleaningConfig) -> dict[str, object]:
    """The values that shape the result: lists by their content, not by their path."""
    table = to_table(config)
    for name in ("block_list", "bad_words"):
        if (path := getattr(config, name)) is not None:
            try:
                table[name] = sha256_of(locate(path))
            except OSError as error:
                raise _unreadable(path, error) from error
    return table


def make_cleaner(
    config: CleaningConfig,
) -> Callable[[Iterable[Document | Rejection]], Iterator[Document | Rejection]]:
    """The function that repairs and filters the documents of a unit; rejections pass through.

    Raises ConfigError when a package that the configuration needs is not installed.
    """
    repair = _load_repair() if config.unicode_repair else None
    filters = list(_make_filters(config))

    def clean(items: Iterable[Document | Rejection]) -> Iterator[Document | Rejection]:
        for item in items:
            if isinstance(item, Document) and repair is not None:
                item = unless_empty(_repair_document(item, repair))
            if isinstance(item, Document) and config.line_rules:
                item = _drop_lines(item, config.line_rules)
            yield _filter(item, filters) if isinstance(item, Document) else item

    return clean


def _drop_lines(document: Document, rules: Iterable[str]) -> Document | Rejection:
    """The document without the lines or sentences that the rules drop; blank lines are kept."""
    given = document.sentences
    lines = list(document.text.splitlines() if given is None else given)
    count = sum(map(_has_text, lines))
    for rule in rules:
        keep = LINE_RULES[rule]
        cleaned = [keep(line) if _has_text(line) else None for line in lines]
        lines = [line or "" for line in cleaned if line != ""]
        if not any(lines):
            return reject(document, _RULE_REASONS[rule], f"of its {count:,} lines none is left")
    return dataclasses.replace(
        document,
        text="\n".join(lines),
        sentences=None if given is None else tuple(lines),
        lines_dropped=count - sum(map(_has_text, lines)),
    )


def _has_text(line: str) -> bool:
    return bool(line) and not line.isspace()


def _filter(document: Document, filters: Iterable[_Filter]) -> Document | Rejection:
    for check in filters:
        if (found := check(document)) is not None:
            return reject(document, *found)
    return document


def _repair_document(document: Document, repair: Callable[[str], str]) -> Document:
    given = document.sentences
    sentences = None if given is None else tuple(repair(sentence) for sentence in given)
    return dataclasses.replace(document, text=repair(document.text), sentences=sentences)


def _make_filters(config: CleaningConfig) -> Iterator[_Filter]:
    """The filters in order, the cheapest first."""
    if config.blocked or config.block_list is not None:
        yield _make_block_filter(config)
    if config.min_characters or config.max_characters:
        yield _make_length_filter(config)
    if config.languages:
        yield _make_language_filter(config.languages)
    if config.bad_words is not None:
        yield _make_bad_word_filter(config.bad_words)
    for rule in config.rules:
        yield _make_rule_filter(rule)


def _make_length_filter(config: CleaningConfig) -> _Filter:
    low, high = config.min_characters, config.max_characters

    def check(document: Document) -> tuple[Reason, str] | None:
        length = len(document.text)
        if length < low:
            return "too_short", f"{length:,} characters, under {low:,}"
        if high and length > high:
            return "too_long", f"{length:,} characters, over {high:,}"
        return None

    return check


def _make_block_filter(config: CleaningConfig) -> _Filter:
    entries = {entry.strip() for entry in (*config.blocked, *_read_list(config.block_list))}
    entries.discard("")
    # Beginnings of addresses are looked up by length, which is quick for long lists too.
    lengths = sorted({len(entry) for entry in entries if "/" in entry})

    def check(document: Document) -> tuple[Reason, str] | None:
        name = document.document
        for entry in (f"[{document.source}]", name, *_domains(name)):
            if entry in entries:
                return "blocked", f"{entry} is blocked"
        for length in lengths:
            if name[:length] in entries:
                return "blocked", f"{name[:length]} is blocked"
        return None

    return check


def _domains(address: str) -> Iterator[str]:
    """The host of an address, and its parent domains, as far as they can be names of hosts."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return
    if host:
        yield host
    parent = host[-_MAX_HOST_CHARACTERS:]
    while parent := parent.partition(".")[2]:
        yield parent


def _read_list(path: str | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = read_bytes(locate(path)).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    return [line for line in lines if not line.startswith("#")]


def _unreadable(path: str, error: Exception) -> InputError:
    return InputError(f"cannot read the list {path}: {error}; name a UTF-8 file that you may read")


def _make_bad_word_filter(path: str) -> _Filter:
    words = sorted({line.strip().lower() for line in _read_list(path) if line.strip()})
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)")

    def check(document: Document) -> tuple[Reason, str] | None:
        found = pattern.search(document.text.lower()) if words else None
        return ("bad_words", f"it has a word of the list, {found[0]!r}") if found else None

    return check


def _make_rule_filter(name: str) -> _Filter:
    rule, reason = RULES[name], _RULE_REASONS[name]

    def check(document: Document) -> tuple[Reason, str] | None:
        return (reason, why) if (why := rule(document.text)) else None

    return check


_RULE_REASONS: Mapping[str, Reason] = {
    "gopher-quality": "gopher_quality",
    "gopher-repetition": "gopher_repetition",
    "c4": "c4",
    "fineweb": "fineweb",
}


def _make_language_filter(languages: tuple[str, ...]) -> _Filter:
    try:
        from resiliparse.parse.lang import detect_fast, supported_langs
    except ImportError as error:
        raise ConfigError(
            "[cleaning] languages needs the package resiliparse: pip install 'bertdata[web]'"
        ) from error
    known = set(supported_langs())
    for language in languages:
        check_choice("languages", language, sorted(known))

    def check(document: Document) -> tuple[Reason, str] | None:
        found, _ = detect_fast(document.text[:_LANGUAGE_CHARACTERS])
        if found in languages:
            return None
        return "other_language", f"its language looks like {found}, not {' or '.join(languages)}"

    return check


def _load_repair() -> Callable[[str], str]:
    try:
        import ftfy
    except ImportError as error:
        raise ConfigError(
            "[cleaning] unicode_repair needs the package ftfy: pip install 'bertdata[web]'"
        ) from error
    # Quotes, ligatures and widths are the author's; only wrong decoding is repaired.
    options = ftfy.TextFixerConfig(
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        fix_line_breaks=False,
        unescape_html=False,
        explain=False,
    )
    return lambda text: ftfy.fix_text(text, options)
