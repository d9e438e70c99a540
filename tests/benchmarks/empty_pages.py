"""A dump of empty pages through the whole sentences job: `python -m tests.benchmarks.empty_pages`.

Every page has to be counted, in memory that does not grow with their number.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from bertdata.checks.verification import verify_sentences
from bertdata.corpus.config import CorpusConfig
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import plan_sentences
from bertdata.sentences.splitter import SentencesConfig
from pipelines.options import RunnerConfig
from tests.runs import make_stage

_PAGE = "<page><title>P{}</title><ns>0</ns><revision><text></text></revision></page>\n"


def write_dump(path: Path, number: int) -> None:
    """So many empty pages, and one that is not."""
    with path.open("w") as file:
        file.write("<mediawiki><siteinfo></siteinfo>\n")
        file.writelines(_PAGE.format(page) for page in range(number))
        file.write(_PAGE.format("full").replace("<text>", "<text>It holds one sentence."))
        file.write("</mediawiki>\n")


def run_dump(folder: Path, workers: int) -> dict[str, int]:
    """The counts of the sentences of dump.xml in a folder. Raises DataError or AssertionError."""
    corpus = CorpusConfig(name="w", format="wikipedia-xml", paths=("dump.xml",), min_kept_share=0.0)
    corpora = Corpora(configs=(corpus,), base=str(folder))
    plan = plan_sentences(folder / "sentences", corpora, SentencesConfig(), 1)
    manifest = make_stage(plan, RunnerConfig(workers=workers))
    assert verify_sentences(plan.folder).findings == []
    names = ("documents_read", "documents_written", "documents_rejected")
    return {name: manifest.counts[name] for name in names}


def main() -> None:
    """Print the counts, the time and the most memory of a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_dump(Path(name) / "dump.xml", options.pages)
        start = time.monotonic()
        counts = run_dump(Path(name), options.workers)
        seconds = time.monotonic() - start
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(whose).ru_maxrss for whose in who) / 1024
    print(f"{counts} in {seconds:.1f} s, {peak:.0f} MB at most in a process")


if __name__ == "__main__":
    main()
