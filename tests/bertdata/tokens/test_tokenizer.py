from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bertdata.errors import ConfigError
from bertdata.tokens.tokenizer import (
    TokenizationConfig,
    build_tokenizer,
    save_tokenizer,
)
from tests.tokenization_cases import CONFIGS, SMALL, expected_ids


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_saved_tokenizer_loads_in_tokenizers_and_transformers(
    tmp_path: Path, config: TokenizationConfig
) -> None:
    transformers = pytest.importorskip("transformers")
    save_tokenizer(tmp_path, SMALL, config)
    names = {"vocab.txt", "tokenizer.json", "tokenizer_config.json"}
    assert {entry.name for entry in tmp_path.iterdir()} == names
    sentences = ["Abe İs 中文, éa ask.", "e\u0301ç " + "ab" * 30, "", "Mask [ ]\u200b##"]
    expected = expected_ids(SMALL, config, sentences)
    loaded = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    plain = loaded.encode_batch(sentences, add_special_tokens=False)
    assert [encoding.ids for encoding in plain] == expected
    default = config.max_word_characters == 100
    loader = "BertTokenizerFast" if default else "PreTrainedTokenizerFast"
    fast = getattr(transformers, loader).from_pretrained(tmp_path)
    assert fast(sentences, add_special_tokens=False)["input_ids"] == expected
    assert fast("a", "b")["input_ids"] == [2, SMALL.ids["a"], 3, SMALL.ids["b"], 3]
    assert fast("a", "b")["token_type_ids"] == [0, 0, 0, 1, 1]
    assert fast.mask_token_id == SMALL.special.mask


def test_saved_tokenizer_recognises_special_pieces_and_decodes() -> None:
    tokenizer = build_tokenizer(SMALL, TokenizationConfig())
    encoding = tokenizer.encode("Cab [MASK].")
    assert encoding.tokens == ["[CLS]", "c", "##ab", "[MASK]", ".", "[SEP]"]
    assert tokenizer.decode(encoding.ids) == "cab."


@pytest.mark.parametrize("length", [0, 10_001])
def test_word_length_out_of_range_is_refused(length: int) -> None:
    with pytest.raises(ConfigError, match="max_word_characters must be from 1 to 10000"):
        TokenizationConfig(max_word_characters=length)
