"""Sentences of scripts that Punkt does not know, by rule."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.sentences.paragraphs import split_paragraphs
from bertdata.sentences.rules import MAX_BRACKET_CHARACTERS, MAX_THAI_CHARACTERS
from bertdata.sentences.splitter import RULE_LANGUAGES, load_splitter
from tests.growth.counting import check_growth


@pytest.mark.parametrize(
    ("language", "text", "marked"),
    [
        ("chinese", "他走了。她来了！真的吗？？是……好", "他走了。|她来了！|真的吗？？|是……|好"),
        ("chinese", "他說：「好。」她笑了。（對。）完", "他說：「好。」|她笑了。|（對。）|完"),
        ("chinese", '他说："好。"我走。"最新"是', '他说："好。"|我走。|"最新"是'),
        ("chinese", "圆周率是3.14左右,U.S. GDP. 见。", "圆周率是3.14左右,U.S. GDP. 见。"),
        ("chinese", "第一句. 第二句．\n\n第三", "第一句.|第二句．|第三"),
        ("chinese", "换\n行。  下 一句", "换 行。|下 一句"),
        ("japanese", "彼は走った。私も！", "彼は走った。|私も！"),
        ("japanese", "「そうです。はい。」と言った。次。", "「そうです。はい。」と言った。|次。"),
        ("japanese", "「行こう。」彼は立った。", "「行こう。」|彼は立った。"),
        ("japanese", "これは（例。）、文だ。終。", "これは（例。）、文だ。|終。"),
        ("japanese", "値は３．５です。次", "値は３．５です。|次"),
        ("thai", "เขามาแล้ว! ทำไม? ไม่รู้", "เขามาแล้ว!|ทำไม?|ไม่รู้"),
        ("thai", "พ.ศ. 2559 เป็นปี", "พ.ศ. 2559 เป็นปี"),
        ("thai", "“ใช่”“ไม่” เขาพูด\n\nย่อหน้า", "“ใช่”|“ไม่” เขาพูด|ย่อหน้า"),
        (
            "hindi",
            "डॉ. शर्मा आए। वे ३.५ बजे गए? हाँ! “ठीक है।” फिर",
            "डॉ. शर्मा आए।|वे ३.५ बजे गए?|हाँ!|“ठीक है।”|फिर",
        ),
        ("marathi", "तो आला।ती गेली॥ संपले", "तो आला।|ती गेली॥|संपले"),
        ("bengali", "সে এল। সে গেল। (শেষ।)", "সে এল।|সে গেল।|(শেষ।)"),
        ("urdu", "وہ آیا۔ کیا وہ گئی؟ جی ہاں", "وہ آیا۔|کیا وہ گئی؟|جی ہاں"),
        ("arabic", "جاء د. أحمد. هل ذهبت؟ نعم! 3.5 متر", "جاء د. أحمد.|هل ذهبت؟|نعم!|3.5 متر"),
        ("persian", "او آمد. او رفت؟ بله", "او آمد.|او رفت؟|بله"),
        ("armenian", "Նա եկավ։ Նա գնաց։", "Նա եկավ։|Նա գնաց։"),
        ("amharic", "እሱ መጣ። እሷ ሄደች፧ አዎ", "እሱ መጣ።|እሷ ሄደች፧|አዎ"),
        ("khmer", "គាត់មក។ នាងទៅ៕ ចប់", "គាត់មក។|នាងទៅ៕|ចប់"),
        ("burmese", "သူလာသည်။ သူမသွားသည်။", "သူလာသည်။|သူမသွားသည်။"),
    ],
)
def test_rules(language: str, text: str, marked: str) -> None:
    assert load_splitter(language).split(text) == marked.split("|")


def test_a_bracket_left_open_is_not_waited_for_for_ever() -> None:
    sentence = "これは長い文です。"
    count = MAX_BRACKET_CHARACTERS // len(sentence) * 3
    found = load_splitter("japanese").split("「" + sentence * count)
    assert len(found) > count // 2
    assert max(map(len, found)) < MAX_BRACKET_CHARACTERS + len(sentence) * 2


def test_long_thai_is_cut_at_spaces() -> None:
    clause = "ก" * 50
    found = load_splitter("thai").split(" ".join([clause] * 100))
    assert " ".join(found) == " ".join([clause] * 100)
    assert {len(sentence) for sentence in found[:-1]} == {MAX_THAI_CHARACTERS // 51 * 51 + 50}


@given(
    st.sampled_from(RULE_LANGUAGES),
    st.lists(st.text("。！？.!?…”」』\"' \n「（）あア漢กa1、", max_size=30), max_size=4),
)
def test_nothing_is_lost(language: str, texts: list[str]) -> None:
    splitter = load_splitter(language)
    found = splitter.split_all(pa.array(texts, pa.string())).to_pylist()
    for text, sentences in zip(texts, found):
        assert all(sentence == sentence.strip() != "" for sentence in sentences)
        kept = "".join("".join(split_paragraphs(text)).split())
        assert "".join("".join(sentences).split()) == kept


@pytest.mark.parametrize("language", RULE_LANGUAGES)
def test_long_paragraphs_take_linear_time(language: str) -> None:
    split = load_splitter(language).split
    for unit in ("。", "「。", '。"', "ก ", "漢", "?", "!)", "؟"):
        check_growth(split, lambda size, unit=unit: unit * size + "x", 10_000)
