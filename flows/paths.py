"""Where the files of a run live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bertdata.storage.locations import Location
from bertdata.storage.manifest import is_complete

# The folder of each stage, by the name of its command.
_STAGES = {"sentences": "sentences", "vocab": "vocab", "examples": "examples", "train": "model"}


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The folders of one run below its output folder."""

    output: Location

    @property
    def sentences(self) -> Location:
        return self.output / "sentences"

    @property
    def punkt(self) -> Location:
        return self.output / "punkt"

    @property
    def vocab(self) -> Location:
        return self.output / "vocab"

    @property
    def examples(self) -> Location:
        return self.output / "examples"

    @property
    def model(self) -> Location:
        return self.output / "model"

    def unfinished(self, flow: str) -> list[str]:
        """The stages of a flow that have no manifest. `flow`: the name of its command."""
        names = [*_STAGES] if flow == "run" else [flow]
        return [name for name in names if not is_complete(self.output / _STAGES[name])]

    @property
    def report(self) -> Location:
        return self.output / "report.html"


def default_output(config: Path) -> Path:
    """`runs/<config name>` below the current folder."""
    return Path("runs") / config.stem
