"""A small corpus on disk and the plans of its stages, for the tests of jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.corpus.config import CorpusConfig
from bertdata.examples.config import ExamplesConfig
from bertdata.plans.examples import plan_examples
from bertdata.plans.inputs import Corpora
from bertdata.plans.punkt import plan_punkt
from bertdata.plans.sentences import plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.sentences.splitter import SentencesConfig
from tests.runs import make_stage
from vocab.config import VocabConfig
from vocab.plan import plan_vocabulary

TEXT = "the a river city small old Dr. Smith lives near Mr. Brown walked home often."
WORDS = TEXT.split()


def write_books(folder: Path, number: int = 40) -> None:
    """Small books whose sentences differ from each other."""
    folder.mkdir(parents=True)
    for book in range(number):
        sentences = [
            " ".join(WORDS[(book * 7 + line * 5 + word * 3) % len(WORDS)] for word in range(9))
            + "."
            for line in range(12)
        ]
        (folder / f"book-{book:02d}.txt").write_text("\n".join(sentences) + "\n\nThe end.\n")


@dataclass(frozen=True)
class Stages:
    """Plans over one corpus folder and one output folder."""

    corpus: Path
    output: Path
    seed: int = 1
    examples_config: ExamplesConfig = field(
        default_factory=lambda: ExamplesConfig(
            max_seq_length=32, dupe_factor=2, validation_fraction=0.2, num_shards=3
        )
    )

    @property
    def corpora(self) -> Corpora:
        corpus = CorpusConfig(name="books", format="text", paths=("*.txt",))
        return Corpora(configs=(corpus,), base=str(self.corpus))

    def punkt(self) -> StagePlan:
        return plan_punkt(self.output / "punkt", self.corpora)

    def sentences(self, language: str = "english") -> StagePlan:
        config = SentencesConfig(language=language)
        folder, punkt = self.output / "sentences", self.output / "punkt"
        # The books are few enough that some are equal.
        cleaning = CleaningConfig(exact_duplicates="keep")
        return plan_sentences(folder, self.corpora, config, self.seed, punkt, cleaning)

    def vocabulary(self, config: VocabConfig | None = None) -> StagePlan:
        config = config or VocabConfig(size=60)
        return plan_vocabulary(self.output / "vocab", self.output / "sentences", config)

    def examples(self) -> StagePlan:
        return plan_examples(
            self.output / "examples",
            self.output / "sentences",
            self.output / "vocab",
            self.examples_config,
            self.seed,
        )


def make_vocabulary_of_books(folder: Path) -> Stages:
    """The stages of the books in a folder, of which sentences and vocabulary are finished."""
    write_books(folder / "books")
    stages = Stages(folder / "books", folder)
    make_stage(stages.sentences())
    make_stage(stages.vocabulary())
    return stages
