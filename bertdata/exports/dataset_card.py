"""The card of exported examples: what they are, how they were made, how to load them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bertdata.exports.cards import UNKNOWN_LICENCE, make_card, table_lines
from bertdata.exports.rows import Examples, split_of
from bertdata.storage.manifest import Manifest, is_complete, read_manifest

# Upper bounds of the hub's size categories.
_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
# ISO 639 codes of the languages that `[sentences] language` knows.
_LANGUAGE_CODES = {
    "amharic": "am",
    "arabic": "ar",
    "armenian": "hy",
    "bengali": "bn",
    "burmese": "my",
    "chinese": "zh",
    "czech": "cs",
    "danish": "da",
    "dutch": "nl",
    "english": "en",
    "estonian": "et",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hindi": "hi",
    "italian": "it",
    "japanese": "ja",
    "khmer": "km",
    "malayalam": "ml",
    "marathi": "mr",
    "nepali": "ne",
    "norwegian": "no",
    "persian": "fa",
    "polish": "pl",
    "portuguese": "pt",
    "russian": "ru",
    "slovene": "sl",
    "spanish": "es",
    "swedish": "sv",
    "thai": "th",
    "turkish": "tr",
    "urdu": "ur",
}
_STORED_COLUMNS = {
    "input_ids": "[CLS] A [SEP] B [SEP] as ids of pieces, {masks}, no padding",
    "segment_b_start": "where B begins; segment ids are 0 before it, 1 from it on",
    "masked_lm_positions": "places of the pieces to predict, ascending; none without masks",
    "masked_lm_ids": "the original pieces at those places",
    "next_sentence_label": "0: B follows A; 1: B is random",
    "document_id": "the document of A, a hash",
}
_ORIGINAL_COLUMNS = {
    "input_ids": "int64, {length}: [CLS] A [SEP] B [SEP] as ids of pieces, masks applied",
    "input_mask": "int64, {length}: 1 for a piece, 0 for padding",
    "segment_ids": "int64, {length}: 0 for A, 1 for B",
    "masked_lm_positions": "int64, {predictions}: places of the pieces to predict",
    "masked_lm_ids": "int64, {predictions}: the original pieces at those places",
    "masked_lm_weights": "float, {predictions}: 1 for a prediction, 0 for padding",
    "next_sentence_labels": "int64, 1: 0 if B follows A, 1 if B is random",
}
_LOADING = {
    "parquet": """\
from datasets import load_dataset

rows = load_dataset("{folder}", split="train")  # or its name on the hub""",
    "mds": """\
from streaming import StreamingDataset

rows = StreamingDataset(local="{folder}", split="train", shuffle=True, batch_size=32)""",
    "tfrecord": """\
import tensorflow as tf

sizes = {{"next_sentence_labels": 1}}
sizes |= dict.fromkeys(["input_ids", "input_mask", "segment_ids"], {length})
sizes |= dict.fromkeys(["masked_lm_positions", "masked_lm_ids"], {predictions})
features = {{name: tf.io.FixedLenFeature([size], tf.int64) for name, size in sizes.items()}}
features["masked_lm_weights"] = tf.io.FixedLenFeature([{predictions}], tf.float32)
files = sorted(tf.io.gfile.glob("{folder}/train-*.tfrecord"))
rows = tf.data.TFRecordDataset(files).map(lambda row: tf.io.parse_single_example(row, features))""",
}


def make_dataset_card(examples: Examples, kind: str) -> str:
    """The README.md of an export. `kind`: its format, "tfrecord", "parquet" or "mds"."""
    return make_card(_head(examples, kind), _body(examples, kind))


def find_language(examples: Examples) -> str | None:
    """The code of the examples' language, if the sentences they were made from are beside them."""
    folder = examples.folder.parent / "sentences"
    if not is_complete(folder):
        return None
    sentences = read_manifest(folder)
    made_from = examples.manifest.inputs.get("sentences")
    if made_from != {"content_sha256": sentences.content_sha256}:
        return None
    return _LANGUAGE_CODES.get(_language_of(sentences))


def _language_of(sentences: Manifest) -> str:
    config = sentences.config.get("sentences")
    return str(config.get("language")) if isinstance(config, Mapping) else ""


