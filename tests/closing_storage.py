"""A storage of the tests' own, reached by fsspec: it publishes at close and cannot rename.

`closing:///tmp/x` is the folder /tmp/x. So processes that share nothing but a disk can share it,
and a test can look at what is there.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


class ClosingFileSystem(LocalFileSystem):
    """Files appear under their names when they are closed, whether they are whole or not."""

    protocol = "closing"

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return str(LocalFileSystem._strip_protocol(str(path).removeprefix("closing://")))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "r" in mode:
            return Path(path).open("rb")
        return _PublishedAtClose(Path(path))

    def mv(self, *arguments: Any, **options: Any) -> None:
        raise NotImplementedError("this storage cannot rename")

    mv_file = move = rename = mv


class _PublishedAtClose(io.BytesIO):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def close(self) -> None:
        if not self.closed:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(self.getvalue())
        super().close()


def register() -> None:
    """Let fsspec know this storage in this process."""
    fsspec.register_implementation("closing", ClosingFileSystem, clobber=True)
