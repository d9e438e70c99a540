"""The tokenizer of a Hugging Face folder, with the same ids as `AutoTokenizer`.

As in `transformers`, the pieces are those of tokenizer.json, or of vocab.txt if that is missing,
and a BERT tokenizer cleans text as tokenizer_config.json says. Padding and truncation settings of
tokenizer.json are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from bertdata.errors import VocabularyError
from bertdata.storage.foreign import with_way_out
from bertdata.storage.locations import Location, locate
from bertdata.storage.shards import first_line
from bertdata.tokens.letter_case import is_cased
from bertdata.tokens.tokenizer import (
    TokenizationConfig,
    build_normalizer,
    build_tokenizer,
    load_tokenizer,
)
from bertdata.tokens.tokenizer_settings import (
    SETTINGS_NAME,
    TOKENIZER_NAME,
    VOCABULARY_NAME,
    TokenizerSettings,
    read_settings,
)
from bertdata.tokens.vocabulary import (
    CONTINUATION_PREFIX,
    SPECIAL_PIECES,
    read_vocabulary,
    vocabulary_file,
)


@dataclass(frozen=True, kw_only=True)
class FolderTokenizer:
    """A tokenizer and the settings in its folder.

    `tokenizer`: without padding and truncation. `tokenization`: how it cleans text; None if it does
    not follow BERT's rules.
    """

    folder: Location
    tokenizer: Tokenizer
    settings: TokenizerSettings
    tokenization: TokenizationConfig | None

    @property
    def size(self) -> int:
        """The number of embeddings that its ids need."""
        return 1 + max(self.tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)

    def special_id(self, usual_name: str) -> int:
        """The id of a special piece by its usual name, such as "[CLS]". Raises VocabularyError."""
        name = self.special_name(usual_name)
        id_: int | None = self.tokenizer.token_to_id(name)
        if id_ is None:
            raise VocabularyError(
                f"the tokenizer of {self.folder} lacks the special piece {name}; "
                f"name the one that it has in {SETTINGS_NAME}"
            )
        return id_

    def special_name(self, usual_name: str) -> str:
        """The folder's name of a special piece."""
        return self.settings.special_pieces[SPECIAL_PIECES.index(usual_name)]

    @cached_property
    def pieces(self) -> dict[int, str]:
        """The piece of each id that has one."""
        return {id_: piece for piece, id_ in self.tokenizer.get_vocab().items()}

    def added_words(self) -> list[str]:
        """Pieces added to be found anywhere in a text, without special pieces."""
        added = self.tokenizer.get_added_tokens_decoder().values()
        return [piece.content for piece in added if not piece.special]

    def warnings(self) -> list[str]:
        """Probable mistakes that transformers silently accepts, one sentence each."""
        if self.tokenization is None or not self.tokenization.lowercase:
            return []
        if not is_cased(self.pieces.values()):
            return []
        said = "says" if self.settings.lowercase is not None else "does not say otherwise"
        return [
            f"{self.folder} has pieces with capital letters, but its text is lower-cased, as "
            f'{SETTINGS_NAME} {said}; if the model is a cased one, write "do_lower_case": false '
            "there"
        ]


def read_tokenizer(folder: str | Location) -> FolderTokenizer:
    """The tokenizer of a folder, a path or an address.

    Raises VocabularyError when it has none that can be used.
    """
    folder = locate(folder)
    settings = read_settings(folder)
    if vocabulary_file(folder).name == TOKENIZER_NAME:
        tokenizer = _read_tokenizer_json(folder / TOKENIZER_NAME)
    else:
        tokenizer = _from_vocabulary(folder, settings)
    if settings.is_bert:
        tokenizer.normalizer = build_normalizer(_by_settings(settings))
    names = (*settings.special_pieces, *settings.further_special_pieces)
    tokenizer.add_special_tokens([n for n in names if tokenizer.token_to_id(n) is not None])
    tokenizer.encode_special_tokens = settings.splits_special_pieces
    return FolderTokenizer(
        folder=folder,
        tokenizer=tokenizer,
        settings=settings,
        tokenization=_tokenization(tokenizer),
    )


def _read_tokenizer_json(path: Location) -> Tokenizer:
    try:
        tokenizer = load_tokenizer(path)
    except Exception as error:  # tokenizers raises plain Exception
        raise VocabularyError(
            f"{path} is not a tokenizer: {with_way_out(first_line(error))}"
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _from_vocabulary(folder: Location, settings: TokenizerSettings) -> Tokenizer:
    if not settings.is_bert:
        raise VocabularyError(
            f"{folder} needs the tokenizer {settings.tokenizer_class}, which is not one of BERT's; "
            f"save it as {TOKENIZER_NAME} with transformers and put that file there"
        )
    vocabulary = read_vocabulary(folder / VOCABULARY_NAME)
    tokenizer = build_tokenizer(vocabulary, _by_settings(settings))
    tokenizer.add_tokens([piece for _, piece in sorted(settings.added_pieces.items())])
    return tokenizer


def _by_settings(settings: TokenizerSettings) -> TokenizationConfig:
    return TokenizationConfig(
        lowercase=settings.lowercase is not False,
        strip_accents=settings.strip_accents,
        split_chinese_characters=settings.split_chinese_characters,
    )


def _tokenization(tokenizer: Tokenizer) -> TokenizationConfig | None:
    """How a tokenizer cleans text; None if TokenizationConfig cannot express it."""
    normalizer, model = tokenizer.normalizer, tokenizer.model
    if not (
        isinstance(normalizer, normalizers.BertNormalizer)
        and normalizer.clean_text
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and isinstance(model, models.WordPiece)
        and model.continuing_subword_prefix == CONTINUATION_PREFIX
    ):
        return None
    return TokenizationConfig(
        lowercase=normalizer.lowercase,
        strip_accents=normalizer.strip_accents,
        split_chinese_characters=normalizer.handle_chinese_chars,
        max_word_characters=model.max_input_chars_per_word,
    )
