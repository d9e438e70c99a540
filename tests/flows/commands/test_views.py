"""Commands that read a run: what their options repeat is what other modules have."""

from __future__ import annotations

from bertdata.exports.export import FORMATS
from flows.commands.views import _EXPORT_FORMATS


def test_export_has_all_formats() -> None:
    assert tuple(FORMATS) == _EXPORT_FORMATS
