"""Where the files of a run live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The folders of one run below its output folder."""

    output: Path

    @property
    def sentences(self) -> Path:
        return self.output / "sentences"

    @property
    def punkt(self) -> Path:
        return self.output / "punkt"

    @property
    def vocab(self) -> Path:
        return self.output / "vocab"

    @property
    def examples(self) -> Path:
        return self.output / "examples"

    @property
    def model(self) -> Path:
        return self.output / "model"

    @property
    def report(self) -> Path:
        return self.output / "report.html"


def default_output(config: Path) -> Path:
    """`runs/<config name>` below the current folder."""
    return Path("runs") / config.stem
