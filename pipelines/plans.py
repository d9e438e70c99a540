"""What each stage will do, worked out before any worker starts.

A plan depends on the configuration and the inputs alone, never on workers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bertdata.cleaning.cleaner import CleaningConfig, describe_cleaning
from bertdata.config import Table, to_table
from bertdata.corpus.config import (
    CorpusConfig,
    FoundInputs,
    InputFile,
    InputUnit,
    find_inputs,
    is_remote,
)
from bertdata.corpus.partitions import (
    ShardGroup,
    count_partitions,
    join_small_partitions,
    plan_shards,
    plan_validation,
)
from bertdata.corpus.units import join_units, plan_units
from bertdata.errors import DataError
from bertdata.examples.config import ExamplesConfig
from bertdata.printable import printable
from bertdata.sentences.splitter import TRAIN, SentencesConfig
from bertdata.storage.manifest import (
    Manifest,
    check_shards,
    is_complete,
    manifest_errors_as_data_errors,
    read_manifest,
)
from bertdata.tokens.tokenizer_comparison import check_tokenization
from bertdata.tokens.vocabulary import read_vocabulary
from pipelines.progress import StagePlan
from vocab.config import VocabConfig

_SMALL_UNIT_BYTES = 2 << 20
_LARGE_UNIT_BYTES = 64 << 20
_NUM_UNITS = 32  # aimed at between the two: enough to keep many workers busy
_PARTS_OF_UNIT = 4  # the last units are cut into so many
SENTENCES_FORMAT = "bertdata-sentences"
PUNKT_FILE = "punkt.json"
_KEPT_KEY = "min_kept_share"
_SAMPLE_BYTES = 8 << 20  # of text to train Punkt on: NLTK's trainer takes two seconds a megabyte
# What only the vocabulary depends on, not the counts of words that it is made from.
_NOT_FOR_COUNTING = ("vocab.size", "vocab.min_frequency", "vocab.alphabet_limit", "vocab.layout")
_COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".tgz", ".tbz2", ".txz", ".zip")
_COMPRESSION_RATIO = 4  # of text, roughly: only sizes of units and partitions depend on it


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpora:
    """The corpora of a run; relative paths start from `base`. `output`: the run's own folder."""

    configs: tuple[CorpusConfig, ...]
    base: str
    output: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Inputs:
    """The files of all corpora, cut into units; `text_bytes`: about how much text they hold.

    `notices`: lines about what was left out.
    """

    config: list[Table]
    files: dict[str, list[Table]]
    units: tuple[Table, ...]
    text_bytes: int
    notices: tuple[str, ...]


def plan_punkt(folder: Path, corpora: Corpora) -> StagePlan:
    """Sample the paragraphs of all corpora, to train a Punkt model. Raises InputError."""
    inputs = _list_units(corpora)
    return StagePlan(
        stage="punkt",
        folder=str(folder),
        config={"corpus": inputs.config},
        inputs=inputs.files,
        units=inputs.units,
        spec={"rate": min(1.0, _SAMPLE_BYTES / max(1, inputs.text_bytes))},
        text_bytes=inputs.text_bytes,
    )


def plan_sentences(
    folder: Path,
    corpora: Corpora,
    sentences: SentencesConfig,
    seed: int,
    punkt_folder: Path | None = None,
    cleaning: CleaningConfig | None = None,
) -> StagePlan:
    """Read the list of input files and cut it into units. Raises InputError as `list_inputs`.

    `punkt_folder`: of language = "train", the finished stage that `plan_punkt` plans.
    """
    inputs = _list_units(corpora)
    cleaning = cleaning or CleaningConfig()
    config = {
        "seed": seed,
        "corpus": inputs.config,
        "sentences": to_table(sentences),
        "cleaning": describe_cleaning(cleaning),
    }
    spec = {
        "sentences": to_table(sentences),
        "cleaning": to_table(cleaning),
        "seed": seed,
        "num_partitions": count_partitions(inputs.text_bytes),
        "num_units": len(inputs.units),
        "min_kept_shares": {corpus.name: corpus.min_kept_share for corpus in corpora.configs},
    }
    if sentences.language == TRAIN and punkt_folder is not None:
        punkt = _finished(punkt_folder, "punkt")
        check_shards(punkt_folder, punkt, [PUNKT_FILE])
        config["punkt"] = {"content_sha256": punkt.content_sha256}
        spec["punkt"] = str(punkt_folder / PUNKT_FILE)
    return StagePlan(
        stage="sentences",
        folder=str(folder),
        config=config,
        inputs=inputs.files,
        units=inputs.units,
        spec=spec,
        text_bytes=inputs.text_bytes,
        notices=inputs.notices,
    )


