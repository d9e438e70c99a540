"""What the stage `sentences/` will do: which units are read, and which files are written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from bertdata.cleaning.cleaner import CleaningConfig, describe_cleaning
from bertdata.config import to_table
from bertdata.corpus.config import InputUnit
from bertdata.corpus.partitions import Layout, plan_layout
from bertdata.plans.finished import find_finished
from bertdata.plans.inputs import Corpora, describe_units, list_units
from bertdata.plans.punkt import PUNKT_FILE
from bertdata.progress.plan import StagePlan
from bertdata.sentences.splitter import TRAIN, SentencesConfig
from bertdata.storage.locations import Location
from bertdata.storage.manifest import check_shards

_BUCKET_BYTES = 64 << 20  # of text, for the hashes of one bucket


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
    inputs = list_units(corpora)
    cleaning = cleaning or CleaningConfig()
    config = {
        "seed": seed,
        "corpus": inputs.config,
        "sentences": to_table(sentences),
        "cleaning": describe_cleaning(cleaning),
    }
    punkt = None
    if sentences.language == TRAIN and punkt_folder is not None:
        model = find_finished(punkt_folder, "punkt")
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
        units=describe_units(inputs.units),
        work=work,
        text_bytes=inputs.text_bytes,
        num_parts=work.layout.num_files,
        num_passing_parts=len(inputs.units),
        notices=inputs.notices,
    )


def _count_buckets(text_bytes: int) -> int:
    return 1 + text_bytes // _BUCKET_BYTES
