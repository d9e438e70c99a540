"""Pre-training helps: what a model has read tells it of words that no label was given for.

Texts are of two topics with forty words each. Labelled texts use ten words of each topic, those to
choose by and to test on use the others: only who has read which words stand together can know.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, write_vocabulary
from tests.runs import make_run
from tests.trainer.task_files import write_tsv
from trainer.pretrain import main as pretrain
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.finetune import finetune

WORDS = {topic: [f"{topic}{i}" for i in range(40)] for topic in ("sea", "sky")}
LABELLED, OTHERS = slice(0, 10), slice(10, 40)


def make_sentences(topic: str, words: slice, count: int, seed: int) -> list[str]:
    draws = np.random.default_rng(seed)
    return [" ".join(draws.choice(WORDS[topic][words], size=8)) for _ in range(count)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model pre-trained on unlabelled texts of all words."""
    folder = tmp_path_factory.mktemp("transfer")
    words = [word for topic in WORDS.values() for word in topic]
    write_vocabulary(folder / "vocab.txt", Vocabulary((*SPECIAL_PIECES, *words, ".")))
    documents = {
        f"{topic}-{i}.txt": " . ".join(make_sentences(topic, slice(None), 6, i))
        for topic in WORDS
        for i in range(60)
    }
    paths = make_run(folder / "run", documents, vocab={"file": str(folder / "vocab.txt")})
    places = [f"--examples={paths.examples}", f"--vocab={paths.vocab}", f"--output={paths.model}"]
    shape = ["--num-layers=1", "--hidden-size=32", "--num-heads=2", "--dropout=0"]
    how = ["--steps=250", "--batch-size=32", "--learning-rate=5e-3", "--threads=1"]
    assert pretrain([*places, *shape, *how]) == 0
    return paths.model


def test_the_pre_trained_model_knows_words_without_labels(model: Path, tmp_path: Path) -> None:
    files = {}
    for name, words, seed in (
        ("train", LABELLED, 0),
        ("validation", OTHERS, 1),
        ("test", OTHERS, 2),
    ):
        rows = [(s, t) for t in WORDS for s in make_sentences(t, words, 60, seed)]
        files[name] = write_tsv(tmp_path / f"{name}.tsv", rows)
    accuracies = []
    for from_scratch in (True, False):
        config = FinetuneConfig(
            epochs=4, learning_rate=5e-3, seeds=(1, 2, 3), from_scratch=from_scratch, threads=1
        )
        output = tmp_path / f"tuned-{from_scratch}"
        results = finetune(model=model, output=output, config=config, **files)
        accuracies.append(results["test"]["accuracy"]["mean"])
    assert accuracies[0] < 0.75
    assert accuracies[1] > 0.9