def _head(examples: Examples, kind: str) -> dict[str, object]:
    language = find_language(examples)
    head: dict[str, object] = {"pretty_name": "BERT pre-training examples"}
    if language:
        head["language"] = [language]
    head |= {
        "license": UNKNOWN_LICENCE,
        "task_categories": ["fill-mask"],
        "size_categories": [_size_category(sum(count_rows(examples).values()))],
        "tags": ["bert", "pre-training", "bertdata", kind],
    }
    if kind == "parquet":
        files = [{"split": split, "path": f"{split}-*.parquet"} for split in count_rows(examples)]
        head["configs"] = [{"config_name": "default", "data_files": files}]
    return head


def count_rows(examples: Examples) -> dict[str, int]:
    """Rows of each split that has files, training first."""
    found: dict[str, int] = {}
    for shard in examples.manifest.shards:
        found[split_of(shard)] = found.get(split_of(shard), 0) + shard.rows
    return {split: rows for split, rows in found.items() if rows}


def _size_category(rows: int) -> str:
    """The hub's name for a number of rows: 144508 -> "100K<n<1M"."""
    for number, bound in enumerate(_SIZES):
        if rows < 1000 * 10**number:
            return f"{_SIZES[number - 1]}<n<{bound}" if number else f"n<{bound}"
    return f"n>{_SIZES[-1]}"


def _body(examples: Examples, kind: str) -> Iterator[str]:
    config = examples.config
    pairs = "next-sentence" if config.next_sentence else "single segments, no next-sentence"
    yield "# BERT pre-training examples"
    yield ""
    yield (
        f"Masked-language-model and {pairs} examples for pre-training BERT, made by bertdata "
        f"with the algorithm of the original `create_pretraining_data.py`; exported as {kind}."
    )
    yield from ("", "## Load", "", "```python")
    yield from _loading(examples, kind).splitlines()
    yield from ("```", "", "## Columns", "")
    yield from table_lines(_columns(examples, kind))
    yield from ("", "## How it was made", "")
    yield from table_lines(_facts(examples))
    yield from ("", "## Source and licence", "")
    yield "Unknown: fill in which text this is, who may use it, and what it must not be used for."


def _loading(examples: Examples, kind: str) -> str:
    config = examples.config
    return _LOADING[kind].format(
        folder="FOLDER", length=config.max_seq_length, predictions=config.max_predictions_per_seq
    )


def _columns(examples: Examples, kind: str) -> dict[str, str]:
    config = examples.config
    if kind == "tfrecord":
        length, most = config.max_seq_length, config.max_predictions_per_seq
        return {
            f"`{name}`": text.format(length=length, predictions=most)
            for name, text in _ORIGINAL_COLUMNS.items()
        }
    masks = "masks applied" if examples.has_masks else "not masked: mask them when you read them"
    types = {field.name: str(field.type).replace("item: ", "") for field in examples.schema}
    return {
        f"`{name}`": f"`{types[name]}`: {text.format(masks=masks)}"
        for name, text in _STORED_COLUMNS.items()
        if examples.has_masks or kind != "mds" or not name.startswith("masked_lm")
    }


def _facts(examples: Examples) -> dict[str, object]:
    config, manifest = examples.config, examples.manifest
    return {
        **{f"{split} examples": rows for split, rows in count_rows(examples).items()},
        "`max_seq_length`": config.max_seq_length,
        "`masked_lm_prob`, `max_predictions_per_seq`": (
            f"{config.masked_lm_prob:g}, {config.max_predictions_per_seq}"
        ),
        "`masking`, `whole_word_mask`": (
            f"{config.masking}, {'yes' if config.whole_word_mask else 'no'}"
        ),
        "`dupe_factor`": config.dupe_factor,
        "`seed`": str(manifest.config.get("seed", "unknown")),
        "vocabulary": f"{examples.vocabulary_size:,} pieces, sha256 {_fingerprint(manifest)}",
        "`content_sha256` of the examples": manifest.content_sha256,
    }


def _fingerprint(manifest: Manifest) -> str:
    return str(manifest.inputs["vocabulary"]["sha256"])
