"""The lines of a vocab.txt as pieces: the number of a line, from 0, is the id of its piece.

A bad line must not change the ids of other lines, because a model's embeddings are in this order.
So a line that cannot be a piece becomes a piece that occurs in no text, "[unusedN]".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

# Other white space, such as U+2028 or U+3000, may be a piece.
_BLANKS = " \t\r"


def pieces_of_lines(text: str) -> tuple[list[str], list[str]]:
    """The pieces by id, and the changes made: one sentence per kind of change.

    White space around a piece is removed, as in the original. If a piece occurs twice, its last
    line counts, as in the original and in `tokenizers`. Empty lines at the end are ignored.
    """
    lines = text.split("\n")
    pieces = [line.strip(_BLANKS) for line in lines]
    while pieces and not pieces[-1]:
        pieces.pop()
    last = {piece: id_ for id_, piece in enumerate(pieces)}
    empty = [id_ for id_, piece in enumerate(pieces) if not piece]
    repeated = [id_ for id_, piece in enumerate(pieces) if piece and last[piece] != id_]
    padded = [i for i, piece in enumerate(pieces) if piece and piece != lines[i].rstrip("\r")]
    unused = unused_names(pieces)
    for id_ in sorted([*empty, *repeated]):
        pieces[id_] = next(unused)
    notes = [
        *_note("white space around the piece is ignored", padded),
        *_note("an empty line becomes a piece that occurs in no text", empty),
        *_note("a repeated piece has the id of its last line", repeated),
    ]
    return pieces, notes


def unused_names(pieces: Sequence[str]) -> Iterator[str]:
    """[unused0], [unused1], … without those that are already pieces."""
    taken = set(pieces)
    names = (f"[unused{number}]" for number in itertools.count())
    return (name for name in names if name not in taken)


def _note(what: str, ids: Sequence[int]) -> list[str]:
    """ "…: line 3, 7 and 12 more", or nothing if there is no such line."""
    if not ids:
        return []
    shown = ", ".join(str(id_ + 1) for id_ in ids[:3])
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return [f"{what}: line {shown}{more}"]
