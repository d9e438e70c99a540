"""Lines of vocab.txt: no line changes the id of another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bertdata.tokens.vocabulary_lines import pieces_of_lines, unused_names


def test_a_plain_file_is_unchanged() -> None:
    assert pieces_of_lines("a\n##b\n\u3000\n") == (["a", "##b", "\u3000"], [])


def test_bad_lines_become_unused_pieces_and_are_reported() -> None:
    pieces, notes = pieces_of_lines("a\n\n b\r\na\n[unused0]\n\n")
    assert pieces == ["[unused1]", "[unused2]", "b", "a", "[unused0]"]
    assert notes == [
        "white space around the piece is ignored: line 3",
        "an empty line becomes a piece that occurs in no text: line 2",
        "a repeated piece has the id of its last line: line 1",
    ]


def test_many_lines_are_counted_and_windows_line_ends_are_silent() -> None:
    _, (note,) = pieces_of_lines("\n" * 6 + "a\r\n")
    assert note.endswith("line 1, 2, 3 and 3 more")
    assert pieces_of_lines("a\r\nb\r\n") == (["a", "b"], [])


@given(st.lists(st.text("ab \r", max_size=3)))
def test_ids_are_line_numbers(lines: list[str]) -> None:
    pieces, _ = pieces_of_lines("\n".join(lines))
    assert len(set(pieces)) == len(pieces) <= max(1, len(lines))
    last = {line.strip(" \t\r"): number for number, line in enumerate(lines)}
    for piece, number in last.items():
        if piece:
            assert pieces[number] == piece


def test_unused_names_skip_those_that_are_taken() -> None:
    names = unused_names(["[unused0]", "[unused2]"])
    assert [next(names), next(names)] == ["[unused1]", "[unused3]"]
