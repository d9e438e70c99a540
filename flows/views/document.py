"""`bertdata inspect --document`: one document's whole way from the input to its examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import BoolArray, UInt64Array
from bertdata.cleaning.cleaner import CleaningConfig, describe_cleaning, make_cleaner
from bertdata.config import check_range, read_table
from bertdata.corpus.config import CorpusConfig, InputFile, find_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.errors import BertdataError, ConfigError, DataError
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest, check_stage, is_complete, read_manifest
from bertdata.storage.shards import first_line, open_arrow
from bertdata.tokens.tokenizer import build_tokenizer
from bertdata.tokens.vocabulary import read_vocabulary
from flows.config import load_config
from flows.finished import config_of, splits_of
from flows.paths import RunPaths, default_output
from flows.terminal.styled import Span, Styled
from flows.views.inspect import (
    NAMES,
    BatchPlace,
    fill_lines,
    find_batches,
    legend,
    read_examples,
    show_example,
    vocabulary_of,
)
from flows.wording import number, printable
from vocab.config import VocabConfig

_WIDTH = 100
_TITLE = 13  # columns of titles
_MAX_LINES = 20  # of one text
_UNIT_BYTES = 64 << 20
_OWN_CONFIG = "give the run's own --config"
_HEXADECIMAL = re.compile(r"(?:0x)?([0-9a-fA-F]{1,16})")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stored:
    """A row of `sentences/`."""

    document_id: int
    source: str
    document: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Input:
    """What reads a document again: its corpus, the files that may hold it, how it is cleaned."""

    corpus: CorpusConfig
    files: tuple[InputFile, ...]
    cleaning: CleaningConfig


def show_document(
    paths: RunPaths, wanted: str, rows: int, config: Path | None = None
) -> Iterator[str]:
    """Lines that show a document raw, cleaned, as sentences, as pieces and as examples.

    `wanted`: its id in shards, decimal or hexadecimal; or its name, with or without the corpus,
    such as "articles: Paris". `rows`: how many of its examples. `config`: the configuration of the
    run, which says where the input is. Raises DataError if there is no such document.
    """
    check_range("--rows", rows, 1, 1_000_000)
    manifest = read_manifest(paths.sentences)
    stored = _find_stored(paths.sentences, manifest, wanted)
    rejected = [] if stored else _find_rejected(paths.sentences, manifest, wanted)
    if not stored and not rejected:
        raise DataError(
            f"{paths.sentences} has no document {wanted!r}, kept or rejected; give its name as "
            "`bertdata inspect` shows it, or its document_id"
        )
    for found in stored:
        yield from _show_beginning(paths, manifest, found, config, found.sentences[0])
        yield from _show_stored(paths, found, rows)
    for rejection in rejected:
        yield from _show_beginning(paths, manifest, rejection, config)
        yield from _step("rejected", [f"{rejection.reason}: {rejection.detail}"])


def _find_stored(folder: Location, manifest: Manifest, wanted: str) -> list[_Stored]:
    """The documents with this id, or else with this name: ids of corpora may repeat."""
    ids = _read_ids(wanted)
    places = find_batches(folder, manifest, ids) if len(ids) else ()
    found = [row for place in places for row in _rows_at(place, ids, ())]
    names = _read_names(wanted)
    return found or [
        row for place in find_batches(folder, manifest) for row in _rows_at(place, None, names)
    ]


def _read_ids(wanted: str) -> UInt64Array:
    """The document_ids that a text may stand for: one by its digits, one by those of base 16."""
    found = [int(wanted)] if wanted.isdecimal() else []
    if hexadecimal := _HEXADECIMAL.fullmatch(wanted):
        found.append(int(hexadecimal[1], 16))
    return np.array([value for value in found if value < 1 << 64], dtype=np.uint64)


def _read_names(wanted: str) -> list[tuple[str | None, str]]:
    """(corpus, name) that a text may stand for; without a corpus, of any."""
    source, colon, document = wanted.partition(": ")
    return [(None, wanted), *([(source, document)] if colon else [])]


def _rows_at(
    place: BatchPlace, ids: UInt64Array | None, names: Sequence[tuple[str | None, str]]
) -> Iterator[_Stored]:
    batch = place.read(NAMES)
    if ids is not None:
        is_wanted = np.isin(batch.column("document_id").to_numpy(), ids)
    else:
        is_wanted = _have_names(batch, names)
    for row in np.flatnonzero(is_wanted).tolist():
        (table,) = place.read((*NAMES, "sentences")).slice(row, 1).to_pylist()
        yield _Stored(**{**table, "sentences": tuple(table["sentences"])})


def _have_names(batch: pa.RecordBatch, names: Sequence[tuple[str | None, str]]) -> BoolArray:
    """Which rows have one of the names."""
    found = np.zeros(batch.num_rows, bool)
    for source, document in names:
        is_it = pc.equal(batch.column("document"), document).to_numpy(zero_copy_only=False)
        if source is not None:
            is_it &= pc.equal(batch.column("source"), source).to_numpy(zero_copy_only=False)
        found |= is_it
    return found


def _find_rejected(folder: Location, manifest: Manifest, wanted: str) -> list[Rejection]:
    """The rejected documents of this name."""
    found: list[Rejection] = []
    for shard in manifest.shards:
        if shard.path.startswith("rejected-"):
            with open_arrow(folder / shard.path) as reader:
                table = reader.read_all()
            for batch in table.to_batches():
                mask = pa.array(_have_names(batch, _read_names(wanted)))
                found += [Rejection(**row) for row in batch.filter(mask).to_pylist()]
    return found


def _show_beginning(
    paths: RunPaths,
    manifest: Manifest,
    found: _Stored | Rejection,
    config: Path | None,
    beginning: str = "",
) -> Iterator[str]:
    """The document as the input has it, and cleaned. `beginning`: its first sentence, if known."""
    yield Styled((printable(f"{found.source}: {found.document}"), "bold"))
    try:
        given = _find_input(paths, manifest, found.source, found.document, config)
        item = _read_again(given, found.document, beginning)
    except (BertdataError, OSError) as error:
        yield from _step("raw", [f"not shown: {first_line(error)}"])
        return
    if isinstance(item, Rejection):
        yield from _step("raw", [f"cannot be used: {item.reason}: {item.detail}"])
    else:
        yield from _step("raw", item.text.splitlines())
        (cleaned,) = make_cleaner(given.cleaning)([item])
        yield from _step("cleaned", list(_describe_cleaned(item, cleaned)))


def _describe_cleaned(item: Document, cleaned: Document | Rejection) -> Iterator[str]:
    if isinstance(cleaned, Rejection):
        yield f"rejected: {cleaned.reason}: {cleaned.detail}"
    elif cleaned.text == item.text:
        yield "as it is"
    else:
        if cleaned.lines_dropped:
            yield f"({number(cleaned.lines_dropped)} of its lines dropped)"
        yield from cleaned.text.splitlines()


def _find_input(
    paths: RunPaths, manifest: Manifest, source: str, document: str, config: Path | None
) -> _Input:
    """Raises BertdataError with the reason why the document cannot be read again."""
    corpus, cleaning, base = _find_corpus(paths, manifest, source, config)
    if describe_cleaning(cleaning) != manifest.config["cleaning"]:
        raise DataError(f"{config} does not clean as this run did; {_OWN_CONFIG}")
    found = find_inputs(corpus, base, paths.output).files
    known = {file["name"]: file["fingerprint"] for file in manifest.inputs[source]}
    same = [file for file in found if known.get(file.name) == file.fingerprint]
    # Names of documents begin with that of their file, unless the format has names of its own.
    likely = [file for file in known if re.match(rf"{re.escape(file)}(?:[@/]|$)", document)]
    files = [file for file in same if file.name in (likely or known)]
    if not files:
        what = f"{likely[0]} is" if likely else f"the files of {source} are"
        raise DataError(f"{what} no longer there, or changed since; restore what the run read")
    return _Input(corpus=corpus, files=tuple(files), cleaning=cleaning)


def _find_corpus(
    paths: RunPaths, manifest: Manifest, source: str, config: Path | None
) -> tuple[CorpusConfig, CleaningConfig, Location]:
    """A corpus of a run, how it is cleaned, and where its paths start."""
    config = config or _guess_config(paths)
    if config is not None:
        found = load_config(config)
        for corpus in found.corpus:
            if corpus.name == source:
                return corpus, found.cleaning, config.parent.absolute()
        raise ConfigError(f"{config} has no corpus {source!r}; {_OWN_CONFIG}")
    for table in manifest.config["corpus"]:
        if table["name"] == source and table["format"] == "demo":
            return read_table(CorpusConfig, table, "[[corpus]]"), CleaningConfig(), Path()
    raise ConfigError("where the input is, the run's configuration says: add --config CONFIG.toml")


def _guess_config(paths: RunPaths) -> Path | None:
    """The configuration in the current folder whose results are here unless --output is given."""
    name = Path(f"{paths.output.name}.toml")
    return name if paths.output == default_output(name) and name.is_file() else None


def _read_again(given: _Input, document: str, beginning: str) -> Document | Rejection:
    """The document of this name with this sentence; or else the first one of this name."""
    first: Document | Rejection | None = None
    for unit in plan_units(given.corpus, given.files, _UNIT_BYTES):
        for item in read_unit(unit):
            if item.document != document:
                continue
            text = item.text if isinstance(item, Document) else ""
            if beginning in " ".join(text.split()):
                return item
            first = first or item
    if first is None:
        raise DataError("the input no longer has it; restore what the run read")
    return first


def _show_stored(paths: RunPaths, stored: _Stored, rows: int) -> Iterator[str]:
    """The document's sentences, pieces and examples, as far as the run has come."""
    yield from _step("document_id", [f"{stored.document_id} (0x{stored.document_id:016x})"])
    yield from _step("sentences", _numbered(stored.sentences))
    if is_complete(paths.vocab):
        yield from _step("pieces", _numbered(_pieces_of(paths, stored.sentences)))
    if is_complete(paths.examples):
        yield from _show_examples(paths, stored.document_id, rows)


