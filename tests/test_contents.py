"""Each package lists what other packages use of it and hides what only one module uses.

And each module has a test that names it.
"""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bertdata", "vocab", "pipelines", "flows", "trainer")


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _modules(*folders: str) -> dict[str, Path]:
    return {_name(path): path for folder in folders for path in (ROOT / folder).rglob("*.py")}


MODULES = _modules(*PACKAGES)
SUB_PACKAGES = sorted(name for name, path in MODULES.items() if path.name == "__init__.py")


@cache
def _definitions(module: str) -> set[str]:
    """Public names that a module defines at its top level."""
    names: set[str] = set()
    for node in ast.parse(MODULES[module].read_text()).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                targets = (leaf for target in node.targets for leaf in ast.walk(target))
                names |= {leaf.id for leaf in targets if isinstance(leaf, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def _uses(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) that a file imports, or reaches through a module that it imports."""
    tree = ast.parse(path.read_text())
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module, alias.name
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in aliases:
                yield aliases[name], attribute
            case ast.Constant(value=str(text)) if "." in text:
                module, _, name = text.rpartition(".")
                yield module, name  # as monkeypatch is given them


@cache
def _users() -> dict[tuple[str, str], set[str]]:
    users: dict[tuple[str, str], set[str]] = defaultdict(set)
    for user, path in {**MODULES, **_modules("tests")}.items():
        for use in _uses(path):
            users[use].add(user)
    return users


@pytest.mark.parametrize("package", SUB_PACKAGES)
def test_a_package_lists_what_other_packages_use(package: str) -> None:
    contents = importlib.import_module(package)
    own_modules = [name for name in MODULES if name.rpartition(".")[0] == package]
    used = {
        name
        for module in own_modules
        for name in _definitions(module)
        for user in _users()[module, name]
        if not f"{user}.".startswith((f"{package}.", "tests."))
    }
    # A function called like its module is reached through the module alone.
    used -= {module.rpartition(".")[2] for module in own_modules}
    assert used <= set(contents.__all__)
    for name in contents.__all__:
        assert getattr(contents, name).__class__.__name__ != "module"


def test_names_that_one_module_uses_begin_with_an_underscore() -> None:
    lonely = [
        f"{module}.{name}"
        for module in MODULES
        if not module.endswith("__main__")
        for name in sorted(_definitions(module))
        if not _users()[module, name] - {module}
        and name != "main"
        and module != "flows.end_to_end"
        and not module.startswith("pipelines.stages.")  # the parts of a pipeline have names
    ]
    assert not lonely


def test_every_module_has_a_test_that_names_it() -> None:
    """By its place, `tests/<folder>/test_<module>.py`, or by importing it or giving its name."""
    named = {
        name
        for (module, attribute), users in _users().items()
        if any(user.startswith("tests.") for user in users)
        for name in (module, f"{module}.{attribute}")
    }
    unnamed = [
        module
        for module, path in MODULES.items()
        if not path.stem.startswith("__") and module not in named and not _mirror(path).exists()
    ]
    assert not unnamed


def _mirror(path: Path) -> Path:
    """The test file at a module's place."""
    return ROOT / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")


def test_no_folder_has_more_than_ten_modules() -> None:
    for package in SUB_PACKAGES:
        names = [path.stem for path in MODULES[package].parent.glob("[!_]*.py")]
        assert len(names) <= 10, package
