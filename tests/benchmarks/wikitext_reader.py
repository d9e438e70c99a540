"""`python -m tests.benchmarks.wikitext_reader DUMP.xml`: the articles of a dump to stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.wikitext import read_articles

if __name__ == "__main__":
    sys.stdout.write("\n\n".join(read_articles(Path(sys.argv[1]))))
