"""The files of finished stages: any bytes in one are a finding, an error in one line, or the same.

Where a shard is changed, the manifest is made to agree, so that its checksum does not save it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

from bertdata.checks.verification import verify_examples, verify_sentences, verify_vocabulary
from bertdata.errors import BertdataError
from bertdata.reader.batches import to_padded
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.manifest import content_hash, read_manifest
from bertdata.storage.shards import Shard
from bertdata.storage.writing import write_json
from bertdata.tokens.vocabulary import read_vocabulary
from flows.views.verify import verify
from tests.fuzz.targets import Target
from tests.runs import make_run, some_documents
from vocab.config import VocabConfig
from vocab.plan import plan_vocabulary

Check = Callable[[Path], None]


def stage_targets(folder: Path) -> Iterator[Target]:
    """One for each kind of file. `folder`: where a small finished run is made to start from."""
    run = make_run(folder / "made", some_documents()).output
    json_tokens = (b"{", b"}", b"[", b"]", b":", b'"', b"null", b"-1", b"NaN", b"../", b"1e999")
    for stage, check in (
        ("sentences", _check_sentences),
        ("vocab", _check_vocabulary),
        ("examples", _check_examples),
    ):
        yield _target(run, f"{stage}/manifest.json", check, json_tokens)
    sentences = _first(run, "sentences", "sentences-*.arrow")
    train = _first(run, "examples", "train-*.arrow")
    yield _target(run, sentences, _check_sentences)
    yield _target(run, train, _check_examples)
    yield _target(run, "vocab/word_counts.arrow", _check_vocabulary)
    yield _target(run, "vocab/vocab.txt", _check_vocabulary, (b"\n", b"[MASK]\n", b"##a\n", b"\r"))
    yield _target(run, "vocab/tokenizer.json", _check_vocabulary, json_tokens)


def _first(run: Path, stage: str, pattern: str) -> str:
    return f"{stage}/{min((run / stage).glob(pattern)).name}"


def _target(run: Path, name: str, check: Check, tokens: tuple[bytes, ...] = (b"ARROW1",)) -> Target:
    original = (run / name).read_bytes()

    def check_bytes(data: bytes, folder: Path, random: Random) -> None:
        copy = folder / "run"
        if not copy.exists():
            shutil.copytree(run, copy)
        (copy / name).write_bytes(data)
        manifest = (copy / name).parent / "manifest.json"
        before = manifest.read_bytes()
        try:
            if manifest.name != Path(name).name:
                findings = verify(copy)
                assert findings or data == original
                _agree(manifest, Path(name).name, data)
            check(copy)
            assert all(line and "\n" not in line for line in verify(copy))
        finally:
            manifest.write_bytes(before)
            (copy / name).write_bytes(original)

    return Target(name=name, seeds=[original], tokens=tokens, check=check_bytes)


def _agree(path: Path, name: str, data: bytes) -> None:
    """The manifest as if the file had been written so."""
    table = json.loads(path.read_bytes())
    for shard in table["shards"]:
        if shard["path"] == name:
            shard.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    table["content_sha256"] = content_hash(Shard(**shard) for shard in table["shards"])
    write_json(path, table)


def _check_sentences(run: Path) -> None:
    with suppress(BertdataError):
        plan = plan_vocabulary(run / "again", run / "sentences", VocabConfig(size=150))
        assert plan.units is not None
    verify_sentences(run / "sentences")


def _check_vocabulary(run: Path) -> None:
    with suppress(BertdataError):
        read_vocabulary(run / "vocab" / "vocab.txt")
    verify_vocabulary(run / "vocab")


def _check_examples(run: Path) -> None:
    with suppress(BertdataError):
        read_manifest(run / "examples")
        reader = ExampleReader(run / "examples", read_vocabulary(run / "vocab" / "vocab.txt"))
        batch = reader.read(np.arange(min(8, reader.num_rows)))
        to_padded(batch, pad_id=reader.vocabulary.special.pad)
    verify_examples(run / "examples")
