"""Text is tokenized as the folder of a vocabulary wants it, or the error says how to."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bertdata.errors import ConfigError
from bertdata.storage.locations import Address, Location
from bertdata.tokens.letter_case import is_cased, is_uncased
from bertdata.tokens.tokenizer import TokenizationConfig, build_normalizer
from bertdata.tokens.tokenizer_comparison import check_tokenization
from bertdata.tokens.tokenizer_folder import read_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, read_vocabulary, write_vocabulary
from tests.copies import copy_folder
from tests.tokenizer_folders import KINDS, TEXTS, Settings, write_folder

UNCASED = tuple(f"w{i}" for i in range(40))


def check(config: TokenizationConfig, source: Location) -> list[str]:
    return check_tokenization(config, source, read_vocabulary(source), what="[vocab]")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings",
    [
        Settings(lower=False),
        Settings(lower=True, strip=False),
        Settings(lower=False, strip=True, chinese=False),
    ],
)
def test_what_the_message_advises_gives_the_folder_s_ids(
    tmp_path: Path, kind: str, settings: Settings
) -> None:
    folder = write_folder(tmp_path, kind, settings)
    if kind in ("original", "bare"):
        settings = Settings(lower=False)  # of these, the pieces alone tell
    wrong = TokenizationConfig(lowercase=not settings.lower)
    with pytest.raises(ConfigError, match=rf"^\[vocab\] has .*, but {tmp_path}") as caught:
        check(wrong, folder)
    advice = str(caught.value).rpartition("set [vocab] ")[2]
    config = replace(wrong, **tomllib.loads(advice.replace(" and ", "\n")))
    assert len(check(config, folder)) == ("added" in kind)
    if kind not in ("original", "bare"):
        normalizer = read_tokenizer(folder).tokenizer.normalizer
        assert config.lowercase is normalizer.lowercase
        assert [*map(normalizer.normalize_str, TEXTS)] == [
            *map(build_normalizer(config).normalize_str, TEXTS)
        ]


def test_a_folder_whose_settings_do_not_name_the_case_goes_by_its_pieces(tmp_path: Path) -> None:
    write_vocabulary(tmp_path / "vocab.txt", Vocabulary((*SPECIAL_PIECES, *UNCASED)))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert check(TokenizationConfig(), tmp_path) == []
    with pytest.raises(ConfigError, match=r"set \[vocab\] lowercase = true"):
        check(TokenizationConfig(lowercase=False), tmp_path)


def test_cased_text_for_an_uncased_vocabulary_is_told(tmp_path: Path) -> None:
    file = tmp_path / "vocab.txt"
    write_vocabulary(file, Vocabulary((*SPECIAL_PIECES, *UNCASED)))
    (warning,) = check(TokenizationConfig(lowercase=False), file)
    assert "has no piece with a capital" in warning
    assert check(TokenizationConfig(), file) == []


def test_added_pieces_are_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "4 slow with added pieces", Settings())
    (warning,) = check(TokenizationConfig(), folder)
    assert "added to it later, such as 'covid19'" in warning


def test_a_tokenizer_that_is_none_of_berts_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "5", Settings(), tokenizer_class="PreTrainedTokenizerFast")
    text = (folder / "tokenizer.json").read_text("utf-8")
    (folder / "tokenizer.json").write_text(text.replace('"BertPreTokenizer"', '"Whitespace"'))
    with pytest.raises(ConfigError, match=r"PreTrainedTokenizer\) does not cut text by BERT's"):
        check(TokenizationConfig(), folder)


@pytest.mark.parametrize(
    ("pieces", "cased", "uncased"),
    [
        (("the", "The", "A", "##B", *UNCASED), True, False),
        ((*UNCASED, "<S>", "[MASK]", "[CLS]"), False, True),
        (("東", "京", "##か"), False, False),
        ((*UNCASED, "A"), False, True),
        ((), False, False),
    ],
)
def test_the_case_of_pieces(pieces: tuple[str, ...], cased: bool, uncased: bool) -> None:
    assert (is_cased(pieces), is_uncased(pieces)) == (cased, uncased)


@pytest.mark.parametrize(
    ("name", "cased", "uncased"),
    [
        ("bert-base-uncased", False, True),
        ("bert-base-cased", True, False),
        ("bert-base-chinese", False, True),
        ("bert-base-multilingual-cased", True, False),
    ],
)
def test_the_case_of_published_vocabularies(
    shared_data: Path, name: str, cased: bool, uncased: bool
) -> None:
    tokens = read_vocabulary(shared_data / "vocab" / f"{name}-vocab.txt").tokens
    assert (is_cased(tokens), is_uncased(tokens)) == (cased, uncased)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_at_an_address_wants_the_same(tmp_path: Path, s3: Address, kind: str) -> None:
    folder = write_folder(tmp_path, kind, Settings(lower=False))
    copy_folder(folder, s3)
    config = TokenizationConfig(lowercase=False)
    notices = [notice.replace(str(folder), str(s3)) for notice in check(config, folder)]
    assert check(config, s3) == notices
    with pytest.raises(ConfigError) as local:
        check(TokenizationConfig(), folder)
    with pytest.raises(ConfigError) as remote:
        check(TokenizationConfig(), s3)
    assert str(remote.value) == str(local.value).replace(str(folder), str(s3))
