"""The texts whose features are computed, from a sentences/ folder, text files or tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bertdata.config import Table
from bertdata.errors import InputError
from bertdata.randomness import stable_hash
from bertdata.storage.files import is_folder
from bertdata.storage.locations import Location
from bertdata.storage.manifest import check_shard, read_manifest
from bertdata.storage.schema import SENTENCES, check_schema
from bertdata.storage.shards import open_arrow
from trainer.features.config import FeaturesConfig
from trainer.texts.tables import plain_suffix, read_lines, read_rows


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceText:
    """A text and its origin. `sentence`: its number in the document, from 0; None: all of them."""

    document_id: int
    source: str
    document: str
    sentence: int | None
    text: str


def read_texts(path: Location, config: FeaturesConfig) -> Iterator[SourceText]:
    """Read a sentences/ folder, a .txt file (one text per line), or a table (one text per row).

    A document of a folder keeps its ids; its sentences are joined by spaces, or read one by one.
    Otherwise the source is the file's name, the document is the record's id or its line or row, and
    `document_id` is a hash of both and the text, because a record's id may repeat.
    """
    if is_folder(path):
        return _read_folder(path, config.unit)
    if plain_suffix(path) == ".txt":
        return _read_lines(path)
    return _read_table(path, config)


def _read_folder(folder: Location, unit: str) -> Iterator[SourceText]:
    manifest = read_manifest(folder)
    if manifest.format != "bertdata-sentences":
        raise InputError(
            f"{folder} holds {manifest.format}, not sentences; name a sentences/ folder"
        )
    for shard in manifest.shards:
        if not shard.path.startswith("sentences-"):
            continue
        check_shard(folder, shard, manifest.format)
        with open_arrow(folder / shard.path) as reader:
            check_schema(reader.schema, SENTENCES, shard.path)
            for number in range(reader.num_record_batches):
                for row in reader.get_batch(number).to_pylist():
                    yield from _document_texts(row, unit)


def _document_texts(row: Table, unit: str) -> Iterator[SourceText]:
    sentences: list[str] = row["sentences"]
    origin = {name: row[name] for name in row if name != "sentences"}
    if unit == "document":
        yield SourceText(**origin, sentence=None, text=" ".join(sentences))
    else:
        for number, sentence in enumerate(sentences):
            yield SourceText(**origin, sentence=number, text=sentence)


def _read_lines(path: Location) -> Iterator[SourceText]:
    for number, line in read_lines(path):
        if text := line.strip():
            yield _from_file(path, str(number), text)


def _read_table(path: Location, config: FeaturesConfig) -> Iterator[SourceText]:
    for number, row in enumerate(read_rows(path, header=config.header), start=1):
        text = row.cell(config.text)
        if not isinstance(text, str):
            raise InputError(
                f"{row.where}: {config.text!r} is {text!r}, not text; name another --text"
            )
        given = row.values.get(config.id)
        yield _from_file(path, str(number if given in (None, "") else given), text)


def _from_file(path: Location, document: str, text: str) -> SourceText:
    return SourceText(
        document_id=stable_hash(path.name, document, text),
        source=path.name,
        document=document,
        sentence=None,
        text=text,
    )
