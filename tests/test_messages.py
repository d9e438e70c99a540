"""Every error that users see names the way out: what is allowed, or what to do next.

A message is judged by its text in the source: its constants, with those that local names, constants
of modules and functions that build texts put into it. What is known only when it is raised is "…";
of alternatives, it is enough that one names a way out. This checks the wording. That the advice
helps is tried in `tests/flows/test_advice.py` and `tests/pipelines/test_damaged_inputs.py`.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bertdata.errors import BertdataError

MAX_DEPTH = 6  # of functions and names that a message is put together from
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bertdata", "vocab", "pipelines", "flows", "trainer")
ERRORS = {kind.__name__ for kind in (BertdataError, *BertdataError.__subclasses__())}

LIMITS = "must|one of|the maximum is|the minimum is|at least"
# What to do, at the beginning of a clause.
ORDERS = (
    "add|allow|check|choose|convert|correct|delete|did you mean|end|find|fine-tune|first: bertdata|"
    "free|give|install|leave|lower|make|name|pass|pip install|put|raise|read|remove|replace|"
    "restore|run|save|set|split|start|the same command|try|unpack|use|wait|write"
)
WAY_OUT = re.compile(rf"\b(?:{LIMITS})\b|(?:^|[;:,|] |\b(?:or|and) )(?:{ORDERS})\b")

# Messages whose way out is in an outer message, or is not one of these phrases.
ELSEWHERE = {
    "`bertdata.corpus.config.skippable` adds: replace the file, or pass over such files": {
        "bertdata.corpus.compression._decompress: … is damaged or cut short near compressed byte …,"
        " after … uncompressed bytes (…)",
        "bertdata.corpus.compression.read_range: … ends at byte …, was … bytes long when planned",
        "bertdata.corpus.compression.unreadable: cannot read … at byte … | : …",
        "bertdata.corpus.formats.decoding._decode_block: …: … cannot be read near byte … (…)",
        "bertdata.corpus.formats.json_objects._begin: …: not a JSON object at byte ……",
        "bertdata.corpus.formats.json_objects.finish: … ends inside the JSON object at byte …",
        "bertdata.corpus.formats.tables._readable: cannot read …: …",
        "bertdata.corpus.formats.web.warc_records.iter_records: …: … in the WARC record at byte …",
        "bertdata.corpus.formats.wikipedia.articles.read_wikipedia: … is not a MediaWiki dump: it "
        "does not begin with <mediawiki>",
        "bertdata.corpus.packed.archives._damaged: … is a … archive that cannot be read … (…)",
        "bertdata.corpus.packed.packed_files._refuse: … is …, not text",
        "bertdata.corpus.packed.packed_files.take: … holds over … times what it takes: a bomb",
    },
    "`bertdata init` names the file among those it leaves out": {
        "flows.guess.contents._look_into_table: cannot read …: …",
    },
    "`trainer.pretraining.checkpoint.file.damaged` adds: delete it to go on from the one before": {
        "trainer.pretraining.checkpoint.progress.read_progress: progress has no …",
    },
    "the run raises the failure of the other work instead": {
        "bertdata.progress.workplace.check_others: stopped, since other work of this stage failed",
    },
    "the message of another error, passed on": {
        "bertdata.progress.failures.error_named: …",
        "bertdata.tokens.vocabulary.read_vocabulary: …: …",
        "flows.stages._training_error: …",
        "pipelines.run._run_pipeline: …: …",
        "trainer.models.export.load_shape: …: …",
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What an error says. `where`: the module and the function that make it."""

    where: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """A module: its functions, the values of its constants and what it imports, by name."""

    name: str
    tree: ast.Module
    functions: dict[str, ast.FunctionDef]
    values: dict[str, list[ast.expr]]
    imported: dict[str, str]


@cache
def modules() -> dict[str, Module]:
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {module.name: module for module in map(parse, paths)}


