"""Wikitext to prose: what a reader of the page would read aloud, headings and paragraphs kept.

Out go comments, templates, tables, references, files, categories, language links, mathematics,
code blocks and HTML tags; links become their labels. What is taken out leaves a mark, so that
brackets and separators left over from it, as in `(; , Akhilleus, )`, can be told from the author's
own. Time is linear and nothing recurses: braces, brackets and tables are matched on one stack, and
what is never closed stays as text, so that a slip of the keyboard costs no paragraph.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# Stands where something was taken out. XML has no such character, so no page has.
_HOLE = "\x02"

_FILE_NAMES = ("file", "image", "media")
_CATEGORY_NAMES = ("category",)
_MEDIA_FILE = re.compile(
    r"\.(?:jpe?g|png|svg|gif|webp|tiff?|xcf|djvu|pdf|stl|midi?|og[agv]|opus|mp3|flac|wav|webm|mpe?g)"
    r"\s*$",
    re.IGNORECASE,
)
# Two or three letters, or the long codes: [[de:Seite]] links the page to its translation.
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,}){0,2}|simple|be-x-old")
_NOT_LANGUAGES = frozenset(("doi", "rfc", "pmid", "mw", "irc", "hdl", "oai"))

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NOWIKI = re.compile(r"<nowiki\s*+>(.*?)(?:</nowiki\s*+>|\Z)", re.DOTALL | re.IGNORECASE)
# Elements whose content is no prose.
_REMOVED_ELEMENTS = (
    "ref|references|math|chem|ce|gallery|timeline|score|syntaxhighlight|source|pre|table|imagemap|"
    "hiero|graph|mapframe|maplink|inputbox|templatestyles|templatedata|includeonly|style|script|"
    "categorytree|indicator|section|charinsert|ruby"
)
_ELEMENT_TAG = re.compile(rf"<(/?)({_REMOVED_ELEMENTS})(?=[\s/>])([^<>]*+)>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)(?:[\s/][^<>]*+)?+>")
_BLOCK_TAGS = frozenset(
    [
        "p",
        "div",
        "blockquote",
        "li",
        "ul",
        "ol",
        "dl",
        "dd",
        "dt",
        "center",
        "poem",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ]
)

_BRACKETS = re.compile(r"\{\{++|\}\}++|\[\[|\]\]++|\{\||\|\}(?!\})|\|")
_LONGEST_INDENT = 16
_EXTERNAL = re.compile(r"\[(?:[a-zA-Z]{3,9}:)?//[^\s\[\]]*+[ \t]*+([^\[\]\n]*+)\]")
_VARIANT = re.compile(r"-\{([^{}]*+)\}-")
_QUOTES = re.compile(r"'''''|'''|''")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# __NOTOC__ and its like in any language; __init__ stays.
_MAGIC_WORD = re.compile(r"__(?:(?!__)[^\W\da-z]){2,40}__")

_LIST_MARK = re.compile(r"[*#:;]++[ \t]*+")
_WORD = re.compile(r"\w")

# The bulk, quickly: templates and links with nothing inside. The rest is matched on a stack.
_PLAIN_TEMPLATE = re.compile(r"(?<!\{)\{\{(?!\{)[^{}]*+\}\}(?!\})")
_PLAIN_LINK = re.compile(r"\[\[(?![\s:#])([^\[\]{}|:\n]++)\]\]")
_LABELLED_LINK = re.compile(r"\[\[[^\[\]{}|:\n]++\|([^\[\]{}|\n]++)\]\]")
# Templates that only dress prose: {{lang|el|text}}, {{lang-el|text}}, {{nowrap|text}}.
_PROSE_TEMPLATE = re.compile(
    r"\{\{[ ]?(?:lang(?=[|-])(?:-[a-z-]++)?|transl(?:iteration)?|nowrap|nobr)[ ]?"
    r"(?:\|[^{}|=]*+)*?\|([^{}|=]++)(?:\|[a-z]++=[^{}|]*+)*+\}\}",
    re.IGNORECASE,
)
_CONVERT = re.compile(
    r"\{\{(?:convert|cvt)\|([^{}|=]++)\|([^{}|=]++)(?:\|[^{}]*+)?\}\}", re.IGNORECASE
)

_SEPARATORS = " \t\n,;:、，；："
_OPENING, _CLOSING = ("(", "（"), (")", "）")
_STOPS = (",", ".", ";", ")", "]", "，", "。", "；", "、", "）")


@dataclass(frozen=True, kw_only=True, slots=True)
class Namespaces:
    """The names, in lower case, that a wiki gives to the namespaces whose links are no prose.

    English names hold on every wiki.
    """

    files: frozenset[str] = frozenset(_FILE_NAMES)
    categories: frozenset[str] = frozenset(_CATEGORY_NAMES)


def make_namespaces(names: Iterable[tuple[int, str]]) -> Namespaces:
    """From the (key, name) pairs of a dump's <siteinfo>."""
    known = [(key, name.strip().lower().replace("_", " ")) for key, name in names if name]
    files = {name for key, name in known if key in (-2, 6)}
    categories = {name for key, name in known if key == 14}
    return Namespaces(
        files=frozenset(files.union(_FILE_NAMES)),
        categories=frozenset(categories.union(_CATEGORY_NAMES)),
    )


