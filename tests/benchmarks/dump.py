"""A dump of gigabytes through the whole job: `python -m tests.benchmarks.dump DUMP.xml.bz2`.

The dump is grown from a real one: each page has the beginning of one article and sections of
others, drawn by chance, so that wikitext stays what people write. A sixth are redirects, as there.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bertdata.corpus.compression import read_blocks
from bertdata.corpus.config import CorpusConfig
from bertdata.examples.config import ExamplesConfig
from bertdata.storage.manifest import read_manifest
from flows.config import RunConfig
from flows.paths import RunPaths
from flows.views.verify import verify
from pipelines.options import RunnerConfig
from tests.benchmarks.job import DUPE_FACTOR, MAX_SEQ_LENGTH, describe_memory, run_stage
from tests.benchmarks.measure import Cost
from tests.benchmarks.tables import Row, Table, megabytes, to_text

STAGES = ("sentences", "vocab", "examples")
_PAGE = re.compile(rb"  <page>.*?</page>\n", re.DOTALL)
_TEXT = re.compile(rb"(<text[^>]*>)(.*?)(</text>)", re.DOTALL)
_NUMBERED = re.compile(rb"(<title>)(.*?)(</title>.*?<id>)\d+(</id>)", re.DOTALL)
_HEADING = re.compile(rb"\n(?===[^=])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """A dump in parts: its head, its articles and redirects, and the sections of all articles."""

    head: bytes
    articles: tuple[bytes, ...]
    redirects: tuple[bytes, ...]
    sections: tuple[bytes, ...]


def read_pages(dump: Path) -> Pages:
    """The parts of a dump, compressed or not."""
    data = b"".join(read_blocks(dump))
    pages = _PAGE.findall(data)
    articles = tuple(page for page in pages if b"<redirect" not in page)
    texts = (match[2] for page in articles if (match := _TEXT.search(page)))
    return Pages(
        head=data.partition(b"  <page>")[0],
        articles=articles,
        redirects=tuple(page for page in pages if b"<redirect" in page),
        sections=tuple(part for text in texts for part in _HEADING.split(text)[1:]),
    )


def grow_dump(pages: Pages, path: Path, size: int, seed: int = 1) -> int:
    """Write a dump of `size` bytes or a little more; how many pages it has."""
    chance, number = random.Random(seed), 0
    with path.open("wb") as file:
        file.write(pages.head)
        while file.tell() < size:
            number += 1
            file.write(_make_page(pages, number, chance))
        file.write(b"</mediawiki>\n")
    return number


def _make_page(pages: Pages, number: int, chance: random.Random) -> bytes:
    title = rb"\g<1>\g<2> %d\g<3>%d\g<4>" % (number, number)
    if chance.randrange(6) == 0:
        return _NUMBERED.sub(title, chance.choice(pages.redirects), count=1)
    page = chance.choice(pages.articles)
    drawn = chance.choices(pages.sections, k=chance.randrange(12))

    def fill(match: re.Match[bytes]) -> bytes:
        return match[1] + b"\n".join([_HEADING.split(match[2])[0], *drawn]) + match[3]

    return _TEXT.sub(fill, _NUMBERED.sub(title, page, count=1), count=1)


def make_config(dump: Path, workers: int) -> RunConfig:
    """The configuration of a run over it."""
    corpus = CorpusConfig(name="wiki", format="wikipedia-xml", paths=(str(dump),))
    examples = ExamplesConfig(max_seq_length=MAX_SEQ_LENGTH, dupe_factor=DUPE_FACTOR)
    return RunConfig(corpus=(corpus,), examples=examples, runner=RunnerConfig(workers=workers))


def measure(config: RunConfig, paths: RunPaths) -> dict[str, Cost]:
    """What each stage cost."""
    return {stage: run_stage(stage, config, paths) for stage in STAGES}


def describe(costs: dict[str, Cost], dump_bytes: int, paths: RunPaths) -> Table:
    """A row a stage, and what became of the pages."""
    counts = read_manifest(paths.sentences).counts
    rows = [_row(stage, cost, dump_bytes, counts["text_bytes"]) for stage, cost in costs.items()]
    rejected = ", ".join(f"{number:,} {reason}" for reason, number in counts["rejected"].items())
    note = (
        f"{megabytes(dump_bytes):,.0f} MB of XML; {counts['documents_read']:,} pages = "
        f"{counts['documents_written']:,} documents + {rejected}; "
        f"{megabytes(counts['text_bytes']):,.0f} MB of text, {counts['sentences']:,} sentences."
    )
    return Table(title="A dump through the whole job", rows=tuple(rows), note=note)


def _row(stage: str, cost: Cost, dump_bytes: int, text_bytes: int) -> Row:
    dump, text = megabytes(dump_bytes), megabytes(text_bytes)
    return {
        "stage": stage,
        "seconds": cost.wall_seconds,
        "core-s": cost.cpu_seconds,
        "MB of XML/s": dump / cost.wall_seconds,
        "MB of XML/core-s": dump / cost.cpu_seconds,
        "MB of text/s": text / cost.wall_seconds,
        "MB of text/core-s": text / cost.cpu_seconds,
        "peak memory, MB": describe_memory(cost.peaks),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Grow, run, check, print; 1 when a check of `bertdata verify` fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dump", description=__doc__)
    parser.add_argument("dump", type=Path, help="a MediaWiki dump, compressed or not")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        grown, paths = Path(folder) / "grown.xml", RunPaths(Path(folder) / "run")
        grow_dump(read_pages(options.dump), grown, int(options.gigabytes * 1e9))
        costs = measure(make_config(grown, options.workers), paths)
        print(to_text(describe(costs, grown.stat().st_size, paths)))
        findings = verify(paths.output)
    print("\n".join(findings) or "OK")
    return int(bool(findings))


if __name__ == "__main__":
    raise SystemExit(main())
