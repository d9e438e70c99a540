"""Reads a finished stage again and reports what is wrong with it, one line per finding.

Nothing in the files is trusted: checksums, sizes, schemas and rows are read and compared with the
manifest. A file with a wrong checksum is not opened. Memory: one slice of a batch at a time, 16
bytes per document (its id, and a hash of its name), and the word counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import Int64Array, UInt64Array
from bertdata.checks.invariants import (
    ExampleRules,
    Fault,
    check_documents,
    check_examples,
    check_sentences,
    row_faults,
)
from bertdata.checks.shares import ExampleShares, check_held_out
from bertdata.config import Table
from bertdata.corpus.documents import REASONS
from bertdata.corpus.identity import count_repeated_ids, hash_rows
from bertdata.corpus.partitions import Layout, choose_validation
from bertdata.errors import BertdataError, DataError, damaged_file
from bertdata.examples.statistics import NUM_LENGTHS, add_counts, count_examples, with_shares
from bertdata.reference.config import MaskingConfig
from bertdata.sentences.files import SentenceCounts
from bertdata.storage.files import exists, is_folder, is_temporary, list_files
from bertdata.storage.locations import Location
from bertdata.storage.manifest import FILE_NAME, Manifest, content_hash, find_damage, read_manifest
from bertdata.storage.schema import REJECTED, SENTENCES, WORD_COUNTS, check_schema, examples_schema
from bertdata.storage.shards import Shard, first_line, open_arrow
from bertdata.tokens.tokenizer import TokenizationConfig, build_tokenizer, load_tokenizer
from bertdata.tokens.vocabulary import SpecialIds, Vocabulary, read_vocabulary

_SLICE_ROWS = 8192
_PROBE_WORDS = 2000
_PROBE = "The [MASK] of Café-Zürich costs 3.14 €; 東京 too, he said. supercalifragilistic"
_SHARD_NAME = re.compile(r"(?P<group>[a-z]+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.arrow")
_PROGRESS = ".progress"
_CARD_NAME = "README.md"  # of an export; whoever publishes it completes the card
_NO_IDS = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64)


@dataclass(kw_only=True)
class Verified:
    """The results of checking a stage.

    `document_ids` (sentences): ids of all documents, sorted; None if one of their files is damaged.
    `vocabulary` (vocab): the content of vocab.txt; None if it is damaged.
    """

    folder: Location
    manifest: Manifest | None = None
    findings: list[str] = field(default_factory=list)
    document_ids: UInt64Array | None = None
    vocabulary: Vocabulary | None = None

    def add(self, name: str, what: str) -> None:
        """Add a finding about a file of the stage."""
        self.findings.append(f"{self.folder / name}: {what}")

    def add_faults(self, name: str, faults: Iterable[Fault]) -> None:
        """Add each broken rule of a file once, with its first row and the number of rows."""
        first: dict[str, Fault] = {}
        for fault in faults:
            known = first.get(fault.rule)
            first[fault.rule] = replace(known, rows=known.rows + fault.rows) if known else fault
        for fault in first.values():
            more = f" ({fault.rows} such rows)" if fault.rows > 1 else ""
            self.add(name, f"row {fault.row} {fault.rule} {fault.value}{more}")


def verify_sentences(folder: Location) -> Verified:
    """Check a `sentences/` folder."""
    return _verify(folder, "bertdata-sentences", _check_sentences)


def verify_vocabulary(folder: Location) -> Verified:
    """Check a `vocab/` folder."""
    return _verify(folder, "bertdata-vocab", _check_vocabulary)


def verify_examples(folder: Location, document_ids: UInt64Array | None = None) -> Verified:
    """Check an `examples/` folder; `document_ids`: those of `sentences/`, sorted, if known."""

    def check(stage: Verified, manifest: Manifest, intact: list[Shard]) -> None:
        _check_examples(stage, manifest, intact, document_ids)

    return _verify(folder, "bertdata-examples", check)


def verify_files(folder: Location, kind: str) -> Verified:
    """Check only the files of a stage against its manifest."""
    return _verify(folder, kind, lambda stage, manifest, intact: None)


def differences(recorded: object, found: object, name: str) -> Iterator[str]:
    """One line for each value in which two tables differ."""
    if isinstance(recorded, Mapping) and isinstance(found, Mapping):
        for key in sorted({*recorded, *found}):
            yield from differences(recorded.get(key), found.get(key), f"{name}.{key}")
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for number, pair in enumerate(zip(recorded, found)):
            yield from differences(*pair, f"{name}[{number}]")
    elif recorded != found:
        yield f"{name} is {_short(recorded)}, the files have {_short(found)}"


_Check = Callable[[Verified, Manifest, list[Shard]], None]


def _verify(folder: Location, kind: str, check: _Check) -> Verified:
    stage = Verified(folder=folder)
    try:
        stage.manifest = manifest = _read_manifest(folder)
        if manifest.format != kind:
            stage.add(FILE_NAME, f"format is {manifest.format!r}, not {kind!r}")
            return stage
        intact = _check_files(stage, manifest)
        check(stage, manifest, intact)
    except DataError as error:
        stage.findings.append(str(error))
    except (BertdataError, KeyError, TypeError, ValueError, AttributeError) as error:
        # A manifest is input: missing keys and impossible values are findings.
        stage.add(FILE_NAME, f"is damaged ({type(error).__name__}: {first_line(error)})")
    return stage


def _read_manifest(folder: Location) -> Manifest:
    if is_folder(folder / _PROGRESS) and not exists(folder / FILE_NAME):
        units = (found.path for found in list_files(folder / _PROGRESS))
        done = sum(fnmatchcase(name, "unit-*.json") for name in units)
        raise DataError(
            f"{folder}: is not complete ({done} parts done); the same command continues it"
        )
    return read_manifest(folder)


def _check_files(stage: Verified, manifest: Manifest) -> list[Shard]:
    """Compare the folder with the manifest; returns the undamaged shards."""
    if content_hash(manifest.shards) != manifest.content_sha256:
        stage.add(
            FILE_NAME, f"content_sha256 {manifest.content_sha256!r} does not match its shards"
        )
    intact = []
    for shard in manifest.shards:
        damage = find_damage(stage.folder, replace(manifest, shards=(shard,)))
        stage.findings += damage
        if not damage:
            intact.append(shard)
    known = [shard.path for shard in manifest.shards]
    for path in sorted({path for path in known if known.count(path) > 1}):
        stage.add(path, "is listed twice in the manifest")
    _check_names(stage, known)
    _check_strays(stage, {*known, FILE_NAME, _CARD_NAME})
    return intact


def _check_names(stage: Verified, names: Iterable[str]) -> None:
    """Check that each group has shards 0 to total - 1; only rejected-* may lack some."""
    groups: dict[tuple[str, int], set[int]] = {}
    for match in filter(None, map(_SHARD_NAME.fullmatch, names)):
        key = match["group"], int(match["total"])
        groups.setdefault(key, set()).add(int(match["number"]))
    for (group, total), numbers in groups.items():
        if group == "rejected":
            continue
        for number in sorted(set(range(total)) - numbers):
            stage.add(f"{group}-{number:05d}-of-{total:05d}.arrow", "is not in the manifest")


def _check_strays(stage: Verified, known: set[str]) -> None:
    if stage.manifest and stage.manifest.format == "bertdata-model":
        return  # logs and checkpoints are kept beside a model
    if exists(stage.folder / _PROGRESS):
        stage.add(_PROGRESS, "is left from an unfinished run; delete it")
    for found in list_files(stage.folder, recursive=True, with_temporary=True):
        if found.path in known or found.path.startswith(f"{_PROGRESS}/"):
            continue
        is_cut_off = is_temporary(found.path)
        why = "is left from a write that was cut off" if is_cut_off else "is not in the manifest"
        stage.add(found.path, f"{why}; delete it")


def _check_sentences(stage: Verified, manifest: Manifest, intact: list[Shard]) -> None:
    recorded = dict(manifest.counts)
    for name in ("sentences_dropped", "lines_dropped"):
        recorded.pop(name, None)  # dropped text cannot be counted again
    files = [shard for shard in manifest.shards if shard.path.startswith("sentences-")]
    layout = Layout(
        num_partitions=len(recorded["documents_per_partition"]),
        num_files=len(files),
        seed=manifest.config["seed"],
    )
    counts = SentenceCounts()
    ids: list[tuple[UInt64Array, UInt64Array]] = [_NO_IDS]
    for shard in intact:
        if shard.path.startswith("rejected-"):
            _check_rejected(stage, shard, counts)
        else:
            first, _ = layout.ranges[files.index(shard)]
            is_whole = manifest.config["cleaning"]["duplicate_sentences"] == "keep"
            ids += _check_sentence_file(stage, shard, counts, layout, first, is_whole)
    if len(intact) == len(manifest.shards):
        document_ids, names = (np.concatenate(parts) for parts in zip(*ids))
        stage.document_ids = np.sort(document_ids)
        found = {**counts.to_table(), "repeated_ids": count_repeated_ids(document_ids, names)}
        for line in differences(recorded, found, "counts"):
            stage.add(FILE_NAME, line)


def _check_sentence_file(
    stage: Verified,
    shard: Shard,
    counts: SentenceCounts,
    layout: Layout,
    first: int,
    is_whole: bool,
) -> Iterator[tuple[UInt64Array, UInt64Array]]:
    """Check a file; yields copies of each batch's document ids and hashes of their names.

    `first`: its first partition; `is_whole`: whether its documents have all their sentences.
    """
    faults: list[Fault] = []
    first_row = 0
    for number, batch in _read_batches(stage, shard, SENTENCES):
        counts.documents_per_partition.append(batch.num_rows)
        for rows in _slices(batch):
            hashes = hash_rows(rows)
            found = check_sentences(
                rows,
                partition=first + number,
                num_partitions=layout.num_partitions,
                seed=layout.seed,
                hashes=hashes,
                is_whole=is_whole,
            )
            faults += [replace(fault, row=first_row + fault.row) for fault in found]
            first_row += rows.num_rows
            counts.count_rows(rows)
            yield rows.column("document_id").to_numpy().copy(), hashes.names
    stage.add_faults(shard.path, faults)


def _check_rejected(stage: Verified, shard: Shard, counts: SentenceCounts) -> None:
    faults = []
    for _, batch in _read_batches(stage, shard, REJECTED):
        unexplained = pc.equal(batch.column("detail"), "")
        if count := pc.sum(unexplained, min_count=0).as_py():
            row = pc.index(unexplained, True).as_py()
            faults.append(Fault(rule="has no detail", row=row, value="''", rows=count))
        for reason, count in counts.count_rejections(batch):
            if reason not in REASONS:
                row = batch.column("reason").index(reason).as_py()
                fault = Fault(rule="has an unknown reason", row=row, value=repr(reason), rows=count)
                faults.append(fault)
    stage.add_faults(shard.path, faults)


def _check_vocabulary(stage: Verified, manifest: Manifest, intact: list[Shard]) -> None:
    files = {shard.path: shard for shard in intact}
    config = manifest.config["vocab"]
    words = _check_word_counts(stage, manifest, files)
    if "vocab.txt" not in files:
        _note_unlisted(stage, manifest, "vocab.txt")
        return
    vocabulary = stage.vocabulary = _read_vocabulary(stage)
    if vocabulary is None:
        return
    for name, size in (
        ("the manifest's counts.pieces", manifest.counts["pieces"]),
        ("the configured size", config["size"]),
        ("the manifest's rows", files["vocab.txt"].rows),
    ):
        if size != vocabulary.size:
            stage.add("vocab.txt", f"has {vocabulary.size} pieces, {name}: {size}")
    given = manifest.inputs.get("vocabulary")
    if given and given["sha256"] != vocabulary.fingerprint:
        stage.add("vocab.txt", f"is not the file it was made from, {given['sha256'][:12]}…")
    if "tokenizer.json" in files:
        _check_tokenizer(stage, vocabulary, config, words)
    else:
        _note_unlisted(stage, manifest, "tokenizer.json")


def _note_unlisted(stage: Verified, manifest: Manifest, name: str) -> None:
    if all(shard.path != name for shard in manifest.shards):
        stage.add(name, "is not in the manifest")


def _read_vocabulary(stage: Verified) -> Vocabulary | None:
    try:
        return read_vocabulary(stage.folder / "vocab.txt")
    except BertdataError as error:
        stage.findings.append(str(error))
        return None


def _check_tokenizer(
    stage: Verified, vocabulary: Vocabulary, config: Table, words: list[str]
) -> None:
    """Compare tokenizer.json with the tokenizer of this vocabulary, on real words."""
    names = TokenizationConfig.__dataclass_fields__
    wanted = build_tokenizer(
        vocabulary, TokenizationConfig(**{name: config[name] for name in names if name in config})
    )
    try:
        found = load_tokenizer(stage.folder / "tokenizer.json")
    except Exception as error:  # tokenizers raises plain Exception
        stage.add("tokenizer.json", f"is not a tokenizer ({first_line(error)})")
        return
    if found.get_vocab() != dict(vocabulary.ids):
        stage.add("tokenizer.json", "has different pieces or ids than vocab.txt")
    for text in (_PROBE, *words):
        ids, right = found.encode(text).ids, wanted.encode(text).ids
        if ids != right:
            stage.add("tokenizer.json", f"encodes {text!r} as {ids}, vocab.txt as {right}")
            return


def _check_word_counts(
    stage: Verified, manifest: Manifest, files: Mapping[str, Shard]
) -> list[str]:
    """Check word_counts.arrow if there is one; returns some of its words."""
    shard = files.get("word_counts.arrow")
    if shard is None:
        if "words" in manifest.counts:
            _note_unlisted(stage, manifest, "word_counts.arrow")
        return []
    batches = [batch for _, batch in _read_batches(stage, shard, WORD_COUNTS)]
    table = pa.Table.from_batches(batches, WORD_COUNTS)
    words, counts = table["word"], table["count"].to_numpy()
    stage.add_faults(shard.path, _check_order(words, counts))
    if (distinct := pc.count_distinct(words).as_py()) != len(words):
        stage.add(shard.path, f"has {len(words)} rows but {distinct} distinct words")
    found = {"words": int(counts.sum()), "distinct_words": len(words)}
    for line in differences({key: manifest.counts[key] for key in found}, found, "counts"):
        stage.add(FILE_NAME, line)
    return [str(word) for word in words.slice(0, _PROBE_WORDS).to_pylist()]


def _check_order(words: pa.ChunkedArray, counts: Int64Array) -> Iterator[Fault]:
    """Counts must be positive and in order: most frequent first, ties by the words' bytes."""
    falls = np.zeros(len(counts), dtype=np.bool_)
    ascends = pc.less(words.slice(0, max(0, len(words) - 1)), words.slice(1)).to_numpy()
    steps = np.diff(counts)
    falls[1:] = (steps > 0) | ((steps == 0) & ~ascends.astype(np.bool_))
    yield from row_faults("has a count of", counts < 1, counts)
    yield from row_faults("is out of order; its count is", falls, counts)


