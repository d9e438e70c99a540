"""The content hashes of a small run, to compare and to renew.

The examples are hashed uncompressed: the bytes of ZSTD are its own version's.

Renew (`python -m tests.golden.make`) only when a change of the result is wanted and the CHANGELOG
says so, or when another pyarrow version writes the same rows in other bytes.

Renewed: when a document's text became part of its `document_id`, as ids may repeat (sentences,
examples); random choices follow from that id, and documents with one id shared theirs. When files
of sentences became ranges of partitions, format version 2 (sentences alone): the same documents in
other files.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage

HASHES = Path(__file__).with_name("hashes.json")


def make_hashes(folder: Path) -> dict[str, str]:
    """Run the three stages over a corpus made below `folder`."""
    write_books(folder / "books")
    stages = Stages(folder / "books", folder)
    stages = replace(stages, examples_config=replace(stages.examples_config, compression="none"))
    found = {}
    for plan_stage in (stages.sentences, stages.vocabulary, stages.examples):
        plan = plan_stage()
        found[plan.stage] = make_stage(plan).content_sha256
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        HASHES.write_text(json.dumps(make_hashes(Path(name)), indent=2) + "\n")
