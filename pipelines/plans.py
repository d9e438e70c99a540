"""What each stage will do, worked out before any worker starts.

A plan depends on the configuration and the inputs alone, never on workers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from bertdata.cleaning.cleaner import CleaningConfig, describe_cleaning
from bertdata.config import Table, read_table, to_table
from bertdata.corpus.config import (
    CorpusConfig,
    FoundInputs,
    InputFile,
    InputUnit,
    find_inputs,
)
from bertdata.corpus.partitions import (
    Layout,
    ShardGroup,
    join_small_partitions,
    plan_layout,
    plan_shards,
    plan_validation,
)
from bertdata.corpus.units import join_units, plan_units
from bertdata.errors import DataError
from bertdata.examples.config import ExamplesConfig
from bertdata.grouping import fit_groups
from bertdata.printable import printable
from bertdata.sentences.splitter import TRAIN, SentencesConfig
from bertdata.storage.locations import Location, locate
from bertdata.storage.manifest import (
    Manifest,
    check_shards,
    is_complete,
    manifest_errors_as_data_errors,
    read_manifest,
)
from bertdata.storage.shards import Shard
from bertdata.tokens.tokenizer import TokenizationConfig
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


_BUCKET_BYTES = 64 << 20  # of text, for the hashes of one bucket
_GROUP_BYTES = 24 << 20  # of files whose words are counted together
_num_bytes = attrgetter("bytes")
_WORD_BUCKET_BYTES = 256 << 20  # of text, for the counts of one bucket of words


@dataclass(frozen=True, kw_only=True, slots=True)
class PunktWork:
    """Sample the paragraphs of `units` with probability `rate`; the model goes to `punkt.json`."""

    units: tuple[InputUnit, ...]
    rate: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SentencesWork:
    """Split the documents of `units`, numbered from 0.

    `punkt`: the model of language = "train". `num_buckets`: for hashes, by which duplicates meet.
    """

    units: tuple[InputUnit, ...]
    sentences: SentencesConfig
    cleaning: CleaningConfig
    layout: Layout
    punkt: Location | None
    min_kept_shares: Mapping[str, float]
    num_buckets: int

    def without_units(self) -> SentencesWork:
        """What a worker needs besides its unit."""
        return dataclasses.replace(self, units=())


@dataclass(frozen=True, kw_only=True, slots=True)
class SentencesInput:
    """The finished files of `sentences/`, in order, as later stages read them."""

    folder: Location
    shards: tuple[Shard, ...]
    layout: Layout

    @property
    def names(self) -> list[str]:
        """The files' names."""
        return [shard.path for shard in self.shards]


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabularyWork:
    """Count the words of sentences and train a vocabulary; or copy the given one (no `groups`).

    `sentences`: the folder of the files in `groups`; those of a group are counted together, since
    most of their words are the same. `given_sha256`: fingerprint of the given one. `num_buckets`:
    for words.
    """

    vocab: VocabConfig
    sentences: Location | None = None
    groups: tuple[tuple[Shard, ...], ...] = ()
    given_sha256: str = ""
    num_buckets: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamplesGroup:
    """Training shards that are made together, from pools: ranges [first, end) of partitions."""

    number: int
    pools: tuple[tuple[int, int], ...]
    shards: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamplesWork:
    """Make the training shards of `groups`, the largest first, and the one of held-out documents.

    `held_out`: the pools of held-out documents; none without validation.
    """

    groups: tuple[ExamplesGroup, ...]
    held_out: tuple[tuple[int, int], ...]
    examples: ExamplesConfig
    tokenization: TokenizationConfig
    seed: int
    sentences: SentencesInput
    vocabulary: Location
    vocabulary_sha256: str

    def without_groups(self) -> ExamplesWork:
        """What a worker needs besides its group."""
        return dataclasses.replace(self, groups=())


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
    units: tuple[InputUnit, ...]
    text_bytes: int
    notices: tuple[str, ...]