def parse(path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return Module(
        name=".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"),
        tree=tree,
        functions={node.name: node for node in nodes if isinstance(node, ast.FunctionDef)},
        values=assigned(tree.body),
        imported={alias.name: str(node.module) for node in imports for alias in node.names},
    )


def assigned(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """All values that names get."""
    found = defaultdict[str, list[ast.expr]](list)
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name].append(value)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                found[name].append(value)
    return found


@cache
def locals_of(function: ast.FunctionDef | None) -> dict[str, list[ast.expr]]:
    return assigned(ast.walk(function)) if function else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """A function of a module, or the module itself: where an expression stands."""

    module: Module
    function: ast.FunctionDef | None = None

    @property
    def name(self) -> str:
        return f"{self.module.name}.{self.function.name}" if self.function else self.module.name

    def text_of(self, value: ast.expr, depth: int = 0) -> str:
        """The text that an expression makes, as far as the source says it; else "…"."""
        match value:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=values):
                return "".join(self.text_of(part, depth) for part in values)
            case ast.FormattedValue(value=inner):
                return self.text_of(inner, depth)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self.text_of(left, depth) + self.text_of(right, depth)
        scope, values = self._alternatives(value) if depth < MAX_DEPTH else (self, [])
        texts = dict.fromkeys(scope.text_of(value, depth + 1) for value in values)
        return " | ".join(text for text in texts if text != "…") or "…"

    def _alternatives(self, value: ast.expr) -> tuple[Scope, list[ast.expr]]:
        """What an expression may stand for, and where that stands."""
        match value:
            case ast.IfExp(body=body, orelse=orelse):
                return self, [body, orelse]
            case ast.Name(id=name):
                return self._values_of(name)
            case ast.Call(func=ast.Name(id=name), args=args) if name in (*ERRORS, "str"):
                return self, args[:1]
            case ast.Call(func=ast.Name(id=name)):
                return self._returned_by(name)
        return self, []

    def _values_of(self, name: str) -> tuple[Scope, list[ast.expr]]:
        if own := locals_of(self.function).get(name):
            return self, own
        home = self._home_of(name)
        return Scope(module=home), home.values.get(name, [])

    def _returned_by(self, name: str) -> tuple[Scope, list[ast.expr]]:
        home = self._home_of(name)
        function = home.functions.get(name)
        nodes = ast.walk(function) if function else ()
        values = [node.value for node in nodes if isinstance(node, ast.Return) and node.value]
        return Scope(module=home, function=function), values

    def _home_of(self, name: str) -> Module:
        return modules().get(self.module.imported.get(name, ""), self.module)

    def is_error(self, called: ast.expr) -> bool:
        """Whether what is called is the class of an error that users see."""
        match called:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in ERRORS:
                return True
            case ast.Attribute(attr="ArgumentTypeError" | "ArgumentError" | "error"):
                return True  # of argparse
            case ast.Name(id=name):
                values = locals_of(self.function).get(name, [])
                inner = (node for value in values for node in ast.walk(value))
                return any(isinstance(node, ast.Name) and node.id in ERRORS for node in inner)
        return False


def messages_in(scope: Scope, node: ast.AST) -> Iterator[Message]:
    if isinstance(node, ast.FunctionDef):
        scope = Scope(module=scope.module, function=node)
    if isinstance(node, ast.Call) and node.args and scope.is_error(node.func):
        yield Message(where=scope.name, text=scope.text_of(node.args[0]))
    for child in ast.iter_child_nodes(node):
        yield from messages_in(scope, child)


def all_messages() -> list[Message]:
    return [
        message
        for module in modules().values()
        for message in messages_in(Scope(module=module), module.tree)
    ]


def test_every_message_names_the_way_out() -> None:
    messages = all_messages()
    assert len(messages) > 250
    lost = {f"{m.where}: {m.text}" for m in messages if not WAY_OUT.search(m.text)}
    assert lost == set().union(*ELSEWHERE.values())
