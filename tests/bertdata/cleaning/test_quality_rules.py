"""Published quality rules: what each lets through and what it rejects, and why."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.cleaning.quality_rules import RULES

GOOD = """The town stands on a river and has a church, a school and seventy houses of stone.
Every spring the water rises over the meadows, and people move their sheep to higher ground.
A bridge was built there by monks in the twelfth century; it fell in a flood and was never mended.
Since then a ferry carries travellers across, for a coin that nobody has dared to raise.
Visitors who have time should climb the hill behind the mill, from which they can see the coast."""


def different_words(number: int) -> list[str]:
    return [f"word{i}" for i in range(number)]


@pytest.mark.parametrize("rule", RULES)
def test_prose_is_let_through(rule: str) -> None:
    assert RULES[rule](GOOD) == ""


@pytest.mark.parametrize(
    ("rule", "text", "why"),
    [
        ("gopher-quality", "the of and " * 10, "30 words, not 50 to 100,000"),
        ("gopher-quality", "the of " * 60_000, "120,000 words, not 50 to 100,000"),
        ("gopher-quality", "a b " * 50, "1.00 characters a word, not 3 to 10"),
        ("gopher-quality", "the of incomprehensibilities " * 9 + "antidisestablish " * 60, "13.72"),
        ("gopher-quality", "the of #tag word " * 20, "0.25 hash signs a word, not 0 to 0.1"),
        ("gopher-quality", "the of and... word " * 20, "0.25 ellipses a word, not 0 to 0.1"),
        ("gopher-quality", "\n".join(["- the word and have"] * 30), "1.00 of lines with bullets"),
        ("gopher-quality", "the of words 1234 5678 " * 20, "0.60 of words with letters"),
        ("gopher-quality", "bonjour madame " * 40, "0 of the stop words, not 2"),
        ("gopher-repetition", "same line\n" * 4 + "a\nb\nc\n", "0.43 of lines are duplicates"),
        ("gopher-repetition", f"{'long ' * 30}\n{'long ' * 30}\n" + "\n".join("abcd"), "0.4"),
        ("gopher-repetition", "very much " * 6 + " ".join(different_words(8)), "in the top 2-gram"),
        ("gopher-repetition", " ".join(different_words(30) * 2), "repeated 5-grams"),
        ("c4", f"{GOOD}\nLorem ipsum dolor.", "it holds 'lorem ipsum'"),
        ("c4", "function() { return; } One. Two. Three.", "it holds '{'"),
        ("c4", "One sentence. Two sentences", "1 sentences, not 3"),
        ("fineweb", "a line without an end that is quite long\n" * 1, "0.00 of lines end in"),
        ("fineweb", "The same long line stands here again.\n" * 3, "characters in duplicate lines"),
        ("fineweb", "\n".join(f"Short {i}." for i in range(9)), "1.00 of lines shorter than 30"),
        ("fineweb", " \n ", "no line"),
    ],
)
def test_each_threshold(rule: str, text: str, why: str) -> None:
    assert why in RULES[rule](text)


def words_with(*special: str, number: int = 50) -> list[str]:
    """Words of which two are stop words, and these among them."""
    return ["the", "of", *special, *["words"] * (number - 2 - len(special))]


def lines_of(*lines: str, number: int) -> str:
    """Lines of thirty characters or more that differ in all their words, and these before them."""
    others = [f"{'x' * 10}{n} {'y' * 10}{n} {'z' * 10}{n}" for n in range(number - len(lines))]
    return "\n".join([*lines, *others])


@pytest.mark.parametrize(
    ("rule", "within", "beyond"),
    [
        ("gopher-quality", words_with(number=50), words_with(number=49)),
        ("gopher-quality", words_with(number=100_000), words_with(number=100_001)),
        ("gopher-quality", ["the", "and"] * 25, ["the", "and"] * 24 + ["to", "and"]),
        (
            "gopher-quality",
            ["the", "and", *["x" * 10] * 34, *["x" * 11] * 14],
            ["the", "and", *["x" * 10] * 33, *["x" * 11] * 15],
        ),
        ("gopher-quality", words_with(*["#tag"] * 5), words_with(*["#tag"] * 6)),
        ("gopher-quality", words_with(*["so…"] * 5), words_with(*["so…"] * 6)),
        ("gopher-quality", words_with(*["12345"] * 10), words_with(*["12345"] * 11)),
        ("gopher-quality", ["the", "of", *["words"] * 60], ["the", "the", *["words"] * 60]),
    ],
)
def test_words_at_the_thresholds(rule: str, within: list[str], beyond: list[str]) -> None:
    assert RULES[rule](" ".join(within)) == ""
    assert RULES[rule](" ".join(beyond)) != ""


BULLET, ELLIPSIS = "- the words of this line", "the words of this line…"
LINE = "the words of this line"


@pytest.mark.parametrize(
    ("rule", "within", "beyond"),
    [
        ("gopher-quality", "\n".join([BULLET] * 9 + [LINE]), "\n".join([BULLET] * 10)),
        (
            "gopher-quality",
            "\n".join([ELLIPSIS] * 3 + [LINE] * 7),
            "\n".join([ELLIPSIS] * 4 + [LINE] * 6),
        ),
        ("gopher-repetition", lines_of(*"aaaa", number=10), lines_of(*"aaaaa", number=11)),
        ("c4", "One is. Two is! Three is?", "One is. Two is! Three is"),
        (
            "fineweb",
            lines_of(*(f"{'a' * 30}{n}." for n in range(4)), number=25),
            lines_of(*(f"{'a' * 30}{n}." for n in range(3)), number=25),
        ),
        (
            "fineweb",
            "\n".join([*[f"{n:029}." for n in range(10)], f"{9:029}."]),
            "\n".join([*[f"{n:029}." for n in range(9)], f"{8:029}."]),
        ),
        (
            "fineweb",
            "\n".join([*[f"{n:028}." for n in range(66)], *[f"{n:029}." for n in range(34)]]),
            "\n".join([*[f"{n:028}." for n in range(67)], *[f"{n:029}." for n in range(33)]]),
        ),
    ],
    ids=["bullets", "ellipses", "lines", "sentences", "ends", "duplicates", "short"],
)
def test_lines_at_the_thresholds(rule: str, within: str, beyond: str) -> None:
    assert RULES[rule](within) == ""
    assert RULES[rule](beyond) != ""


@given(st.sampled_from(sorted(RULES)), st.text("ab. \n#-…", max_size=200) | st.text(max_size=50))
def test_any_text_has_a_verdict(rule: str, text: str) -> None:
    assert isinstance(RULES[rule](text), str)


def test_real_speeches_pass_and_real_spam_does_not(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "us-presidents" / "state_union.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")][:12]
        texts = [archive.read(name).decode("latin-1") for name in names]
    assert sum(not RULES["gopher-quality"](text) for text in texts) == len(texts)
    assert sum(not RULES["gopher-repetition"](text) for text in texts) == len(texts)