def plan_punkt(folder: Location, corpora: Corpora) -> StagePlan:
    """Sample the paragraphs of all corpora, to train a Punkt model. Raises InputError."""
    inputs = _list_units(corpora)
    rate = min(1.0, _SAMPLE_BYTES / max(1, inputs.text_bytes))
    return StagePlan(
        stage="punkt",
        folder=folder,
        config={"corpus": inputs.config},
        inputs=inputs.files,
        units=_describe_units(inputs.units),
        work=PunktWork(units=inputs.units, rate=rate),
        text_bytes=inputs.text_bytes,
    )


def plan_sentences(
    folder: Location,
    corpora: Corpora,
    sentences: SentencesConfig,
    seed: int,
    punkt_folder: Location | None = None,
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
    punkt = None
    if sentences.language == TRAIN and punkt_folder is not None:
        model = _finished(punkt_folder, "punkt")
        check_shards(punkt_folder, model, [PUNKT_FILE])
        config["punkt"] = {"content_sha256": model.content_sha256}
        punkt = punkt_folder / PUNKT_FILE
    work = SentencesWork(
        units=inputs.units,
        sentences=sentences,
        cleaning=cleaning,
        layout=plan_layout(inputs.text_bytes, seed),
        punkt=punkt,
        min_kept_shares={corpus.name: corpus.min_kept_share for corpus in corpora.configs},
        num_buckets=_count_buckets(inputs.text_bytes),
    )
    return StagePlan(
        stage="sentences",
        folder=folder,
        config=config,
        inputs=inputs.files,
        units=_describe_units(inputs.units),
        work=work,
        text_bytes=inputs.text_bytes,
        notices=inputs.notices,
    )


def plan_vocabulary(folder: Location, sentences_folder: Location, vocab: VocabConfig) -> StagePlan:
    """Count the words of each file of sentences; nothing to count when `vocab.file` is given.

    Raises ConfigError when text would not be tokenized as that file's folder wants it.
    """
    if vocab.file is not None:
        return _plan_given_vocabulary(folder, vocab)
    manifest = _finished(sentences_folder, "sentences")
    sentences = _sentences_input(sentences_folder, manifest)
    with manifest_errors_as_data_errors(sentences_folder):
        total = int(manifest.counts["text_bytes"])
    return StagePlan(
        stage="vocab",
        folder=folder,
        config={"vocab": _vocab_table(vocab)},
        inputs={"sentences": {"content_sha256": manifest.content_sha256}},
        units=sentences.names,
        work=VocabularyWork(
            vocab=vocab,
            sentences=sentences_folder,
            groups=tuple(map(tuple, fit_groups(sentences.shards, _GROUP_BYTES, _num_bytes))),
            num_buckets=1 + total // _WORD_BUCKET_BYTES,
        ),
        text_bytes=total,
        free_keys=_NOT_FOR_COUNTING,
    )


def plan_examples(
    folder: Location,
    sentences_folder: Location,
    vocab_folder: Location,
    examples: ExamplesConfig,
    seed: int,
) -> StagePlan:
    """Join partitions to pools, and pools to groups of shards that are made together."""
    sentences = _finished(sentences_folder, "sentences")
    vocab = _finished(vocab_folder, "vocab")
    check_shards(vocab_folder, vocab, ["vocab.txt"])
    vocabulary = read_vocabulary(vocab_folder / "vocab.txt")
    with manifest_errors_as_data_errors(sentences_folder):
        per_partition = sentences.counts["documents_per_partition"]
        groups = tuple(_group_shards(per_partition, examples.num_shards))
        fraction = examples.validation_fraction
        held_out = tuple(plan_validation(per_partition, fraction) if fraction else ())
    work = ExamplesWork(
        groups=groups,
        held_out=held_out,
        examples=examples,
        tokenization=read_table(VocabConfig, vocab.config["vocab"], "[vocab]").tokenization,
        seed=seed,
        sentences=_sentences_input(sentences_folder, sentences),
        vocabulary=vocab_folder / "vocab.txt",
        vocabulary_sha256=vocabulary.fingerprint,
    )
    return StagePlan(
        stage="examples",
        folder=folder,
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
        units=[held_out, *map(dataclasses.asdict, groups)],
        work=work,
        text_bytes=sentences.counts["text_bytes"],
    )


def _plan_given_vocabulary(folder: Location, vocab: VocabConfig) -> StagePlan:
    path = locate(vocab.file or "")
    given = read_vocabulary(path)
    check_tokenization(vocab.tokenization, path, given, what="[vocab]")
    vocab = dataclasses.replace(vocab, size=given.size)
    return StagePlan(
        stage="vocab",
        folder=folder,
        config={"vocab": _vocab_table(vocab)},
        inputs={"vocabulary": {"sha256": given.fingerprint}},
        work=VocabularyWork(vocab=vocab, given_sha256=given.fingerprint),
        free_keys=_NOT_FOR_COUNTING,
    )


def _vocab_table(vocab: VocabConfig) -> Table:
    """A vocabulary's configuration without its path: its content counts."""
    return {key: value for key, value in to_table(vocab).items() if key != "file"}


def _count_buckets(text_bytes: int) -> int:
    return 1 + text_bytes // _BUCKET_BYTES


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
        units=tuple(join_units(units, unit_bytes)),
        text_bytes=total,
        notices=tuple(
            _own_notice(name, listed.own) for name, listed in found.items() if listed.own
        ),
    )