def _check_examples(
    stage: Verified,
    manifest: Manifest,
    intact: list[Shard],
    document_ids: UInt64Array | None,
) -> None:
    _check_shard_names(stage, manifest)
    rules = _example_rules(manifest)
    fraction = manifest.config["examples"]["validation_fraction"]
    counts: dict[str, list[Table]] = {}
    shares = {
        split: ExampleShares(rules, table["examples"]) for split, table in manifest.counts.items()
    }
    for shard in intact:
        split = shard.path.split("-")[0]
        check = partial(
            check_documents,
            held_out=split == "validation",
            fraction=fraction,
            seed=manifest.config["seed"],
            known=document_ids,
        )
        counts.setdefault(split, []).append(
            _check_shard(stage, shard, rules, check, shares.get(split))
        )
    if len(intact) < len(manifest.shards):
        return
    length = rules.max_seq_length
    found = {split: with_shares(add_counts(tables), length) for split, tables in counts.items()}
    for split in sorted({*manifest.counts, *found}):
        recorded = manifest.counts.get(split)
        for line in differences(recorded, found.get(split), f"counts.{split}"):
            stage.add(FILE_NAME, line)
    for split in sorted(found):
        for line in shares[split].findings(found[split]) if split in shares else ():
            stage.add(f"{split}-*.arrow", line)
    if document_ids is not None:
        ids = np.unique(document_ids)
        num_held_out = int(choose_validation(ids, fraction, manifest.config["seed"]).sum())
        for line in check_held_out(num_held_out, len(ids), fraction):
            stage.add(FILE_NAME, line)