def clean_wikitext(wikitext: str, namespaces: Namespaces | None = None) -> str:
    """The prose of a page; blank lines between paragraphs, headings and list items.

    A heading without prose below it, such as that of a list of references, is left out.

    clean_wikitext("'''A''' is [[letter|the first]].{{cite}}") -> "A is the first."
    """
    text = wikitext.replace(_HOLE, "")
    text = _COMMENT.sub("", text)
    text = _NOWIKI.sub(_protect, text)
    text = _remove_elements(text)
    if "-{" in text:
        text = _VARIANT.sub(_choose_variant, text)
    text = _resolve_plain(text)
    text = _Brackets(namespaces or Namespaces()).resolve(text)
    text = _EXTERNAL.sub(_label_of_external, text)
    text = _TAG.sub(_replace_tag, text)
    text = _QUOTES.sub("", text)
    text = _MAGIC_WORD.sub("", text)
    text = _ENTITY.sub(_unescape, text)
    text = _tidy_holes(text)
    return "\n\n".join(_drop_empty_sections(_paragraphs(text))).translate(_UNPROTECT)


# nowiki: characters that mean something become private ones until the end.
_PROTECTED = "[]{}|'=<>*#:;&_"
_PROTECT = {ord(char): 0xF0000 + number for number, char in enumerate(_PROTECTED)}
_UNPROTECT = {code: chr(char) for char, code in _PROTECT.items()}


def _protect(match: re.Match[str]) -> str:
    return match[1].translate(_PROTECT)


def _unescape(match: re.Match[str]) -> str:
    char = html.unescape(match[0])
    return " " if char == "\xa0" else char.translate(_PROTECT)


def _remove_elements(text: str) -> str:
    """Without the elements that hold no prose; a tag that is never closed goes alone."""
    found = _ELEMENT_TAG.finditer(text)
    # </ref name=x> ends nothing, for MediaWiki neither.
    tags = [tag for tag in found if not (tag[1] and tag[3].strip(" \t\n/"))]
    if not tags:
        return text
    last_close = {tag[2].lower(): tag.start() for tag in tags if tag[1]}
    kept: list[str] = []
    position, inside, depth = 0, "", 0
    for tag in tags:
        name, is_close = tag[2].lower(), bool(tag[1])
        if inside:
            if name == inside and not tag[3].endswith("/"):
                depth += -1 if is_close else name == "table"
            if depth == 0:
                inside, position = "", tag.end()
            continue
        kept += (text[position : tag.start()], _HOLE)
        position = tag.end()
        is_empty = is_close or tag[3].endswith("/")
        if not is_empty and last_close.get(name, -1) > tag.start():
            inside, depth = name, 1
    if not inside:
        kept.append(text[position:])
    return "".join(kept)


def _resolve_plain(text: str) -> str:
    text = _PROSE_TEMPLATE.sub(r"\1", text)
    text = _CONVERT.sub(r"\1 \2", text)
    text = _PLAIN_TEMPLATE.sub(_HOLE, text)
    text = _PLAIN_LINK.sub(r"\1", text)
    return _LABELLED_LINK.sub(r"\1", text)


@dataclass(slots=True)
class _Frame:
    """Something opened: "{", "[" or "|" (a table), where its output starts, its last pipe.

    `braces`: how many were opened together.
    """

    kind: str
    start: int
    braces: int = 0
    last_pipe: int = -1


@dataclass(slots=True)
class _Brackets:
    """Takes out templates and tables and puts labels for links, in one pass over the brackets."""

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
        if self.stack and (frame := self.stack[-1]).kind == "[":
            frame.last_pipe = len(self.output)
        self.output.append(text)

    def _open_table(self) -> None:
        if self.templates:
            return  # goes with the template
        self.stack.append(_Frame("|", len(self.output)))
        self.tables += 1

    def _close_table(self) -> None:
        if self.templates or not self.tables:
            return
        self._drop_to("|")

    def _close_templates(self, braces: int) -> None:
        while braces >= 2 and self.templates:
            while self.stack[-1].kind != "{":
                self._pop()
            frame = self.stack[-1]
            taken = min(braces, frame.braces, 3)
            del self.output[frame.start :]
            self.output.append(_HOLE)
            braces -= taken
            frame.braces -= taken
            if frame.braces < 2:
                self._pop()

    def _drop_to(self, kind: str) -> None:
        while (frame := self._pop()).kind != kind:
            pass
        del self.output[frame.start :]
        self.output.append(_HOLE)

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
        output, start = self.output, frame.start
        target = output[start] if start < len(output) else ""
        if self._is_no_prose(target):
            del output[start:]
            output.append(_HOLE)
            return
        if frame.last_pipe >= 0:
            if frame.last_pipe + 1 < len(output):
                _drop(output, start, frame.last_pipe + 1)
                return
            del output[frame.last_pipe :]
            target = target.partition("(")[0].rstrip()  # the label is left to the wiki
        if start < len(output):
            output[start] = target.lstrip(" :").lstrip("#")

    def _is_no_prose(self, target: str) -> bool:
        """Whether a link to this place shows a file, or stands for something beside the page."""
        prefix, colon, rest = target.partition(":")
        if not colon or not (name := prefix.strip()):
            return False
        lower = name.lower().replace("_", " ")
        if lower in self.namespaces.files or lower in self.namespaces.categories:
            return True
        if _MEDIA_FILE.search(rest):
            return True
        return bool(_LANGUAGE.fullmatch(name)) and name not in _NOT_LANGUAGES