def plan_vocabulary(folder: Path, sentences_folder: Path, vocab: VocabConfig) -> StagePlan:
    """Count the words of each file of sentences; nothing to count when `vocab.file` is given.

    Raises ConfigError when text would not be tokenized as that file's folder wants it.
    """
    if vocab.file is not None:
        given = read_vocabulary(Path(vocab.file))
        check_tokenization(vocab.tokenization, Path(vocab.file), given, what="[vocab]")
        vocab = dataclasses.replace(vocab, size=given.size)
        inputs = {"vocabulary": {"sha256": given.fingerprint}}
        shards: list[Table] = []
        total = 0
    else:
        manifest = _finished(sentences_folder, "sentences")
        inputs = {"sentences": {"content_sha256": manifest.content_sha256}}
        shards = _sentence_shards(manifest)
        with manifest_errors_as_data_errors(sentences_folder):
            total = int(manifest.counts["text_bytes"])
    config = {key: value for key, value in to_table(vocab).items() if key != "file"}
    return StagePlan(
        stage="vocab",
        folder=str(folder),
        config={"vocab": config},
        inputs=inputs,
        units=tuple({"unit": n, "file": shard["path"]} for n, shard in enumerate(shards)),
        spec={
            "vocab": to_table(vocab),
            "sentences_folder": str(sentences_folder),
            "sentence_shards": shards,
        },
        text_bytes=total,
        free_keys=_NOT_FOR_COUNTING,
    )


def plan_examples(
    folder: Path,
    sentences_folder: Path,
    vocab_folder: Path,
    examples: ExamplesConfig,
    seed: int,
) -> StagePlan:
    """Join partitions to pools, and pools to groups of shards that are made together."""
    sentences = _finished(sentences_folder, "sentences")
    vocab = _finished(vocab_folder, "vocab")
    check_shards(vocab_folder, vocab, ["vocab.txt"])
    vocabulary = read_vocabulary(vocab_folder / "vocab.txt")
    return StagePlan(
        stage="examples",
        folder=str(folder),
        config={"seed": seed, "examples": to_table(examples)},
        inputs={
            "sentences": {"content_sha256": sentences.content_sha256},
            "vocabulary": {
                "sha256": vocabulary.fingerprint,
                "size": vocabulary.size,
                "special": to_table(vocabulary.special),
                **vocab.config["vocab"],
            },
        },
        units=tuple(_example_units(sentences, examples)),
        spec={
            "seed": seed,
            "examples": to_table(examples),
            "vocab": vocab.config["vocab"],
            "vocab_folder": str(vocab_folder),
            "vocabulary_sha256": vocabulary.fingerprint,
            "sentences_folder": str(sentences_folder),
            "sentence_shards": _sentence_shards(sentences),
            "num_partitions": len(sentences.counts["documents_per_partition"]),
        },
        text_bytes=sentences.counts["text_bytes"],
    )


def _text_bytes(file: InputFile) -> int:
    """About how much text a file holds."""
    is_compressed = file.name.endswith(_COMPRESSED_SUFFIXES)
    return file.bytes * (_COMPRESSION_RATIO if is_compressed else 1)


