"""The language of a text, by its script and its most frequent words.

Only languages that `[sentences] language` knows are found. Any other that ends sentences with full
stops is `train`: a model of the corpus itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bertdata.sentences.splitter import LANGUAGES, RULE_LANGUAGES, TRAIN

# A text of a language has at least this share of its frequent words; other languages share some.
_MIN_SHARE = 0.15
# Where endings stand for small words, there are fewer of these.
_MIN_SHARES = {"finnish": 0.06, "turkish": 0.07, "estonian": 0.08, "czech": 0.1, "polish": 0.1}
_MIN_LETTERS = 20
_MIN_KANA = 0.05  # of the letters of Japanese
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Language:
    """A name of `[sentences] language`, and why it was chosen.

    `score`: the share of words or letters that show it; 0 if the language is not known.
    """

    name: str
    reason: str
    score: float = 0.0


def guess_language(texts: Iterable[str]) -> Language:
    """The language of most of the texts; English if there is nothing to count."""
    text = " ".join(texts)
    scripts = Counter({name: len(letters.findall(text)) for name, letters in _SCRIPTS.items()})
    if (total := scripts.total()) < _MIN_LETTERS:
        return Language("english", "there is too little text to see it")
    script, count = scripts.most_common(1)[0]
    share = count / total
    if script in _LANGUAGE_OF_SCRIPT:
        name = _LANGUAGE_OF_SCRIPT[script]
        return Language(name, f"{share:.0%} of the letters are {script}", share)
    if script in ("Han", "Kana"):
        return _by_kana(scripts["Han"], scripts["Kana"], total)
    return _by_words(text.lower(), script)


def _by_kana(han: int, kana: int, total: int) -> Language:
    share = (han + kana) / total
    if kana > _MIN_KANA * (han + kana):
        return Language("japanese", f"{share:.0%} of the letters are Chinese or kana", share)
    return Language("chinese", f"{share:.0%} of the letters are Chinese, without kana", share)


def _by_words(text: str, script: str) -> Language:
    words = text.split() if script == "Devanagari" else _WORD.findall(text)
    counts = Counter(words)
    known = _WORDS.get(script, {})
    scores = Counter({name: sum(counts[word] for word in some) for name, some in known.items()})
    (name, hits), *_ = [*scores.most_common(1), ("", 0)]
    share = hits / max(1, len(words))
    if share < _MIN_SHARES.get(name, _MIN_SHARE):
        return Language(TRAIN, f"{script} letters, but the words of no language that is known")
    reason = f"{share:.0%} of the words are frequent words of {name.capitalize()}"
    if name not in (*LANGUAGES, *RULE_LANGUAGES):
        return Language(TRAIN, f"{reason}, for which no model is published", share)
    return Language(name, reason, share)


_SCRIPTS: Mapping[str, re.Pattern[str]] = {
    "Latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
    "Cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "Greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "Arabic": re.compile(r"[\u0620-\u06ff]"),
    "Hebrew": re.compile(r"[\u05d0-\u05ea]"),
    "Armenian": re.compile(r"[\u0530-\u058f]"),
    "Georgian": re.compile(r"[\u10a0-\u10ff]"),
    "Ethiopic": re.compile(r"[\u1200-\u139f]"),
    "Devanagari": re.compile(r"[\u0900-\u097f]"),
    "Bengali": re.compile(r"[\u0980-\u09ff]"),
    "Tamil": re.compile(r"[\u0b80-\u0bff]"),
    "Telugu": re.compile(r"[\u0c00-\u0c7f]"),
    "Malayalam": re.compile(r"[\u0d00-\u0d7f]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
    "Burmese": re.compile(r"[\u1000-\u109f]"),
    "Khmer": re.compile(r"[\u1780-\u17ff]"),
    "Hangul": re.compile(r"[\uac00-\ud7af]"),
    "Han": re.compile(r"[\u3400-\u9fff]"),
    "Kana": re.compile(r"[\u3041-\u30ff]"),
}
_LANGUAGE_OF_SCRIPT: Mapping[str, str] = {
    "Greek": "greek",
    "Armenian": "armenian",
    "Ethiopic": "amharic",
    "Bengali": "bengali",
    "Malayalam": "malayalam",
    "Thai": "thai",
    "Burmese": "burmese",
    "Khmer": "khmer",
}


def _words(**languages: str) -> Mapping[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in languages.items()}


_WORDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "Latin": _words(
        czech="a se je na že v ve s z do i by jsem jako byl byla bylo jsou o k pro ale který které "
        "není co aby už tak jejich",
        danish="og i at det er en til af på for med der den de som ikke et har var jeg efter blev",
        dutch="de het een van en in is dat op te zijn met voor die niet aan er om ook als door "
        "naar",
        english="the of and to in a is that it was for on as with he be by at his from are this",
        estonian="ja on ei et ka ta see oli kui mis aga oma selle nii ning mida või kes pole siis",
        finnish="ja on ei että oli se hän mutta joka kun niin myös sen tai ovat ollut mitä jos "
        "kuin",
        french="de la le les et des en un une du est que dans il pour qui au pas sur par plus se",
        german="der die und das in den von zu ist mit des sich nicht ein eine im dem auf als "
        "auch es",
        italian="di e che la il un a è per in una non del con si i della le sono da al dei nel gli",
        norwegian="og i det er en til av på for med som at den de ikke et har var jeg etter ble å",
        polish="i w na się z nie do to że jest o jak po ale od za przez był co dla tym jego są",
        portuguese="de a o que e do da em um para é com não uma os no se na por mais as dos ao foi",
        slovene="in je v na se da so za ki z pa ne s ni bi po tudi kot bil bila od pri sem iz kar",
        spanish="de la que el en y a los se del las un por con no una su para es al lo como más",
        # Of these no model is published, but some of their words are others' too.
        catalan="de la i el que a en un els les per una del amb és al no es va més com van seva",
        croatian="i u je na se da su za od s a o kao koji iz koja što bi nije ili do po te biti",
        hungarian="a az és hogy nem is egy ez volt de meg csak ha már el még azt mint vagy ezt",
        indonesian="yang dan di dengan untuk dari ini itu pada dalam tidak ke adalah akan oleh",
        romanian="de și în a la cu o pe un din că se nu este care mai pentru sunt prin au fost",
        slovak="a v sa na je že s z do o ako to po za pre aj by bol ktoré ktorý boli sú k ale",
        vietnamese="và của là có được cho trong một các những với không này người đã về khi",
        swedish="och i att det som en på är av för med till den har de inte om ett var jag men "
        "från",
        turkish="ve bir bu da de için ile çok olarak daha gibi kadar olan ne o sonra ama her mi "
        "ise",
    ),
    "Cyrillic": _words(
        bulgarian="на и да се в от за с че е не по са при като до които след която но ще със този",
        ukrainian="і в на з що не до та у за це як від по є й для був його про який але або вона",
        russian="и в не на что с он я как это по но из у к за от его было она же был для так все",
    ),
    "Arabic": _words(
        arabic="في من على إلى أن التي الذي هذا كان عن هذه ما لا مع هو قد هي بين كما ذلك بعد",
        persian="و در به از که این را با است برای آن یک خود تا شد می بود شده بر کرد هم نیز",
        urdu="کے کی میں ہے کا اور سے کو ہیں پر نے یہ اس کہ ایک تھا نہیں بھی جو تھی ہو",
    ),
    "Devanagari": _words(
        hindi="के में की है और से का को हैं पर यह इस ने कि एक था लिए भी नहीं जो थे",
        marathi="आहे आणि या व हे ते होते आहेत एक ही होता असे होती तो म्हणून नाही त्या मध्ये केले",
        nepali="र छ को मा का हो यो पनि भने भएको गर्ने छन् थियो एक गरेको लागि हुन् तथा उनले",
    ),
}
