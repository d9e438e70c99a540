from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bertdata.errors import ConfigError
from bertdata.tokenization import (
    TokenizationConfig,
    build_tokenizer,
    save_tokenizer,
    split_chunks,
)
from bertdata.vocabulary import SPECIAL_PIECES, Vocabulary

LANGUAGES = ("en", "de", "tr", "ko", "zh", "th")
CONFIGS = {
    "uncased": TokenizationConfig(),
    "cased": TokenizationConfig(lowercase=False),
    "accents": TokenizationConfig(strip_accents=False, split_chinese_characters=False),
    "cased-no-accents": TokenizationConfig(lowercase=False, strip_accents=True),
    "short-words": TokenizationConfig(max_word_characters=5),
}
SMALL = Vocabulary(
    (
        *SPECIAL_PIECES,
        *"abcdeimskou#[],.'éç中文한ยıß",
        *("##" + character for character in "abcdeimskou'éç中文한ยıß"),
        "ab",
        "##ab",
        "mask",
        "##sk",
    )
)
NASTY = (
    "[MASK]", "[SEP]", "##", "##a", "a" * 101, "ab" * 60, "é", "e\u0301", "\u0301", "\u0323\u0301a",
    "中", "文a中", "豈", "𠀀",
    "\u200b", "\u200d", "\ufeff", "\x00", "\x07", "\ufffd", "\t", "\n", "\r",
    "\xa0", "\u2028", "\u3000", " ", "  ",
    "İ", "ı", "ẞ", "Σ", "ς", "한", "\u1112\u1161", "ย", "\u0e31",
    ".", "'", "\u037e", "≠", "«", "$", "^", "`", "~", "AB", "Mask", "\ue000", "🙂", "\U000e0001",
)  # fmt: skip

texts = st.lists(
    st.one_of(
        st.sampled_from(NASTY),
        st.text(alphabet="abcdei ,.[]#中", max_size=8),
        st.text(max_size=6),
    ),
    max_size=12,
).map("".join)


def expected_ids(
    vocabulary: Vocabulary, config: TokenizationConfig, sentences: list[str]
) -> list[list[int]]:
    tokenizer = build_tokenizer(vocabulary, config)
    tokenizer.encode_special_tokens = True
    encodings = tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def test_split_chunks_leaves_chinese_together_when_asked() -> None:
    chunks = pa.array(["ab中c.d"])
    together = TokenizationConfig(split_chinese_characters=False)
    assert split_chunks(chunks, together).to_pylist() == [["ab中c", ".", "d"]]
    assert split_chunks(chunks, TokenizationConfig()).to_pylist() == [["ab", "中", "c", ".", "d"]]


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
