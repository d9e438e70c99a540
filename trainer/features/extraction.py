"""Features: the vectors that a model computes of texts, in an Arrow file.

One row per text, in the order of the input: `document_id`, `source`, `document`, `sentence`,
`num_pieces` (after cutting), `num_cut` (pieces cut off), then a column per layer, such as
`layer_2`: a list of as many numbers as the model is wide. With `--pooling tokens` it is a list of
such lists, one per id in `input_ids`.

Shapes: B batch, L length, D width.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from bertdata.arrays import FloatArray, Int64Array
from bertdata.errors import ConfigError, InputError
from bertdata.grouping import fill_groups
from bertdata.storage.files import exists
from bertdata.storage.locations import Address, Location
from bertdata.storage.shards import sync_files, write_arrow
from bertdata.storage.writing import check_writable
from trainer.device import autocast, compute_dtype, find_device
from trainer.features.config import FeaturesConfig
from trainer.features.sources import SourceText, read_texts
from trainer.models.bert import Bert
from trainer.models.export import check_model, load_encoder
from trainer.texts.encoder import EncodedText, TextBatch, TextEncoder, lengths_of, pad

FILE_NAME = "features.arrow"
_TEXTS_AT_ONCE = 512  # tokenized together
_CHUNK_PIECES = (
    1 << 16
)  # of a record batch, within which texts of similar length are computed together
_REPORT_SECONDS = 10.0

_Pair = tuple[SourceText, EncodedText]


@dataclass(kw_only=True)
class _FeatureCounts:
    """What was written: texts, their pieces, and how many of them were cut."""

    texts: int = 0
    pieces: int = 0
    cut: int = 0


def extract_features(
    *,
    model: Location,
    inputs: Sequence[Location],
    output: Location,
    config: FeaturesConfig,
    overwrite: bool = False,
) -> _FeatureCounts:
    """Write the features of all texts, in order, to one Arrow file.

    `output`: ends in .arrow. Raises InputError if there is no text, ConfigError if `output` exists,
    unless `overwrite`.
    """
    if exists(output) and not overwrite:
        raise ConfigError(
            f"{output} already exists; choose another --output, or add --overwrite to replace it"
        )
    if isinstance(output, Address):
        check_writable(output.parent)  # nothing is sent before the end
    if config.threads:
        torch.set_num_threads(config.threads)
    extractor = FeatureExtractor(model, config)
    texts = itertools.chain.from_iterable(read_texts(path, config) for path in inputs)
    first = next(texts, None)
    if first is None:
        raise InputError(f"there is no text in {', '.join(map(str, inputs))}; name files with text")
    counts = _FeatureCounts()
    batches = extractor.batches(itertools.chain([first], texts))
    shard = write_arrow(output, extractor.schema, _count(batches, counts))
    sync_files(output.parent, [shard])
    return counts


class FeatureExtractor:
    """Computes the vectors of texts that a configuration names."""

    def __init__(self, folder: Location, config: FeaturesConfig) -> None:
        check_model(folder)
        self._config = config
        self._device = find_device(config.device)
        self._dtype = compute_dtype(config.precision, self._device)
        self._bert = load_encoder(folder)[0].to(self._device).eval()
        length = min(config.max_seq_length, self._bert.config.max_positions)
        self._encoder = TextEncoder(folder, length, self._bert.config)
        self._layers = _layer_numbers(config.layers, self._bert.config.num_layers)
        self.schema = self._make_schema(self._encoder.max_seq_length)

    def batches(self, texts: Iterable[SourceText]) -> Iterator[pa.RecordBatch]:
        """Compute record batches of some ten thousand pieces, texts in their order."""
        pairs = self._encode(texts)
        yield from map(self._to_batch, fill_groups(pairs, _CHUNK_PIECES, _num_pieces))

    def _encode(self, texts: Iterable[SourceText]) -> Iterator[_Pair]:
        iterator = iter(texts)
        while group := list(itertools.islice(iterator, _TEXTS_AT_ONCE)):
            yield from zip(group, self._encoder.encode([text.text for text in group]))

    def _to_batch(self, chunk: Sequence[_Pair]) -> pa.RecordBatch:
        encoded = [pair[1] for pair in chunk]
        columns: dict[str, Sequence[object]] = {
            name: [getattr(pair[0], name) for pair in chunk]
            for name in ("document_id", "source", "document", "sentence")
        }
        columns["num_pieces"] = [len(text.ids) for text in encoded]
        columns["num_cut"] = [text.num_cut for text in encoded]
        if self._config.pooling == "tokens":
            columns["input_ids"] = [text.ids for text in encoded]
        vectors = self._vectors(encoded)
        arrays = [
            _to_lists(vectors.pop(0), field.type)
            if field.name.startswith("layer_")
            else pa.array(columns[field.name], field.type)
            for field in self.schema
        ]
        return pa.record_batch(arrays, schema=self.schema)

    def _vectors(self, texts: Sequence[EncodedText]) -> list[list[FloatArray]]:
        """Return for each layer the vectors of each text: 1 D, or one per piece."""
        found: list[list[FloatArray]] = [[np.empty(0)] * len(texts) for _ in self._layers]
        for rows in batches_by_length(lengths_of(texts), self._config.batch_pieces):
            chosen = [texts[row] for row in rows]
            batch = pad(chosen, pad_id=self._encoder.pad_id, device=self._device)
            for place, states_BLD in enumerate(self._states(batch)):
                for row, vectors in zip(rows, self._pool(states_BLD, chosen)):
                    found[place][row] = vectors
        return found

    @torch.no_grad()
    def _states(self, batch: TextBatch) -> list[Tensor]:
        with autocast(self._device, self._dtype):
            states = _layer_states(self._bert, batch)
        return [states[number].float() for number in self._layers]

    def _pool(self, states_BLD: Tensor, texts: Sequence[EncodedText]) -> Iterator[FloatArray]:
        for states_LD, text in zip(states_BLD, texts):
            real_LD = states_LD[: len(text.ids)]
            if self._config.pooling == "cls":
                real_LD = real_LD[:1]
            elif self._config.pooling == "mean":
                real_LD = real_LD.mean(dim=0, keepdim=True)
            yield real_LD.cpu().numpy().astype(self._config.dtype)

    def _make_schema(self, length: int) -> pa.Schema:
        numbers = pa.float16() if self._config.dtype == "float16" else pa.float32()
        vector = pa.list_(pa.field("item", numbers), self._bert.config.hidden_size)
        is_tokens = self._config.pooling == "tokens"
        names = [f"layer_{number}" for number in self._layers]
        layers = [pa.field(name, pa.list_(vector) if is_tokens else vector) for name in names]
        ids = [pa.field("input_ids", pa.list_(pa.int32()))] if is_tokens else []
        described = {"pooling": self._config.pooling, "max_seq_length": str(length)}
        return pa.schema([*_TEXT_FIELDS, *ids, *layers], metadata=described)


def _num_pieces(pair: _Pair) -> int:
    return len(pair[1].ids)


def _layer_numbers(wanted: Sequence[int], num_layers: int) -> list[int]:
    """Return layers as numbers from 0, the embeddings; -1 is the last. Raises ConfigError."""
    for number in wanted:
        if not -num_layers - 1 <= number <= num_layers:
            raise ConfigError(f"there is no layer {number}; choose from 0 to {num_layers}")
    return list(dict.fromkeys(number % (num_layers + 1) for number in wanted))


def _layer_states(bert: Bert, batch: TextBatch) -> list[Tensor]:
    """Return the states B L D after the embeddings and after each layer."""
    states: list[Tensor] = []
    modules = [bert.embeddings, *bert.layers]
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: states.append(output))
        for module in modules
    ]
    try:
        bert.encode(batch.input_ids_BL, batch.token_type_ids_BL, batch.real_BL)
    finally:
        for hook in hooks:
            hook.remove()
    return states


def batches_by_length(lengths: Int64Array, max_pieces: int) -> Iterator[Int64Array]:
    """Cut rows, longest first, into batches of at most `max_pieces` padded pieces (or one row)."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, max_pieces // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def _to_lists(vectors: Sequence[FloatArray], kind: pa.DataType) -> pa.Array:
    """Make fixed-size lists, or lists of them with one offset per text."""
    flat = np.concatenate(vectors)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), type=kind)
    inner = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), type=kind.value_type)
    offsets = np.cumsum([0, *map(len, vectors)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), inner, type=kind)


def _count(batches: Iterable[pa.RecordBatch], counts: _FeatureCounts) -> Iterator[pa.RecordBatch]:
    """Pass batches on, and print now and then how many texts are done."""
    since = time.monotonic()
    for batch in batches:
        counts.texts += batch.num_rows
        counts.pieces += sum(batch.column("num_pieces").to_pylist())
        counts.cut += sum(number > 0 for number in batch.column("num_cut").to_pylist())
        if time.monotonic() - since > _REPORT_SECONDS:
            print(f"{counts.texts:,} texts", flush=True)
            since = time.monotonic()
        yield batch


_TEXT_FIELDS = (
    pa.field("document_id", pa.uint64()),
    pa.field("source", pa.string()),
    pa.field("document", pa.string()),
    pa.field("sentence", pa.int32()),
    pa.field("num_pieces", pa.int32()),
    pa.field("num_cut", pa.int32()),
)
