"""The encoding of a text, from its first bytes."""

from __future__ import annotations

import pytest

from flows.guess.encodings import find_text

GERMAN = "Der Fluss ist schön, und die Städte an den Ufern sind für das Land nicht groß. " * 3
POLISH = "Rzeka jest stara i płynie do morza, jak to się działo za lat wielu, i nie źle. " * 3
RUSSIAN = "Река старая, и она течёт в море, как это было тысячу лет, но не для всех. " * 3
CHINESE = "河流很古老，它流入大海，一千年来一直如此，城市就在河边的山下。" * 3
JAPANESE = "川は古く、千年の間そうであったように海へ流れています。町は山の下にあります。" * 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (CHINESE, "gb18030"),
        (JAPANESE, "shift_jis"),
    ],
)
def test_the_likeliest_encoding_is_taken(text: str, encoding: str) -> None:
    assert find_text(text.encode(encoding)) == (encoding, text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_needs_no_configuration(encoding: str) -> None:
    assert find_text(GERMAN.encode(encoding)) == ("utf-8", GERMAN)


def test_a_last_character_may_be_cut() -> None:
    assert find_text(CHINESE.encode()[:-1]) == ("utf-8", CHINESE[:-1])


def test_a_damaged_byte_does_not_change_the_encoding() -> None:
    data = GERMAN.encode()
    found, text = find_text(data[:100] + b"\xff" + data[100:])
    assert found == "utf-8"
    assert "\ufffd" in text


@pytest.mark.parametrize(
    "data", [b"a\0b\0c\0", bytes(range(128, 256)) * 9, b"\x01\x02\xff\xfe" * 99]
)
def test_what_is_not_text_has_no_encoding(data: bytes) -> None:
    assert find_text(data) == ("", "")
