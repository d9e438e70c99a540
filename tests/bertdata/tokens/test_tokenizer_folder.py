"""The tokenizer of a folder gives the ids that transformers' AutoTokenizer gives."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer

from bertdata.errors import VocabularyError
from bertdata.storage.files import list_files, read_bytes
from bertdata.storage.locations import Address
from bertdata.storage.writing import write_text
from bertdata.tokens.tokenizer import TokenizationConfig, save_tokenizer
from bertdata.tokens.tokenizer_folder import read_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, read_vocabulary
from tests.copies import copy_folder
from tests.tokenizer_folders import KINDS, TEXTS, Settings, write_folder

transformers = pytest.importorskip("transformers")
SETTINGS = [
    Settings(lower=lower, strip=strip, chinese=chinese)
    for lower, strip, chinese in itertools.product(
        (True, False), (None, True, False), (True, False)
    )
]
UNUSUAL = Settings(lower=False, special=("<pad>", "<unk>", "<s>", "</s>", "<mask>"))


def assert_as_transformers(folder: Path, texts: list[str] = TEXTS) -> Any:
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = read_tokenizer(folder)
    encodings = ours.tokenizer.encode_batch(texts, add_special_tokens=False)
    wanted = theirs(texts, add_special_tokens=False)["input_ids"]
    assert [encoding.ids for encoding in encodings] == wanted
    for usual, role in zip(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), ROLE_IDS):
        assert ours.special_id(usual) == getattr(theirs, role)
    return theirs


ROLE_IDS = ("pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


@pytest.mark.parametrize("kind", KINDS)
def test_ids_for_all_settings(tmp_path: Path, kind: str) -> None:
    seen = set()
    for number, settings in enumerate(SETTINGS):
        folder = write_folder(tmp_path / str(number), kind, settings)
        theirs = assert_as_transformers(folder)
        seen.add(str(theirs(TEXTS)["input_ids"]))
    # A folder without tokenizer_config.json is one that transformers lower-cases, whatever it says.
    assert len(seen) == (1 if "tokenizer_config.json" not in KINDS[kind] else 8)


@pytest.mark.parametrize("kind", KINDS)
def test_unusual_names_of_special_pieces(tmp_path: Path, kind: str) -> None:
    folder = write_folder(tmp_path, kind, UNUSUAL)
    if "tokenizer_config.json" not in KINDS[kind]:
        with pytest.raises(VocabularyError, match=r"lacks the special piece \[PAD\]"):
            read_vocabulary(folder)
        return
    assert_as_transformers(folder, [*TEXTS, "The <mask> the [MASK] <s>"])
    assert read_vocabulary(folder).special_pieces == UNUSUAL.special
    assert read_vocabulary(folder).special.cls == 9


@pytest.mark.parametrize("kind", ["5", "4"])
def test_stored_padding_and_truncation_are_left_out(tmp_path: Path, kind: str) -> None:
    folder = write_folder(tmp_path, kind, Settings())
    before = assert_as_transformers(folder)(TEXTS)["input_ids"]
    path = str(folder / "tokenizer.json")
    stored = Tokenizer.from_file(path)
    stored.enable_padding(length=16)
    stored.enable_truncation(4)
    stored.save(path)
    assert assert_as_transformers(folder)(TEXTS)["input_ids"] == before


@pytest.mark.parametrize("kind", ["5", "4", "4 slow"])
def test_added_pieces(tmp_path: Path, kind: str) -> None:
    folder = write_folder(tmp_path, kind, Settings(lower=False))
    size = read_vocabulary(folder).size
    added = {size: AddedToken("covid19"), size + 1: AddedToken("[ENT]", special=True)}
    if "tokenizer.json" in KINDS[kind]:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.add_tokens([added[size]])
        tokenizer.add_special_tokens([added[size + 1]])
        tokenizer.save(str(folder / "tokenizer.json"))
    else:
        table = json.loads((folder / "tokenizer_config.json").read_bytes())
        table["added_tokens_decoder"] = {id_: to_table(piece) for id_, piece in added.items()}
        (folder / "tokenizer_config.json").write_text(json.dumps(table))
    texts = [*TEXTS, "covid19 xcovid19x [ENT] [ENT]the Covid19"]
    theirs = assert_as_transformers(folder, texts)
    assert {size, size + 1} <= {*theirs(texts)["input_ids"][-1]}
    assert read_tokenizer(folder).size == read_vocabulary(folder).size == size + 2
    assert read_vocabulary(folder).ids["[ENT]"] == size + 1


def to_table(piece: AddedToken) -> dict[str, Any]:
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {name: getattr(piece, name) for name in names}


@pytest.mark.parametrize("kind", ["5", "4", "4 slow"])
def test_special_pieces_that_are_text(tmp_path: Path, kind: str) -> None:
    assert_as_transformers(write_folder(tmp_path, kind, Settings(), split_special_tokens=True))


def test_what_transformers_writes_is_read_as_it_reads_it(tmp_path: Path) -> None:
    for number, settings in enumerate(SETTINGS):
        folder = write_folder(tmp_path / str(number), "4 slow", settings)
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        theirs.add_tokens(["covid19"])
        theirs.add_special_tokens({"additional_special_tokens": ["[ENT]"]})
        theirs.save_pretrained(tmp_path / f"saved {number}")
        (tmp_path / f"saved {number}" / "config.json").write_text('{"model_type": "bert"}')
        assert_as_transformers(tmp_path / f"saved {number}", [*TEXTS, "covid19 [ENT]"])


def test_a_class_that_follows_tokenizer_json_alone(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path, "4", Settings(lower=False), tokenizer_class="PreTrainedTokenizerFast"
    )
    table = json.loads((folder / "tokenizer_config.json").read_bytes())
    (folder / "tokenizer_config.json").write_text(json.dumps({**table, "do_lower_case": True}))
    assert_as_transformers(folder)


@pytest.mark.parametrize("limit", [4, 100])
def test_the_longest_word_of_what_we_write_is_kept(tmp_path: Path, limit: int) -> None:
    vocabulary = read_vocabulary(write_folder(tmp_path, "5", Settings()))
    save_tokenizer(tmp_path, vocabulary, TokenizationConfig(max_word_characters=limit))
    theirs = assert_as_transformers(tmp_path, [*TEXTS, "stop stopstop"])
    unk = vocabulary.special.unk
    assert (unk in theirs("stopt", add_special_tokens=False)["input_ids"]) == (limit == 4)


@pytest.mark.parametrize("kind", ["bare", "original"])
def test_a_cased_folder_that_is_lower_cased_is_reported(tmp_path: Path, kind: str) -> None:
    folder = write_folder(tmp_path, kind, Settings(lower=False))
    (warning,) = read_tokenizer(folder).warnings()
    assert str(folder) in warning
    advised = '"do_lower_case": false'
    assert advised in warning
    (folder / "tokenizer_config.json").write_text("{" + advised + "}")
    assert read_tokenizer(folder).warnings() == []
    assert read_tokenizer(folder).tokenizer.encode("The").tokens[1:-1] == ["The"]
    assert_as_transformers(folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "tokenizer_config.json",
            '{"do_lower_case": "no"}',
            "lowercase must be true or false, got 'no'",
        ),
        ("tokenizer_config.json", "[1]", "is not a table of settings"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": 1}}', "has an invalid value"),
        ("tokenizer_config.json", '{"added_tokens_decoder": [1]}', "has an invalid value"),
        ("added_tokens.json", '{"far": 99999999}', "a piece has the id 99,999,999"),
        ("added_tokens.json", '{"far": {}}', "has an invalid value"),
        ("vocab.txt", "a", "lacks the special piece"),
    ],
)
def test_damaged_settings_are_one_clear_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    folder = write_folder(tmp_path, "4 slow", Settings())
    (folder / name).write_text(text)
    with pytest.raises(VocabularyError, match=message):
        read_vocabulary(folder)
    with pytest.raises(VocabularyError, match=message):
        read_tokenizer(folder)


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"model": {"vocab": []}, "added_tokens": []}', '{"model": 1}']
)
def test_a_tokenizer_json_without_a_vocabulary(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(VocabularyError, match="has no WordPiece vocabulary"):
        read_vocabulary(tmp_path)


def test_folders_without_a_tokenizer_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"has neither tokenizer\.json nor vocab\.txt"):
        read_tokenizer(tmp_path)
    folder = write_folder(tmp_path, "4 slow", Settings(), tokenizer_class="BertJapaneseTokenizer")
    with pytest.raises(VocabularyError, match="needs the tokenizer BertJapaneseTokenizer"):
        read_tokenizer(folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(VocabularyError, match=r"tokenizer\.json is not a tokenizer"):
        read_tokenizer(folder)
    (folder / "tokenizer_config.json").write_text("[")
    with pytest.raises(VocabularyError, match=r"cannot read .*tokenizer_config\.json"):
        read_tokenizer(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_may_be_at_an_address(tmp_path: Path, s3: Address, kind: str) -> None:
    folder = write_folder(tmp_path, kind, Settings(lower=False))
    copy_folder(folder, s3)
    local, remote = read_tokenizer(folder), read_tokenizer(str(s3))
    assert remote.settings == local.settings
    assert remote.tokenizer.to_str() == local.tokenizer.to_str()
    assert read_vocabulary(s3) == read_vocabulary(folder)


def test_a_damaged_tokenizer_at_an_address_is_refused(s3: Address) -> None:
    write_text(s3 / "tokenizer.json", "{")
    with pytest.raises(VocabularyError, match=rf"{s3}/tokenizer\.json is not a tokenizer: "):
        read_tokenizer(s3)


def test_a_tokenizer_is_saved_to_an_address(tmp_path: Path, s3: Address) -> None:
    for folder in (tmp_path, s3):
        save_tokenizer(folder, Vocabulary((*SPECIAL_PIECES, "a")), TokenizationConfig())
    for found in list_files(tmp_path):
        assert read_bytes(s3 / found.path) == read_bytes(tmp_path / found.path)
    assert [found.path for found in list_files(s3)] == [f.path for f in list_files(tmp_path)]
