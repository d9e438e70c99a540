"""Vocabulary, configurations and texts that tests of tokenization share."""

from __future__ import annotations

from hypothesis import strategies as st

from bertdata.tokens.tokenizer import TokenizationConfig, build_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary

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
