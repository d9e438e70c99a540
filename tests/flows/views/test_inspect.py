"""`bertdata inspect`: what a person sees of the examples is what they are."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.errors import ConfigError, DataError
from bertdata.storage.locations import Address
from bertdata.storage.manifest import read_manifest
from bertdata.storage.shards import open_arrow
from flows.paths import RunPaths
from flows.terminal.styled import Styled
from flows.views.inspect import (
    bin_lengths,
    fill_lines,
    find_documents,
    join_pieces,
    show_examples,
    show_statistics,
)
from flows.wording import printable
from tests.copies import copy_folder
from tests.runs import edit_shard, make_run, some_documents


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return make_run(tmp_path_factory.mktemp("run"), some_documents())


def test_examples_as_people_read_them(run: RunPaths) -> None:
    text = "\n".join(show_examples(run, "train", 5))
    headings = re.findall(
        r"^train-\S+ row (\d+): B (?:is random|follows A), \d+ pieces", text, re.M
    )
    assert headings == ["0", "1", "2", "3", "4"]
    assert len(re.findall(r"^  from texts: doc-\d\d\.txt$", text, re.M)) == 5
    assert (
        len(re.findall(r"^  A   \S", text, re.M)) == len(re.findall(r"^  B   \S", text, re.M)) == 5
    )
    assert "[MASK]→" in text
    assert all(piece not in text for piece in ("[CLS]", "[SEP]", "[PAD]"))
    assert max(map(len, text.splitlines())) <= 100


def test_every_row_of_every_shard_can_be_shown(run: RunPaths) -> None:
    manifest = read_manifest(run.examples)
    for split in ("train", "validation"):
        lines = list(show_examples(run, split, 10_000))
        shown = [line for line in lines if line.startswith(split)]
        assert len(shown) == manifest.counts[split]["examples"]


def test_predictions_show_what_is_seen_and_what_is_right(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path / "run")
    paths = RunPaths(tmp_path / "run")
    tokens = (paths.vocab / "vocab.txt").read_text(encoding="utf-8").splitlines()
    the, was, mask = (tokens.index(piece) for piece in ("the", "was", "[MASK]"))
    row = {
        "input_ids": [2, mask, the, 3, was, the, 3],
        "segment_b_start": 4,
        "masked_lm_positions": [1, 4, 5],
        "masked_lm_ids": [the, the, the],
        "next_sentence_label": 0,
    }
    name = "train-00000-of-00003.arrow"
    edit_shard(paths.examples, name, lambda batches: batches[0][0].update(row))
    lines = list(show_examples(paths, "train", 1))
    assert lines[2] == f"{name} row 0: B follows A, 7 pieces, 3 to predict"
    assert lines[4:] == ["  A   [MASK]→the the", "  B   was→the the=the"]


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=120)))
def test_lines_are_filled_as_the_standard_library_does(words: list[str]) -> None:
    words = [printable(word).replace(" ", "") or "x" for word in words]
    lines = ["".join(text for text, _ in line) for line in fill_lines(((w, "") for w in words), 94)]
    assert lines == textwrap.wrap(
        " ".join(words), 94, break_long_words=False, break_on_hyphens=False
    )


def test_what_is_coloured(run: RunPaths) -> None:
    lines = [line for line in show_examples(run, "train", 50) if isinstance(line, Styled)]
    assert all("".join(text for text, _ in line.spans) == line for line in lines)
    styles: dict[str, set[str]] = {}
    for line in lines[1:]:
        for text, style in line.spans:
            styles.setdefault(style, set()).add(text)
    assert all("→" in text and text.startswith("[MASK]→") for text in styles["bold yellow"])
    assert all("→" in text and "[MASK]" not in text for text in styles["bold red"])
    assert all(
        text[: len(text) // 2] == text[len(text) // 2 + 1 :] for text in styles["bold green"]
    )
    assert (styles["bold cyan"], styles["bold magenta"]) == ({"  A   "}, {"  B   "})
    assert not any("→" in text for text in styles["cyan"] | styles["magenta"])


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([("play", False), ("##ing", False), (".", False)], "playing ."),
        ([("[MASK]→play", True), ("##ing", False)], "[MASK]→play ##ing"),
        ([("play", False), ("[MASK]→##ing", True), ("##s", False)], "play [MASK]→##ing ##s"),
        # A segment may begin within a word.
        ([("##cut", False), ("##s", False)], "##cuts"),
        ([], ""),
    ],
)
def test_join_pieces(pieces: list[tuple[str, bool]], text: str) -> None:
    assert join_pieces(pieces) == text


def test_find_documents(run: RunPaths) -> None:
    wanted = {}
    for path in run.sentences.glob("sentences-*"):
        with open_arrow(path) as reader:
            for row in reader.read_all().to_pylist():
                wanted[row["document_id"]] = f"texts: {row['document']}"
    assert find_documents(run, wanted) == wanted
    assert find_documents(run, {5}) == {}
    assert find_documents(run, ()) == {}


def test_find_documents_in_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertdata.corpus.partitions._PARTITION_BYTES", 1000)
    monkeypatch.setattr("bertdata.corpus.partitions._MIN_FILE_BYTES", 3000)
    monkeypatch.setattr("bertdata.corpus.partitions._MAX_FILE_BYTES", 3000)
    paths = make_run(tmp_path, some_documents(), fresh=True)
    assert len(list(paths.sentences.glob("sentences-*"))) > 3
    test_find_documents(paths)
    assert "not in sentences/" not in "\n".join(show_examples(paths, "train", 1000))


def test_document_that_sentences_lack(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path / "run")
    paths = RunPaths(tmp_path / "run")
    name = "train-00000-of-00003.arrow"
    edit_shard(paths.examples, name, lambda batches: batches[0][0].update(document_id=5))
    assert "from a document that is not in sentences/" in "\n".join(
        show_examples(paths, "train", 1)
    )


def test_dynamic_and_single_segments(tmp_path: Path) -> None:
    options = {"masking": "dynamic", "next_sentence": False, "validation_fraction": 0.0}
    paths = make_run(tmp_path, some_documents(), examples=options)
    lines = list(show_examples(paths, "train", 2))
    assert "the reader masks in every epoch" in lines[0]
    assert "→" not in "\n".join(lines[1:])
    assert not any(line.startswith("  B") for line in lines)
    statistics = "\n".join(show_statistics(paths))
    assert "chosen by the reader" in statistics
    assert "B is random" not in statistics
    with pytest.raises(DataError, match="has no validation examples"):
        list(show_examples(paths, "validation", 1))


def test_statistics(run: RunPaths) -> None:
    text = "\n".join(show_statistics(run))
    counts = read_manifest(run.examples).counts["train"]
    assert f"train: {counts['examples']:,} examples, {counts['pieces']:,} pieces" in text
    assert f"{counts['masked'] / counts['predicted']:.1%}" in text
    assert f"{counts['random_next'] / counts['examples']:.1%} of the pairs" in text
    bars = re.findall(r"^ +\d+-\d+ +█* *▏? *([\d,]+)$", text.split("\n\n")[0], re.M)
    assert sum(int(bar.replace(",", "")) for bar in bars) == counts["examples"]


def test_bins_hold_every_length_once() -> None:
    for longest in (5, 16, 100, 128, 512):
        lengths = list(range(513))
        bins = bin_lengths(lengths, longest, 16)
        assert len(bins) <= 16
        assert [first for first, _, _ in bins][1:] == [last + 1 for _, last, _ in bins][:-1]
        assert bins[0][0] == 1
        assert sum(count for _, _, count in bins) == sum(lengths[: longest + 1])


def test_vocabulary_of_another_run(run: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(run.output, tmp_path / "run")
    paths = RunPaths(tmp_path / "run")
    with (paths.vocab / "vocab.txt").open("a") as file:
        file.write("more\n")
    with pytest.raises(DataError, match=r"vocab\.txt: \d+ bytes, .* run bertdata vocab CONFIG"):
        list(show_examples(paths, "train", 1))
    (paths.vocab / "manifest.json").unlink()
    with pytest.raises(DataError, match="was made with a different vocabulary"):
        list(show_examples(paths, "train", 1))


def test_wrong_usage(run: RunPaths, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--rows must be from 1"):
        list(show_examples(run, "train", 0))
    with pytest.raises(ConfigError, match="--split must be one of train, validation"):
        list(show_examples(run, "test", 1))
    with pytest.raises(DataError, match=r"is not complete: it has no manifest\.json"):
        list(show_examples(RunPaths(tmp_path), "train", 1))
    with pytest.raises(DataError, match="is not complete"):
        list(show_statistics(RunPaths(tmp_path)))


def test_a_run_at_an_address_looks_the_same(run: RunPaths, s3: Address) -> None:
    copy_folder(run.output, s3)
    remote = RunPaths(s3)
    assert list(show_examples(remote, "train", 9)) == list(show_examples(run, "train", 9))
    local = [line.replace(str(run.output), str(s3)) for line in show_statistics(run)]
    assert list(show_statistics(remote)) == local
