"""Templates, tables and links, in one pass over the brackets.

Nothing recurses and time is linear: braces, brackets and tables are matched on one stack. Text
after a bracket that is never closed is kept, so that a typing error costs no paragraph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from bertdata.corpus.formats.wikipedia.wikitext.marks import (
    GAP,
    JOINT,
    LABEL,
    LABEL_END,
    SEAM,
    protect_apostrophes,
)
from bertdata.corpus.formats.wikipedia.wikitext.namespaces import Namespaces
from bertdata.corpus.formats.wikipedia.wikitext.templates.expansion import is_known, show_template

_BRACKETS = re.compile(r"\{\{++|\}\}++|\[\[|\]\]++|\{\||\|\}(?!\})|\|")
_MAX_INDENT = 16
# MediaWiki's own limit.
_MAX_TEMPLATE_DEPTH = 40

# Most templates and links have nothing inside and are handled fast. A stack handles the rest.
_PLAIN_TEMPLATE = re.compile(r"(?<!\{)\{\{(?!\{)([^{}|]*+)([^{}]*+)\}\}(?!\})")
_PLAIN_LINK = re.compile(r"\[\[(?![\s:#])([^\[\]{}|:\n]++)\]\]")
_LABELLED_LINK = re.compile(r"\[\[[^\[\]{}|:\n]++\|([^\[\]{}|\n]++)\]\]")


def resolve_brackets(text: str, namespaces: Namespaces) -> str:
    """Replace links by their labels, known templates by what they show, and all others by marks."""
    text = _PLAIN_TEMPLATE.sub(_replace_plain_template, text)
    text = _resolve_plain_links(text)
    return _Brackets(namespaces).resolve(text)


def _replace_plain_template(match: re.Match[str]) -> str:
    name, body = match.groups()
    if not is_known(name):
        return GAP
    body = _resolve_plain_links(body)
    if "[[" in body:
        return match[0]  # left to the stack
    return _show(name, body.split("|")[1:])


def _show(name: str, parts: list[str]) -> str:
    shown = show_template(name, parts)
    if shown is None:
        return GAP
    # Most wrap their text in a tag, which separates its apostrophes.
    return f"{JOINT}{shown}{JOINT}" if "'" in shown else shown


def _resolve_plain_links(text: str) -> str:
    text = _PLAIN_LINK.sub(_show_target, text)
    return _LABELLED_LINK.sub(_show_label, text)


def _show_target(match: re.Match[str]) -> str:
    target = match[1]
    return protect_apostrophes(target) if "'" in target else target


def _show_label(match: re.Match[str]) -> str:
    label = match[1]
    return f"{LABEL}{label}{LABEL_END}" if "'" in label else label


@dataclass(slots=True)
class _Frame:
    """An open bracket: "{", "[" or "|" (a table), the start of its output, its pipes.

    `braces`: number of braces opened together.
    """

    kind: str
    start: int
    braces: int = 0
    pipes: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Brackets:
    """The output so far, in pieces, and the open brackets."""

    namespaces: Namespaces
    output: list[str] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    templates: int = 0
    tables: int = 0

    def resolve(self, text: str) -> str:
        position = 0
        for match in _BRACKETS.finditer(text):
            start = match.start()
            if start > position:
                self.output.append(text[position:start])
            position = match.end()
            self._add(match[0], text, start)
        self.output.append(text[position:])
        return "".join(self.output)

    def _add(self, bracket: str, text: str, start: int) -> None:
        if bracket == "[[":
            self.stack.append(_Frame("[", len(self.output)))
        elif bracket.startswith("]]"):
            self._close_links(len(bracket))
        elif bracket.startswith("{{"):
            self.stack.append(_Frame("{", len(self.output), braces=len(bracket)))
            self.templates += 1
        elif bracket.startswith("}}"):
            self._close_templates(len(bracket))
        elif bracket == "{|" and _begins_line(text, start):
            self._open_table()
        elif bracket == "|}" and _begins_line(text, start):
            self._close_table()
        else:
            self._add_pipe(bracket)

    def _add_pipe(self, text: str) -> None:
        if self.stack and (frame := self.stack[-1]).kind != "|":
            frame.pipes.append(len(self.output))
        self.output.append(text)

    def _open_table(self) -> None:
        if self.templates:
            return  # removed with the template
        self.stack.append(_Frame("|", len(self.output)))
        self.tables += 1

    def _close_table(self) -> None:
        if self.templates or not self.tables:
            return
        while (frame := self._pop()).kind != "|":
            pass
        self._replace(frame.start, GAP)

    def _close_templates(self, braces: int) -> None:
        while braces >= 2 and self.templates:
            while self.stack[-1].kind != "{":
                self._pop()
            frame = self.stack[-1]
            taken = min(braces, frame.braces, 3)
            self._replace(frame.start, self._show_template(frame) if taken == 2 else GAP)
            braces -= taken
            frame.braces -= taken
            frame.pipes.clear()
            if frame.braces < 2:
                self._pop()

    def _show_template(self, frame: _Frame) -> str:
        """What a template shows. Its arguments are clean, and its name is one piece of output."""
        ends = [*frame.pipes, len(self.output)]
        name = self.output[frame.start] if ends[0] == frame.start + 1 else ""
        if self.templates > _MAX_TEMPLATE_DEPTH or not is_known(name):
            return GAP
        return _show(name, ["".join(self.output[a + 1 : b]) for a, b in pairwise(ends)])

    def _replace(self, start: int, text: str) -> None:
        """Replace the output from `start` on."""
        del self.output[start:]
        self.output.append(text)

    def _pop(self) -> _Frame:
        frame = self.stack.pop()
        self.templates -= frame.kind == "{"
        self.tables -= frame.kind == "|"
        return frame

    def _close_links(self, brackets: int) -> None:
        if brackets % 2:
            self.output.append("]")  # ends [http://… label]]]
        for _ in range(brackets // 2):
            self._close_link()

    def _close_link(self) -> None:
        if not self.stack or self.stack[-1].kind != "[":
            return
        frame = self._pop()
        target = self.output[frame.start] if frame.start < len(self.output) else ""
        if self.namespaces.is_file(target):
            self._replace(frame.start, GAP)
        elif self.namespaces.is_aside(target):
            self._replace(frame.start, SEAM)
        elif frame.pipes and frame.pipes[-1] + 1 < len(self.output):
            self._keep_label(frame.start, frame.pipes[-1])
        else:
            self._keep_target(frame)

    def _keep_label(self, start: int, pipe: int) -> None:
        self.output[pipe] = LABEL
        self.output.append(LABEL_END)
        _drop(self.output, start, pipe)

    def _keep_target(self, frame: _Frame) -> None:
        output, start = self.output, frame.start
        if start >= len(output):
            return
        target = output[start]
        if frame.pipes:
            del output[frame.pipes[-1] :]
            target = target.partition("(")[0].rstrip()  # [[A (b)|]]: the wiki makes the label
        if start < len(output):
            output[start] = protect_apostrophes(target.lstrip(" :").lstrip("#"))


def _drop(output: list[str], start: int, stop: int) -> None:
    """Empty output[start:stop]; costs as much as the shorter of it and the rest."""
    if len(output) - stop < stop - start:
        del output[start:stop]
    else:
        output[start:stop] = [""] * (stop - start)


def _begins_line(text: str, position: int) -> bool:
    """Whether only an indent is before this on its line."""
    start = max(0, position - _MAX_INDENT)
    line = text[start:position].rpartition("\n")
    return not line[2].strip(" \t:") and (bool(line[1]) or start == 0)
