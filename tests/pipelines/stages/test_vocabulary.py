"""The vocabulary stage: what it says, and that what its messages advise works."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.checks.verification import verify_vocabulary
from bertdata.errors import ConfigError, InputError, VocabularyError
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import StageState, prepare_stage
from bertdata.sentences.files import iterate_sentences
from bertdata.storage.manifest import Manifest, read_manifest
from bertdata.tokens.tokenizer_folder import read_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, read_vocabulary
from pipelines.stages.vocabulary import count_files, merge_bucket
from tests.pipelines.corpus import Stages
from tests.runs import make_stage
from tests.tokenizer_folders import KINDS, Settings, write_folder
from vocab.config import VocabConfig
from vocab.counting import count_words, merge_counts
from vocab.plan import VocabularyWork, plan_vocabulary

TEXTS = (
    "Мой дом стоит в чистом поле. Чай ещё горячий, а мой сосед спит.",
    "Plain English words follow here. They fill the second file of the corpus.",
)


def make(plan: StagePlan) -> Manifest:
    assert prepare_stage(plan) is not StageState.COMPLETE
    return make_stage(plan)


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    """Sentences are made."""
    books = tmp_path / "books"
    books.mkdir()
    for number, text in enumerate(TEXTS):
        (books / f"{number}.txt").write_text(text, encoding="utf-8")
    stages = Stages(books, tmp_path)
    make(stages.sentences())
    return stages


def test_the_advised_sizes_work_in_the_same_folder(
    stages: Stages, capsys: pytest.CaptureFixture[str]
) -> None:
    for asked, advice in ((9, "set size to {} or more"), (5000, "set size to {} or add more")):
        with pytest.raises(VocabularyError) as caught:
            make(stages.vocabulary(VocabConfig(size=asked)))
        found = re.search(advice.format(r"(\d+)"), str(caught.value))
        assert found is not None
    plan = stages.vocabulary(VocabConfig(size=int(found[1])))
    assert make(plan).counts["pieces"] == int(found[1])
    assert read_vocabulary(plan.folder).size == int(found[1])
    with pytest.raises(ConfigError, match=r"vocab\.size was"):
        prepare_stage(stages.vocabulary(VocabConfig(size=70)))
    assert "note: stripping accents changes" in capsys.readouterr().err


def test_the_smallest_size_that_is_advised_is_reached(stages: Stages) -> None:
    with pytest.raises(VocabularyError, match=r"set size to \d+ or more") as caught:
        make(stages.vocabulary(VocabConfig(size=9)))
    size = int(re.findall(r"set size to (\d+)", str(caught.value))[0])
    assert make(stages.vocabulary(VocabConfig(size=size))).counts["pieces"] == size


def test_what_is_stripped_is_said_and_the_key_keeps_it(
    stages: Stages, capsys: pytest.CaptureFixture[str]
) -> None:
    config = VocabConfig(size=80, min_frequency=1)
    make(stages.vocabulary(config))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("[vocab] strip_accents = false keeps them")
    assert "й" not in read_vocabulary(stages.output / "vocab").ids
    config = replace(config, strip_accents=False)
    kept = plan_vocabulary(stages.output / "kept" / "vocab", stages.output / "sentences", config)
    make(kept)
    assert capsys.readouterr().err == ""
    assert "й" in read_vocabulary(kept.folder).ids


def test_lines_that_are_no_pieces_keep_all_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given.txt"
    given.write_text("".join(f"{p}\n" for p in SPECIAL_PIECES) + "the \n\n.\nthe\nof")
    plan = Stages(tmp_path, tmp_path).vocabulary(VocabConfig(file=str(given)))
    make(plan)
    said = capsys.readouterr().err
    assert said.count(f"note: {given}: ") == said.count("; every piece keeps its id\n") == 3
    ids = read_vocabulary(plan.folder).ids
    assert (ids["."], ids["the"], ids["of"]) == (7, 8, 9)
    assert not verify_vocabulary(plan.folder).findings


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_s_folder_as_vocabulary(tmp_path: Path, kind: str) -> None:
    folder = write_folder(tmp_path / "given", kind, Settings(lower=False))
    stages = Stages(tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=r"set \[vocab\] lowercase = false$"):
        stages.vocabulary(VocabConfig(file=str(folder)))
    plan = stages.vocabulary(VocabConfig(file=str(folder), lowercase=False))
    make(plan)
    wanted = read_vocabulary(folder)
    assert read_vocabulary(plan.folder).tokens == wanted.tokens
    assert read_vocabulary(plan.folder / "vocab.txt").tokens == wanted.tokens
    assert read_manifest(plan.folder).inputs["vocabulary"]["sha256"] == wanted.fingerprint
    assert not verify_vocabulary(plan.folder).findings


def test_unusual_special_pieces_stay_what_they_are(tmp_path: Path) -> None:
    names = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    folder = write_folder(tmp_path / "given", "5", Settings(special=names))
    plan = Stages(tmp_path, tmp_path).vocabulary(VocabConfig(file=str(folder)))
    make(plan)
    assert read_vocabulary(plan.folder / "vocab.txt") == read_vocabulary(folder)
    table = json.loads((plan.folder / "tokenizer_config.json").read_bytes())
    assert table["mask_token"] == "<mask>"
    assert read_tokenizer(plan.folder).special_id("[CLS]") == read_vocabulary(folder).special.cls


def test_a_vocabulary_that_changes_while_it_is_taken_over(tmp_path: Path) -> None:
    given = tmp_path / "vocab.txt"
    given.write_text("".join(f"{piece}\n" for piece in SPECIAL_PIECES) + "the\n")
    plan = Stages(tmp_path, tmp_path / "run").vocabulary(VocabConfig(file=str(given)))
    given.write_text(given.read_text() + "another\n")
    with pytest.raises(InputError, match=r"vocab\.txt changed while it was read"):
        make(plan)


def test_files_and_buckets_count_what_one_table_does(stages: Stages) -> None:
    plan = stages.vocabulary(VocabConfig(size=60))
    assert isinstance(plan.work, VocabularyWork)
    folder = plan.work.sentences
    assert folder is not None
    ((shard,),) = plan.work.groups
    counted, sampled = count_files((3, [shard]), folder, plan.work.vocab, 4)
    assert counted.schema.metadata == {b"bertdata.name": b"00003"}
    assert sampled.tag == "stripped"
    parts = {n: counted.filter(pa.compute.equal(counted["bucket"], n)) for n in range(4)}
    merged = [
        table
        for bucket, part in parts.items()
        for table in merge_bucket((bucket, {"counts": [part, part]}))
    ]
    texts = list(iterate_sentences(folder / shard.path))
    words = count_words([*texts, *texts], plan.work.vocab)
    assert merge_counts(table.select(words.column_names) for table in merged).equals(words)
    assert [table.schema.metadata[b"bertdata.name"] for table in merged][1] == b"00001"


def test_all_files_of_a_group_are_counted(stages: Stages) -> None:
    plan = stages.vocabulary(VocabConfig(size=60))
    assert isinstance(plan.work, VocabularyWork)
    folder = plan.work.sentences
    assert folder is not None
    ((shard,),) = plan.work.groups
    once, twice = (
        next(iter(count_files((0, [shard] * times), folder, plan.work.vocab, 1)))
        for times in (1, 2)
    )
    assert twice["word"].to_pylist() == once["word"].to_pylist()
    assert twice["count"].to_pylist() == [2 * count for count in once["count"].to_pylist()]


def test_an_empty_bucket_of_words_is_empty() -> None:
    (table,) = merge_bucket((0, {"counts": []}))
    assert table.num_rows == 0
