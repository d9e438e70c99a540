"""The language of a text, by scripts and frequent words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertdata.sentences.splitter import LANGUAGES, RULE_LANGUAGES
from flows.guess import languages
from flows.guess.languages import guess_language

TEXTS = {
    "english": "The river was old and it ran to the sea, as it has for a thousand years.",
    "german": "Der Fluss ist alt und die Stadt auch, aber das Haus von Anna ist nicht so alt.",
    "french": "La rivière est vieille et elle va vers la mer, comme elle le fait depuis mille ans.",
    "spanish": "El río es viejo y va hacia el mar, como lo hace desde los mil años",
    "italian": "Il fiume è vecchio e va verso il mare, come fa da mille anni, e non si ferma.",
    "portuguese": "O rio é velho e vai para o mar, como faz há mil anos, e a cidade não é nova.",
    "dutch": "De rivier is oud en gaat naar de zee, zoals het al duizend jaar van de stad is.",
    "swedish": "Floden är gammal och den går till havet, som den har gjort i tusen år.",
    "danish": "Floden er gammel og den løber ud i havet, som den har gjort det af sig selv.",
    "norwegian": "Elva er gammel og den renner ut i havet, som den har gjort det av seg selv.",
    "finnish": "Joki on vanha ja se virtaa mereen, kuten se on tehnyt tuhat vuotta, mutta ei enää.",
    "estonian": "Jõgi on vana ja see voolab merre, nii kui ta on seda teinud, aga mitte enam siis.",
    "polish": "Rzeka jest stara i płynie do morza, jak to robi od tysiąca lat, ale nie jest sama.",
    "czech": "Řeka je stará a teče do moře, jak to dělá tisíc let, ale není to vše, co je v zemi.",
    "slovene": "Reka je stara in teče v morje, kot je to počela tisoč let, pa se ni ustavila tu.",
    "turkish": "Nehir eski ve denize akar, bin yıl için bu böyle oldu, ama bir gün daha.",
    "russian": "Река старая, и она течёт в море, как это было тысячу лет, но не для всех это так.",
    "greek": "Το ποτάμι είναι παλιό και πηγαίνει στη θάλασσα.",
    "malayalam": "നദി പഴയതാണ്, അത് കടലിലേക്ക് ഒഴുകുന്നു.",
    "chinese": "河流很古老，它流入大海，一千年来一直如此，城市就在河边的山下。",
    "japanese": "川は古く、千年の間そうであったように海へ流れています。町は山の下にあります。",
    "thai": "แม่น้ำเก่าแก่และไหลลงสู่ทะเลมาเป็นเวลาพันปี",
    "hindi": "नदी पुरानी है और यह समुद्र में बहती है, जैसा कि हजार साल से है।",
    "marathi": "नदी जुनी आहे आणि ती समुद्रात वाहते, असे हजार वर्षे होते आहे.",
    "nepali": "नदी पुरानो छ र यो समुद्रमा बग्छ, हजार वर्ष देखि यो भएको छ।",
    "bengali": "নদীটি পুরানো এবং এটি সমুদ্রে প্রবাহিত হয়।",
    "arabic": "النهر قديم وهو يجري إلى البحر كما كان منذ ألف عام في هذه المدينة من الجبال.",
    "persian": "رودخانه قدیمی است و به دریا می ریزد، که هزار سال این را از کوه می آورد.",
    "urdu": "دریا پرانا ہے اور یہ سمندر میں بہتا ہے، جو ہزار سال سے اس شہر کے پاس تھا۔",
    "armenian": "Գետը հին է և այն հոսում է դեպի ծով։",
    "amharic": "ወንዙ አሮጌ ነው እናም ወደ ባሕር ይፈስሳል።",
    "khmer": "ទន្លេនេះចាស់ ហើយវាហូរទៅសមុទ្រ។",
    "burmese": "မြစ်သည် ရှေးကျပြီး ပင်လယ်သို့ စီးဆင်းသည်။",
    "train": "Abu blorp zin katoo, vrek moosh talam ik Zorn; plen drisk ogmar fuu telk wroom.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_each_language_is_found(language: str) -> None:
    assert guess_language([TEXTS[language]]).name == language


def test_every_language_of_the_splitter_can_be_found() -> None:
    assert set(TEXTS) == {*LANGUAGES, *RULE_LANGUAGES, "train"}
    by_words = {name for some in languages._WORDS.values() for name in some}
    others = {*languages._LANGUAGE_OF_SCRIPT.values(), "chinese", "japanese"}
    assert by_words | others > {*LANGUAGES, *RULE_LANGUAGES}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("Hungarian", "A folyó régi és a tenger felé folyik, ahogy azt ezer éve teszi."),
        ("Romanian", "Râul este vechi și curge în mare, de o mie de ani, pentru că nu se oprește."),
        (
            "Ukrainian",
            "Річка стара, і вона тече до моря, як це було тисячу років, але не для всіх.",
        ),
    ],
)
def test_a_language_without_a_model_trains_one(language: str, text: str) -> None:
    found = guess_language([text])
    assert found.name == "train"
    assert found.reason.endswith(f"words of {language}, for which no model is published")


@pytest.mark.parametrize("text", ["", "12345 67890 12345 67890 12345", "Hi."])
def test_too_little_text_is_english(text: str) -> None:
    found = guess_language([text])
    assert (found.name, found.score) == ("english", 0)
    assert "too little" in found.reason


@pytest.mark.parametrize(
    "text", ["강은 오래되었고 천 년 동안 그랬듯이 바다로 흐릅니다. 도시는 산 아래에 있다."]
)
def test_a_script_without_a_model_trains_one(text: str) -> None:
    assert guess_language([text]).name == "train"


def test_real_sentences_of_six_languages() -> None:
    path = Path(__file__).parents[2] / "fixtures" / "texts" / "six_languages.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for language in {record["language"] for record in records}:
        some = [record["text"] for record in records if record["language"] == language]
        assert guess_language(some).name == ("train" if language == "korean" else language)
