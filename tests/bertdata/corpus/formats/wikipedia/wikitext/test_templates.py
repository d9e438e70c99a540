"""Templates with a plain rendering, variants of the language converter, and ruby."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.formats.wikipedia.wikitext import clean_wikitext
from bertdata.corpus.formats.wikipedia.wikitext.templates.arguments import parse_arguments
from bertdata.corpus.formats.wikipedia.wikitext.templates.expansion import show_template


@pytest.mark.parametrize(
    ("wikitext", "prose"),
    [
        ("1848{{snd}}1934, 1642{{ndash}}1646", "1848 – 1934, 1642–1646"),
        ("a {{Spaced ndash}} b{{spnd}}c{{en_dash}}d", "a – b – c–d"),
        ("spoke{{mdash}}nobody {{em dash}}, 12{{nbsp}}km", "spoke—nobody —, 12 km"),
        ("300{{spaces|3}}m{{thinsp}}a{{hairsp}}b{{space}}c", "300 m a b c"),
        ("a{{·}}b{{dot}}c{{bullet}}d{{middot}}e", "a · b · c • d · e"),
        ("a {{!}} b {{pipe}} c {{=}} d", "a | b | c = d"),
        ("first{{break}}second", "first\nsecond"),
        ("A''b''{{'s}} c{{'}} d{{' \"}}", "Ab's c' d' \""),
        ("{{\"|Wort}} ''a''{{-\"}} {{'|b}}", '"Wort" a" \'b\''),
        ("{{nowrap|[[a|b]] ''c''}} {{small|d}} {{abbr|e|f}} {{lang|fr|g}}", "b c d e g"),
        ("{{lang-ru|слово|slovo}} {{transl|ru|ISO|slovo}} {{langx|fr|mot}}", "слово slovo mot"),
        ("{{nowrap|a {{small|b {{lang|fr|''c''}}}}}} {{nowrap|1=d=e}}", "a b c d=e"),
        ("{{circa|1850}}, {{c.|1850|1900}}", "c. 1850, c. 1850 – c. 1900"),
        ("{{frac|3}} {{frac|2|3}} 1{{frac|2|3}}", "1/3 2/3 1 2/3"),
        ("{{ill|A b|de|C}}, {{ill|de|A}}, {{lien|langue=en|trad=B|fr=C|texte=c}}", "A b, A, c"),
        ("{{chem|H|2|O}} {{US$|5 million}} {{HMS|Ajax|22}}", "H2O $5 million HMS Ajax"),
        ("{{nihongo|health|元気|genki}} {{angbr|a}}", "health (元気, genki) ⟨a⟩"),
        (
            "wrote: {{quote|text=Open [[a|the]] gates.}} Nobody",
            "wrote:\n\nOpen the gates.\n\nNobody",
        ),
        ("appelé {{citation|le grand}} {{citation|title=A|url=b}}ici", "appelé « le grand » ici"),
        ("{{as of|2014|5|lc=y}}, {{birth date|1809|2|12}}", "as of May 2014, February 12, 1809"),
        ("{{birth date|1809|2|12|df=yes}} {{as of|2014}} {{start date|1809|13|1}}.", None),
        ("{{ruby|漢字|かんじ}}は{{ruby-ja|東|ひがし}}の{{読み仮名|'''西'''|にし}}", "漢字は東の西"),
        ("a {{unknown|b}} {{angbr|{{IPA|c}}}} {{lang|d}} {{age|1969|7|20}} e", "a e"),
    ],
)
def test_templates(wikitext: str, prose: str | None) -> None:
    assert clean_wikitext(wikitext) == (prose or "12 February 1809 As of 2014.")


@pytest.mark.parametrize(
    ("wikitext", "prose"),
    [
        ("{{convert|5|km|mi}} {{cvt|93|m|ft|abbr=off}} {{Convert|-10|C|F}}", "5 km 93 m -10 °C"),
        ("{{convert|10|and|20|km|mi}} {{convert|2|to|5|ft|cm}}", "10 and 20 km 2 to 5 ft"),
        ("{{convert|10|-|20|km|mi}} {{convert|10|–|20|km}}", "10–20 km 10–20 km"),
        ("{{convert|30|x|40|cm|in}} {{convert|3|by|4|m}}", "30 × 40 cm 3 by 4 m"),
        ("{{convert|3|x|4|x|5|m}} {{convert|10|±|0.5|kg|lb}}", "3 × 4 × 5 m 10 ± 0.5 kg"),
        ("{{convert|60|and(-)|80|kg}} {{convert|10|to(-)|20|km}}", "60 and 80 kg 10–20 km"),
        ("{{convert|6|ft|2|in|cm}} {{convert|11|st|4|lb|kg}}", "6 ft 2 in 11 st 4 lb"),
        ("{{convert|1,450.5|sqmi|km2|0}} {{convert|5|km|0|abbr=on}}", "1,450.5 sq mi 5 km"),
        ("{{convert|22|e6acre|km2}} {{convert|5+1/2|in|cm}}", "22 million acre 5+1/2 in"),
        ("{{convert|{{formatnum:10}}|to|{{#expr:2}}|km}} {{convert|10|km|{{x}}}}", "10 km"),
        ("a {{convert|10|foo|20|km}} {{convert|10|to|km}} {{convert|10}} {{convert||km}} b", "a b"),
        ("{{formatnum:1450}} {{formatnum:-10}} {{FORMATNUM: 3003 }} {{formatnum:1,5|R}}", None),
        (
            "{{val|1.00794|(7)}} {{val|1.5|0.2|e=6|u=kg}} {{val|5|ul=m|up=s}}",
            "1.00794(7) 1.5 ± 0.2×10^6 kg 5 m/s",
        ),
        ("3.3{{e|-20}} g", "3.3×10^-20 g"),
        ("{{unité|2000|m}} {{unité|10|à|20|km}} {{unité|5|km|2}}", "2000 m 10 à 20 km 5 km2"),
        ("a {{unité|5|m|/|s|-2}} b", "a b"),
        ("{{unité|10 km}} {{nombre|1450|habitants}} {{gaps|1|234}}", "10 km 1450 habitants 1234"),
        ("a {{convert|10|km|mi|disp=number}} miles", "a miles"),
    ],
)
def test_quantities_are_whole_or_gone(wikitext: str, prose: str | None) -> None:
    assert clean_wikitext(wikitext) == (prose or "1450 -10 3003 1,5")


NUMBERS = st.integers(-500, 500).map(str) | st.sampled_from(["1,450", "0.5", "3/4"])
LINKS = st.sampled_from(["and", "to", "-", "–", "or", "by", "x", "±", "+", "to about"])


@given(
    st.lists(st.tuples(NUMBERS, LINKS), max_size=3), NUMBERS, st.sampled_from(["km", "ft", "°C"])
)
def test_a_range_keeps_all_its_ends(starts: list[tuple[str, str]], end: str, unit: str) -> None:
    parts = [part for pair in starts for part in pair]
    shown = show_template("convert", [*parts, end, unit, "mi", "abbr=on"])
    assert shown is not None
    rest = shown
    for number in [*(number for number, _ in starts), end]:
        _, found, rest = rest.partition(number)
        assert found
    assert rest == f" {unit}"


def test_arguments_are_numbered_as_in_mediawiki() -> None:
    arguments = parse_arguments(["a", "b = c", " d ", "2=e", "4=f"])
    assert arguments == {"1": "a", "b": "c", "2": "e", "4": "f"}
    assert arguments.numbered == ["a", "e"]


@pytest.mark.parametrize(
    ("wikitext", "prose"),
    [
        ("-{zh-hans:计算机; zh-hant:電腦}-", "计算机"),
        ("用-{A|zh-cn:甲;zh-tw:乙}-好", "用甲好"),
        ("-{R|字}- -{zh-hans;zh-hant|字}- -{|字}- -{字}-", "字 字 字 字"),
        ("-{T|zh-cn:甲;zh-tw:乙}-文-{H|zh-cn:甲;zh-tw:乙}-文-{-|zh-cn:甲}-", "文文"),
        ("-{H|電腦=>zh-cn:计算机}-文 -{電腦=>zh-cn:计算机;}-", "文 计算机"),
        ("-{zh-hans:甲-{乙}-丙;zh-hant:丁}-", "甲乙丙"),
        ("-{zh-cn:[[A|甲]];zh-tw:{{lang|zh|乙}}}- -{[[A|乙]]}-", "甲 乙"),
        ("-{zh-cn:{{lang|zh|甲}};zh-tw:乙}-", "甲"),
        ("-{sr-ec:Ваздух; sr-el:Vazduh}-", "Ваздух"),
        ("-{unclosed and }- -{ {{x}}-word", "unclosed and -{ -word"),
    ],
)
def test_one_variant_is_shown_and_no_rule(wikitext: str, prose: str) -> None:
    assert clean_wikitext(wikitext) == prose


def test_braces_are_text_where_the_wiki_has_no_converter() -> None:
    text = "1-{2-chloro}-3 and -{zh-hans:甲;zh-hant:乙}-"
    assert clean_wikitext(text, language="en") == "1-{2-chloro}-3 and 甲"
    assert clean_wikitext("реч -{Microsoft}- је", language="sr") == "реч Microsoft је"


@pytest.mark.parametrize(
    ("wikitext", "prose"),
    [
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", "漢字"),
        ("<ruby>漢<rt>かん</rt>字<rt>じ</rt></ruby>", "漢字"),
        ("<ruby>漢<rt>かん<rp>)</ruby>字", "漢字"),
        ("<ruby><rb>東</rb><rb>京</rb><rtc><rt>とう</rt></rtc></ruby>は", "東京は"),
        ("<ruby lang=ja>[[漢字|漢]]<rt lang=ja>{{lang|ja|かん}}</rt></ruby>", "漢"),
        ("a <rt>unclosed\n\nNext paragraph.", "a\n\nNext paragraph."),
    ],
)
def test_of_ruby_only_the_reading_is_dropped(wikitext: str, prose: str) -> None:
    assert clean_wikitext(wikitext) == prose
