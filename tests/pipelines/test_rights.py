"""Files of a run have the rights that the umask leaves, neither more nor fewer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.runs import make_run, some_documents


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_stages_have_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_run(tmp_path, some_documents(), fresh=True)
    finally:
        os.umask(before)
    found = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "run").rglob("*")}
    assert len(found) > 10
    wrong = {p: oct(m) for p, m in found.items() if m != (0o777 if p.is_dir() else 0o666) & ~umask}
    assert not wrong