def _own_notice(corpus: str, own: Sequence[str]) -> str:
    files = "1 file" if len(own) == 1 else f"{len(own):,} files"
    return f"corpus {corpus!r}: not reading {files} written by runs, such as {printable(own[0])}"


def _find_inputs(corpus: CorpusConfig, corpora: Corpora) -> FoundInputs:
    output = locate(corpora.output) if corpora.output else None
    return find_inputs(corpus, locate(corpora.base), output)


def _group_shards(per_partition: Sequence[int], num_shards: int) -> Iterator[ExamplesGroup]:
    """The largest first, so that the last ones, for which some workers wait, are short."""

    def count_documents(group: ShardGroup) -> int:
        return sum(sum(per_partition[first:end]) for first, end in group.pools)

    groups = plan_shards(join_small_partitions(per_partition), num_shards)
    groups = sorted(groups, key=count_documents, reverse=True)
    for number, group in enumerate(groups, start=1):
        yield ExamplesGroup(number=number, pools=group.pools, shards=group.shards)


def _describe_units(units: Sequence[InputUnit]) -> list[object]:
    """How the input is cut; a file that changed, also where no sample shows it, is another one."""
    return [
        [
            unit.corpus.name,
            *([part.name, part.start, part.stop, part.version] for part in unit.parts),
        ]
        for unit in units
    ]


def _finished(folder: Location, stage: str) -> Manifest:
    if not is_complete(folder):
        raise DataError(
            f"{folder} is missing or not complete; first: bertdata {stage} CONFIG.toml "
            f"--output {folder.parent}"
        )
    manifest = read_manifest(folder)
    if manifest.format != f"bertdata-{stage}":
        raise DataError(f"{folder} holds {manifest.format}, not bertdata-{stage}")
    return manifest


def _sentences_input(folder: Location, manifest: Manifest) -> SentencesInput:
    shards = [shard for shard in manifest.shards if shard.path.startswith("sentences-")]
    with manifest_errors_as_data_errors(folder):
        layout = Layout(
            num_partitions=len(manifest.counts["documents_per_partition"]),
            num_files=len(shards),
            seed=manifest.config["seed"],
        )
    return SentencesInput(folder=folder, shards=tuple(shards), layout=layout)


def _content_config(corpus: CorpusConfig) -> Table:
    """A corpus without its paths: where it lies changes nothing, and the inputs name the files.

    Nor does it matter how much of it had to be kept.
    """
    left_out = ("paths", "follow_links", _KEPT_KEY)
    return {key: value for key, value in to_table(corpus).items() if key not in left_out}


def _input_table(file: InputFile) -> Table:
    return {"name": file.name, "bytes": file.bytes, "fingerprint": file.fingerprint}