def _list_units(corpora: Corpora) -> _Inputs:
    found = {corpus.name: _find_inputs(corpus, corpora) for corpus in corpora.configs}
    inputs = {name: listed.files for name, listed in found.items()}
    total = sum(_text_bytes(file) for files in inputs.values() for file in files)
    unit_bytes = min(_LARGE_UNIT_BYTES, max(_SMALL_UNIT_BYTES, total // _NUM_UNITS))
    units = [
        unit
        for corpus in corpora.configs
        for unit in plan_units(corpus, inputs[corpus.name], unit_bytes // _PARTS_OF_UNIT)
    ]
    return _Inputs(
        config=[_content_config(corpus) for corpus in corpora.configs],
        files={name: [_input_table(file) for file in files] for name, files in inputs.items()},
        units=tuple(_unit_tables(join_units(units, unit_bytes))),
        text_bytes=total,
        notices=tuple(
            _own_notice(name, listed.own) for name, listed in found.items() if listed.own
        ),
    )


def _own_notice(corpus: str, own: Sequence[str]) -> str:
    files = "1 file" if len(own) == 1 else f"{len(own):,} files"
    return f"corpus {corpus!r}: not reading {files} written by runs, such as {printable(own[0])}"


def _find_inputs(corpus: CorpusConfig, corpora: Corpora) -> FoundInputs:
    if any(map(is_remote, corpus.paths)):
        # Beam takes half a second to import: only who reads from elsewhere waits for it.
        from pipelines.remote_files import list_remote_inputs

        return FoundInputs(files=list_remote_inputs(corpus))
    output = Path(corpora.output).absolute() if corpora.output else None
    return find_inputs(corpus, Path(corpora.base), output)


def _example_units(sentences: Manifest, examples: ExamplesConfig) -> list[Table]:
    per_partition = sentences.counts["documents_per_partition"]
    groups = plan_shards(join_small_partitions(per_partition), examples.num_shards)

    def count_documents(group: ShardGroup) -> int:
        return sum(sum(per_partition[first:end]) for first, end in group.pools)

    # Largest first, so that the last ones, for which some workers wait, are short.
    groups = sorted(groups, key=count_documents, reverse=True)
    units: list[Table] = [
        {
            "split": "train",
            "pools": [list(pool) for pool in group.pools],
            "shards": list(group.shards),
            "num_shards": examples.num_shards,
        }
        for group in groups
    ]
    if fraction := examples.validation_fraction:
        pools = [list(pool) for pool in plan_validation(per_partition, fraction)]
        validation = {"split": "validation", "pools": pools, "shards": [0], "num_shards": 1}
        # First, as it looks at every file.
        units.insert(0, validation)
    return [{"unit": number, **unit} for number, unit in enumerate(units)]


def _unit_tables(units: Sequence[InputUnit]) -> list[Table]:
    """Largest first, so that the last ones, for which some workers wait, are short."""
    tables = [{"unit": number, "input": _unit_table(unit)} for number, unit in enumerate(units)]
    return sorted(tables, key=lambda table: (-units[table["unit"]].bytes, table["unit"]))


def _unit_table(unit: InputUnit) -> Table:
    """Without the share to be kept: who changes that gets all units that are done."""
    table = to_table(unit)
    del table["corpus"][_KEPT_KEY]
    return table


def _finished(folder: Path, stage: str) -> Manifest:
    if not is_complete(folder):
        raise DataError(
            f"{folder} is missing or not complete; first: bertdata {stage} CONFIG.toml "
            f"--output {folder.parent}"
        )
    manifest = read_manifest(folder)
    if manifest.format != f"bertdata-{stage}":
        raise DataError(f"{folder} holds {manifest.format}, not bertdata-{stage}")
    return manifest


def _sentence_shards(manifest: Manifest) -> list[Table]:
    """Plain tables of the files of sentences; workers compare each with what they find."""
    shards = manifest.shards
    return [dataclasses.asdict(shard) for shard in shards if shard.path.startswith("sentences-")]


def _content_config(corpus: CorpusConfig) -> Table:
    """A corpus without its paths: where it lies changes nothing, and the inputs name the files.

    Nor does it matter how much of it had to be kept.
    """
    left_out = ("paths", _KEPT_KEY)
    return {key: value for key, value in to_table(corpus).items() if key not in left_out}


def _input_table(file: InputFile) -> Table:
    return {"name": file.name, "bytes": file.bytes, "fingerprint": file.fingerprint}