def _example_rules(manifest: Manifest) -> ExampleRules:
    """The rules for the rows of an `examples/` folder, from its manifest."""
    config, vocabulary = manifest.config["examples"], manifest.inputs["vocabulary"]
    is_static = config["masking"] == "static"
    masking = MaskingConfig(**{name: config[name] for name in MaskingConfig.__dataclass_fields__})
    return ExampleRules(
        max_seq_length=config["max_seq_length"],
        next_sentence=config["next_sentence"],
        masking=masking if is_static else None,
        special=SpecialIds(**vocabulary["special"]),
        vocabulary_size=vocabulary["size"],
    )


def _check_shard_names(stage: Verified, manifest: Manifest) -> None:
    config = manifest.config["examples"]
    wanted = {"train": config["num_shards"]}
    if config["validation_fraction"]:
        wanted["validation"] = 1
    for split, number in wanted.items():
        found = sum(shard.path.startswith(f"{split}-") for shard in manifest.shards)
        if found != number:
            stage.add(FILE_NAME, f"lists {found} {split} shards, {number} are configured")


def _check_shard(
    stage: Verified,
    shard: Shard,
    rules: ExampleRules,
    check: Callable[[UInt64Array], list[Fault]],
    shares: ExampleShares | None,
) -> Table:
    """Check the rows of one shard of examples and count them."""
    faults: list[Fault] = []
    counts = [_no_examples()]
    first_row = 0
    schema = examples_schema(rules.vocabulary_size)
    for _, batch in _read_batches(stage, shard, schema):
        for rows in _slices(batch):
            found = check_examples(rows, rules)
            found += check(rows.column("document_id").to_numpy())
            faults += [replace(fault, row=first_row + fault.row) for fault in found]
            first_row += rows.num_rows
            if not found:
                counts.append(count_examples(rows, rules.special.mask))
                if shares is not None:
                    shares.add(rows)
    if shares is not None:
        shares.end_shard()
    stage.add_faults(shard.path, faults)
    return add_counts(counts)


def _no_examples() -> Table:
    names = ("examples", "pieces", "predicted", "masked", "kept", "replaced", "random_next")
    return {**dict.fromkeys(names, 0), "lengths": [0] * NUM_LENGTHS}


def _read_batches(
    stage: Verified, shard: Shard, schema: pa.Schema
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches of a shard with their numbers, up to the first damaged one."""
    try:
        with open_arrow(stage.folder / shard.path) as reader:
            check_schema(reader.schema, schema, str(stage.folder / shard.path))
            rows = 0
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate(full=True)
                rows += batch.num_rows
                if nulls := [name for name in schema.names if batch.column(name).null_count]:
                    raise damaged_file(f"{stage.folder / shard.path}: column {nulls[0]} has nulls")
                yield number, batch
    except DataError as error:
        stage.findings.append(str(error))
        return
    except pa.ArrowInvalid as error:
        stage.add(shard.path, f"has damaged Arrow data ({first_line(error)})")
        return
    if rows != shard.rows:
        stage.add(shard.path, f"has {rows} rows, the manifest says {shard.rows}")


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, _SLICE_ROWS):
        yield batch.slice(start, _SLICE_ROWS)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}…"
