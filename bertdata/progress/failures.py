"""Errors of bertdata's own that were made text on their way between processes."""

from __future__ import annotations

import re

from bertdata import errors
from bertdata.errors import BertdataError

_STEP_IN_TEXT = re.compile(r" \[while running .*$")
_ERROR_IN_TEXT = re.compile(
    r"^(?:\w+: )*bertdata\.errors\.(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE
)


def error_named(name: str, message: str) -> BertdataError:
    """An error of bertdata by the name of its class."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, BertdataError):
        return kind(message)
    return BertdataError(message)


def find_error(raised: Exception) -> BertdataError | None:
    """The error of bertdata's own that a Beam runner raised, or whose traceback it made a text."""
    if isinstance(raised, BertdataError):
        return type(raised)(_STEP_IN_TEXT.sub("", str(raised)))
    found = _ERROR_IN_TEXT.findall(str(raised))
    return error_named(*found[-1]) if found else None