def _pieces_of(paths: RunPaths, sentences: Sequence[str]) -> list[str]:
    check_stage(paths.vocab, ["vocab.txt"])
    vocabulary = read_vocabulary(paths.vocab / "vocab.txt")
    config = read_table(VocabConfig, read_manifest(paths.vocab).config["vocab"], "[vocab]")
    tokenizer = build_tokenizer(vocabulary, config.tokenization)
    tokenizer.encode_special_tokens = True
    encoded = tokenizer.encode_batch(list(sentences), add_special_tokens=False)
    return [" ".join(found.tokens) for found in encoded]


def _show_examples(paths: RunPaths, document_id: int, rows: int) -> Iterator[str]:
    manifest = read_manifest(paths.examples)
    vocabulary = vocabulary_of(paths, manifest)
    for split in splits_of(manifest):
        found = list(read_examples(paths, manifest, vocabulary, split, document_id))
        if not found:
            continue
        count = f"{number(len(found))} in {split} begin with it"
        shown = f"; the first {number(rows)}:" if len(found) > rows else ":"
        yield from _step("examples", [f"{count}{shown}", legend(manifest)])
        for example in found[:rows]:
            yield ""
            yield from show_example(
                example, vocabulary, origin="", is_pair=config_of(manifest).next_sentence
            )


def _numbered(texts: Sequence[str]) -> list[str]:
    return [f"{place}  {text}" for place, text in enumerate(texts, start=1)]


def _step(title: str, texts: Sequence[str]) -> Iterator[str]:
    """A step of the way: a title, and texts beside it, the first lines of them."""
    lines = [line for text in texts for line in _wrap(text)]
    if (more := len(lines) - _MAX_LINES) > 0:
        lines = [*lines[:_MAX_LINES], [(f"… {number(more)} more lines", "dim")]]
    for place, line in enumerate(lines or [[]]):
        yield Styled((f"{'' if place else title:<{_TITLE}}", "bold"), *line)


def _wrap(text: str) -> Iterator[list[Span]]:
    if isinstance(text, Styled):
        yield list(text.spans)
    else:
        yield from fill_lines(((word, "") for word in printable(text).split()), _WIDTH - _TITLE)
