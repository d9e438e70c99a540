"""`python -m tests.benchmarks.wikitext DUMP.xml`: dump to prose, beside WikiExtractor.

CPU seconds of whole processes in turn, the least of several; then what is left over in the text
and which paragraphs are gone. WikiExtractor runs where its module is found, in this interpreter or
in the one that `--wikiextractor` names.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from bertdata.corpus.compression import read_blocks
from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.documents import Document
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.formats.wikipedia.pages import iter_pages
from bertdata.corpus.units import plan_units
from tests.benchmarks.measure import cost_of_children
from tests.benchmarks.tables import Row, Table, megabytes, to_text

LEFTOVERS = {
    "[[": re.compile(r"\[\[|\]\]"),
    "{{": re.compile(r"\{\{|\}\}"),
    "|": re.compile(r"\|"),
    "px": re.compile(r"\b\d+\s?px\b"),
    "thumb": re.compile(r"\bthumb(?:nail)?\b(?!\w)"),
    "( )": re.compile(r"\(\s*\)|\(\s*[,;]|[,;]\s*\)"),
    "tags": re.compile(r"</?(?:ref|br|div|span|sub|sup|small|gallery|nowiki|math)\b"),
    "''": re.compile(r"''"),
}
_PLAIN_RUN = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){5,}")
_NOT_PROSE = re.compile(r"\{\{[^{}]*\}\}|<ref[^<>]*/>|<ref.*?</ref>|<!--.*?-->", re.DOTALL)
_LEAST_CHARACTERS = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.wikitext")
    parser.add_argument("dump", type=Path, help="a MediaWiki dump, compressed or not")
    parser.add_argument("--wikiextractor", default=sys.executable, help="a Python that has it")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--copies", type=int, default=5, help="of each page, where time is taken")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump.xml"
        dump.write_bytes(b"".join(read_blocks(options.dump)))
        long_dump = repeat_pages(dump, options.copies)
        print(to_text(compare(dump, long_dump, options.wikiextractor, options.repeats)))
    return 0


def repeat_pages(dump: Path, copies: int) -> Path:
    """A dump with all pages several times, so that programs' start counts for little."""
    head, tag, pages = dump.read_bytes().partition(b"<page>")
    pages, end, _ = (tag + pages).rpartition(b"</page>")
    path = dump.with_name("long.xml")
    path.write_bytes(head + (pages + end) * copies + b"</mediawiki>")
    return path


def compare(dump: Path, long_dump: Path, wikiextractor: str, repeats: int) -> Table:
    """Both programs: their texts of one dump, their time for a longer one; none compressed."""
    runs: dict[str, Callable[[Path], str]] = {"bertdata": run_bertdata}
    if has_wikiextractor(wikiextractor):
        runs["wikiextractor"] = partial(run_wikiextractor, python=wikiextractor)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    texts = {name: run(dump) for name, run in runs.items()}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(cost_of_children(partial(run, long_dump))[1].cpu_seconds)
    paragraphs = find_paragraphs(dump)
    rows = [
        _row(name, texts[name], min(seconds[name]), long_dump.stat().st_size, paragraphs)
        for name in runs
    ]
    return Table(
        title="Wikitext to prose",
        rows=tuple(rows),
        note=(
            f"MB/s: of XML, by CPU seconds of the whole process. lost: of {len(paragraphs):,} "
            "paragraphs, those whose longest run of plain words is not in the text."
        ),
    )


def run_bertdata(dump: Path) -> str:
    """The text of all articles, from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.wikitext_reader", str(dump)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run_wikiextractor(dump: Path, python: str) -> str:
    """The same from WikiExtractor, with one process and templates out."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--processes", "1", "--no-templates", "--quiet", "--output", folder]
        command = [python, "-m", "wikiextractor.WikiExtractor", *flags, str(dump)]
        subprocess.run(command, check=True, capture_output=True)
        files = sorted(Path(folder).rglob("wiki_*"))
        return "\n".join(file.read_text(encoding="utf-8") for file in files)


def has_wikiextractor(python: str) -> bool:
    """Whether that interpreter can import WikiExtractor."""
    command = [python, "-c", "import wikiextractor"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def count_leftovers(text: str) -> dict[str, int]:
    """How often each kind of markup is still there."""
    return {name: len(pattern.findall(text)) for name, pattern in LEFTOVERS.items()}


def find_paragraphs(dump: Path) -> list[str]:
    """The longest run of plain words of each long line of prose: no cleaner may change it."""
    found = []
    for page in iter_pages(read_blocks(dump), 0, has_head=True):
        element = ElementTree.fromstring(page.data)
        wikitext = element.findtext("revision/text") or ""
        if element.findtext("ns") != "0" or element.find("redirect") is not None:
            continue
        lines = _NOT_PROSE.sub("", wikitext).split("\n")
        runs = [_PLAIN_RUN.findall(line) for line in lines if _is_paragraph(line)]
        found += [max(line, key=len) for line in runs if line]
    return found


def _is_paragraph(line: str) -> bool:
    is_file = line.startswith(("[[File:", "[[Image:"))
    return (
        len(line) >= _LEAST_CHARACTERS and (line[0].isalpha() or line[0] in "'[\"") and not is_file
    )


def read_articles(dump: Path) -> list[str]:
    """The texts of the articles of a dump, as a run reads them."""
    corpus = CorpusConfig(name="wiki", format="wikipedia-xml", paths=(str(dump),))
    units = plan_units(corpus, list_inputs(corpus, dump.parent), 1 << 40)
    items = (item for unit in units for item in read_unit(unit))
    return [item.text for item in items if isinstance(item, Document)]


def _row(name: str, text: str, seconds: float, size: int, paragraphs: list[str]) -> Row:
    return {
        "program": name,
        "CPU s": seconds,
        "MB/s": megabytes(size) / seconds,
        "MB of text": megabytes(len(text.encode())),
        **count_leftovers(text),
        "lost": sum(paragraph not in text for paragraph in paragraphs),
    }


if __name__ == "__main__":
    raise SystemExit(main())
