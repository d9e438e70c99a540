"""A page of the documentation that is made from the code: all modules, each with its sentence."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

_PACKAGES = ("bertdata", "vocab", "pipelines", "flows", "trainer")
_INTRODUCTION = "# Modules\n\nWhat each room of the house holds, by its own docstring.\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page; MkDocs calls this."""
    root = Path(config.config_file_path).parent
    parts = [part for package in _PACKAGES for part in _describe_package(root / package, root)]
    files.append(File.generated(config, "modules.md", content="\n".join([_INTRODUCTION, *parts])))
    return files


def _describe_package(folder: Path, root: Path) -> Iterator[str]:
    """A heading and a table for a package, then for those inside."""
    yield f"## {'.'.join(folder.relative_to(root).parts)}\n\n{_sentence(folder / '__init__.py')}\n"
    modules = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
    if modules:
        rows = (f"| `{path.stem}` | {_sentence(path)} |" for path in modules)
        yield "\n".join(["| module | holds |", "| --- | --- |", *rows, ""])
    for inner in sorted(path.parent for path in folder.glob("*/__init__.py")):
        yield from _describe_package(inner, root)


def _sentence(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line of a table."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split()).replace("|", "\\|")
