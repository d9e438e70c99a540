"""What is fed with text of any size: every reader, cleaning rule, splitter and tokenizer."""

from __future__ import annotations

import html
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bertdata.cleaning.cleaner import CleaningConfig, make_cleaner
from bertdata.cleaning.line_rules import LINE_RULES
from bertdata.cleaning.quality_rules import RULES
from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.documents import Document
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.sentences.punkt_training import train_parameters
from bertdata.sentences.splitter import RULE_LANGUAGES, load_splitter
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.vocabulary import Vocabulary
from tests.bertdata.corpus.formats.web.test_pages import record, response
from tests.bertdata.corpus.formats.wikipedia.test_articles import END, HEAD, page

Target = Callable[[str], object]


def _read(format_: str, wrap: Callable[[str], bytes], text: str) -> None:
    """Read a file of this format that holds the text."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "f").write_bytes(wrap(text))
        corpus = CorpusConfig(name="c", format=format_, paths=("f",), on_bad_file="skip")
        for unit in plan_units(corpus, list_inputs(corpus, Path(folder)), 1 << 40):
            for _ in read_unit(unit):
                pass


def _table(write: Callable[[pa.Table, io.BytesIO], None], text: str) -> bytes:
    sink = io.BytesIO()
    write(pa.table({"text": [text]}), sink)
    return sink.getvalue()


def _write_arrow(table: pa.Table, sink: io.BytesIO) -> None:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _header(text: str) -> bytes:
    lines = text.replace("\r", "").replace("\n\n", "\n")
    return b"HTTP/1.1 200 OK\r\n" + lines.encode() + b"\r\n\r\n<p>x"


def _continued(text: str) -> bytes:
    return (
        "WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 0\r\nX: y\r\n"
        + (" " + text.replace("\r", "").replace("\n", "\n ")[: 1 << 19])
        + "\r\n\r\n\r\n"
    ).encode()


_WRAPPERS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "text": ("text", str.encode),
    "lines": ("lines", str.encode),
    "jsonl": ("jsonl", lambda text: json.dumps({"text": text}).encode()),
    "jsonl, raw": ("jsonl", str.encode),
    "json array, raw": ("jsonl", lambda text: b"[{" + text.encode()),
    "parquet": ("parquet", partial(_table, pq.write_table)),
    "arrow": ("arrow", partial(_table, _write_arrow)),
    "wikipedia": (
        "wikipedia-xml",
        lambda text: (HEAD + page("A", html.escape(text)) + END).encode(),
    ),
    "wikipedia, raw page": ("wikipedia-xml", lambda text: (HEAD + page("A", text) + END).encode()),
    "wikipedia, raw": ("wikipedia-xml", lambda text: (HEAD + text).encode()),
    "wet": ("wet", lambda text: record("conversion", text.encode(), Content_Type="text/plain")),
    "warc": ("warc", lambda text: response(text.encode())),
    "warc, header of a page": (
        "warc",
        lambda text: record("response", _header(text), Content_Type="application/http"),
    ),
    "warc, continued header": ("warc", _continued),
    "warc, raw": ("warc", str.encode),
}


def _clean(config: CleaningConfig, text: str) -> None:
    (_,) = make_cleaner(config)([Document(source="c", document="d", text=text)])


def _split(language: str, text: str) -> None:
    _splitters(language).split(text)


_splitters = cache(load_splitter)


@cache
def _tokenizer(lowercase: bool) -> SentenceTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "b", "##b", ".", "漢"]
    return SentenceTokenizer(Vocabulary(tuple(words)), TokenizationConfig(lowercase=lowercase))


def _tokenize(lowercase: bool, text: str) -> None:
    _tokenizer(lowercase).encode(pa.array([text]))


def _all() -> Iterator[tuple[str, Target]]:
    for name, (format_, wrap) in _WRAPPERS.items():
        yield f"reader {name}", partial(_read, format_, wrap)
    for rule in RULES:
        yield f"rule {rule}", RULES[rule]
    for rule in LINE_RULES:
        yield f"rule for lines {rule}", LINE_RULES[rule]
        yield f"lines by {rule}", partial(_clean, CleaningConfig(line_rules=(rule,)))
    yield "repair", partial(_clean, CleaningConfig(unicode_repair=True))
    yield "languages", partial(_clean, CleaningConfig(languages=("en",)))
    for language in ("english", "german", *RULE_LANGUAGES):
        yield f"splitter {language}", partial(_split, language)
    yield "punkt training", lambda text: train_parameters([text])
    for lowercase in (True, False):
        yield f"tokenizer, lowercase = {lowercase}", partial(_tokenize, lowercase)


TARGETS: dict[str, Target] = dict(_all())
