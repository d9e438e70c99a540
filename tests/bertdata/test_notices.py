"""Notes and warnings on standard error, recognised in a log."""

from __future__ import annotations

import pytest

from bertdata.notices import is_notice, is_warning, note, warn


def test_notices_go_to_standard_error_and_are_recognised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note("three workers")
    warn("the vocabulary has no capitals")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines == ["note: three workers", "warning: the vocabulary has no capitals"]
    assert all(map(is_notice, lines))
    assert [is_warning(line) for line in lines] == [False, True]
    assert not is_notice("Traceback (most recent call last):")
    assert not is_notice(" note: indented")