def _drop(output: list[str], start: int, stop: int) -> None:
    """Empty output[start:stop], at the cost of the shorter of it and what follows."""
    if len(output) - stop < stop - start:
        del output[start:stop]
    else:
        output[start:stop] = [""] * (stop - start)


def _begins_line(text: str, position: int) -> bool:
    """Whether nothing but an indent stands before this on its line."""
    start = max(0, position - _LONGEST_INDENT)
    line = text[start:position].rpartition("\n")
    return not line[2].strip(" \t:") and (bool(line[1]) or start == 0)


def _choose_variant(match: re.Match[str]) -> str:
    """Of -{zh-hans:A; zh-hant:B}- the first."""
    content = match[1].rpartition("|")[2]
    first = content.partition(";")[0]
    code, colon, text = first.partition(":")
    return text if colon and re.fullmatch(r"\s*[a-z]{2,3}(?:-[a-z]+)?\s*", code) else content


def _label_of_external(match: re.Match[str]) -> str:
    return match[1] or _HOLE


def _replace_tag(match: re.Match[str]) -> str:
    name = match[2].lower()
    if name == "br":
        return "\n"
    return "\n\n" if name in _BLOCK_TAGS else ""


def _tidy_holes(text: str) -> str:
    """Close the holes, with the brackets and separators that stood around what is gone."""
    first, *rest = text.split(_HOLE)
    pieces = [first]
    for piece in rest:
        if not piece:
            continue  # two holes side by side are one
        left, right = _join(pieces[-1], piece)
        pieces[-1] = left
        if not right:
            continue
        if left:
            pieces.append(right)
        else:
            pieces[-1] = right
    return "".join(pieces)


def _join(left: str, right: str) -> tuple[str, str]:
    """What stands on both sides of a hole, as it should read without it."""
    before, after = left.rstrip(" \t"), right.lstrip(" \t")
    if before.endswith(_OPENING):
        after = right.lstrip(_SEPARATORS)
        if not after.startswith(_CLOSING):
            return before, after
        before, after = before[:-1], after[1:]
        return (before.rstrip(" \t") if after.startswith(_STOPS) else before), after
    beyond = after.lstrip(_SEPARATORS)
    if beyond.startswith(_CLOSING):
        return before.rstrip(_SEPARATORS), beyond
    if after.startswith(_STOPS):
        return (before[:-1] if before.endswith((",", ";", "，", "；")) else before), after
    if len(before) < len(left) and len(after) < len(right):
        return left, after
    return left, right


@dataclass(frozen=True, slots=True)
class _Paragraph:
    text: str
    level: int = 0  # of a heading, 1 to 6


def _paragraphs(text: str) -> Iterator[_Paragraph]:
    """Headings, list items and runs of other lines."""
    lines: list[str] = []
    for line in text.split("\n"):
        line = " ".join(line.split())
        is_item = bool(line) and line[0] in "*#:;"
        heading = _read_heading(line)
        if (not line or is_item or heading) and lines:
            yield _Paragraph("\n".join(lines))
            lines = []
        if heading:
            yield heading
        elif not line or line.startswith(("|", "----")) or not _WORD.search(line):
            continue
        elif is_item:
            yield _Paragraph(_LIST_MARK.sub("", line, count=1))
        else:
            lines.append(line)
    if lines:
        yield _Paragraph("\n".join(lines))


def _read_heading(line: str) -> _Paragraph | None:
    """Of "== A ==" the text and level 2; None when a line is no heading."""
    title = line.strip("= ")
    if not (title and line.startswith("=") and line.endswith("=")):
        return None
    before, after = len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("="))
    return _Paragraph(title, min(before, after, 6))


def _drop_empty_sections(paragraphs: Iterable[_Paragraph]) -> Iterator[str]:
    """The texts without headings that no prose follows before one of their level or above."""
    waiting: list[_Paragraph] = []
    for paragraph in paragraphs:
        if paragraph.level:
            while waiting and waiting[-1].level >= paragraph.level:
                waiting.pop()
            waiting.append(paragraph)
        else:
            yield from (heading.text for heading in waiting)
            waiting.clear()
            yield paragraph.text
