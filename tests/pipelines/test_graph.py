"""What the pipelines ask of a runner: only what every portable runner has; nothing private of Beam.

Each finding names the step that breaks the rule.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_runner_api_pb2 as messages

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.plans.examples import ExamplesWork
from bertdata.plans.punkt import PunktWork
from bertdata.plans.sentences import SentencesWork, plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.sentences.splitter import SentencesConfig
from pipelines.stages import MakeExamples, MakePunkt, MakeSentences, MakeVocabulary
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage
from vocab.config import VocabConfig
from vocab.plan import VocabularyWork

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {
    f"beam:transform:{name}:v1"
    for name in ("impulse", "pardo", "flatten", "group_by_key", "window_into")
}
TRANSFORMS = {
    PunktWork: MakePunkt,
    SentencesWork: MakeSentences,
    VocabularyWork: MakeVocabulary,
    ExamplesWork: MakeExamples,
}


@pytest.fixture(scope="module")
def stage_plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StagePlan]:
    """Every stage, of several units, files and buckets; nothing is left out."""
    folder = tmp_path_factory.mktemp("graph")
    write_books(folder / "books", 12)
    stages = Stages(folder / "books", folder)
    cleaning = CleaningConfig(near_duplicates="drop", duplicate_sentences="drop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 2000)
        patch.setattr("bertdata.plans.sentences._BUCKET_BYTES", 5000)
        patch.setattr("bertdata.corpus.partitions._PARTITION_BYTES", 1000)
        patch.setattr("bertdata.corpus.partitions._MIN_FILE_BYTES", 4000)
        sentences = plan_sentences(
            folder / "cleaned", stages.corpora, SentencesConfig(), 1, None, cleaning
        )
        make_stage(stages.sentences())
    given = VocabConfig(file=str(folder / "vocab" / "vocab.txt"))
    vocabulary = stages.vocabulary()
    make_stage(vocabulary)
    return {
        "punkt": stages.punkt(),
        "sentences": sentences,
        "vocabulary": vocabulary,
        "given vocabulary": stages.vocabulary(given),
        "examples": stages.examples(),
    }


STAGES = ("punkt", "sentences", "vocabulary", "given vocabulary", "examples")


@pytest.fixture(scope="module")
def graph_of(stage_plans: dict[str, StagePlan]) -> Callable[[str, bool], Any]:
    """Returns a stage's pipeline as a runner gets it, made once."""

    @functools.cache
    def make(stage: str, spilled: bool) -> Any:
        plan = stage_plans[stage]
        workplace = replace(plan.workplace, spill=plan.workplace.waiting if spilled else None)
        transform: Any = TRANSFORMS[type(plan.work)]
        pipeline = beam.Pipeline()
        _ = pipeline | "Stage" >> transform(plan, plan.work, workplace)
        return pipeline.to_runner_api()

    return make


def primitives(graph: Any) -> Iterator[Any]:
    """The transforms that a runner executes: without parts, and with outputs of their own."""
    for transform in graph.components.transforms.values():
        is_passing = set(transform.outputs.values()) <= set(transform.inputs.values())
        if not transform.subtransforms and not is_passing:
            yield transform


def special_needs(transform: Any) -> Iterator[str]:
    """What a step asks for that some runner lacks."""
    if transform.spec.urn not in KNOWN:
        yield f"{transform.unique_name} is {transform.spec.urn or 'nothing'}"
    if transform.spec.urn == "beam:transform:pardo:v1":
        payload = messages.ParDoPayload.FromString(transform.spec.payload)
        for need in (
            "state_specs",
            "timer_family_specs",
            "restriction_coder_id",
            "requests_finalization",
            "requires_time_sorted_input",
            "requires_stable_input",
        ):
            if getattr(payload, need):
                yield f"{transform.unique_name} has {need}"


@pytest.mark.parametrize("spilled", [False, True], ids=["shuffle", "spill"])
@pytest.mark.parametrize("stage", STAGES)
def test_every_portable_runner_can_do_it(
    stage: str, spilled: bool, graph_of: Callable[[str, bool], Any]
) -> None:
    graph = graph_of(stage, spilled)
    steps = list(primitives(graph))
    assert len(steps) > 5
    assert [need for step in steps for need in special_needs(step)] == []
    assert list(graph.requirements) == []


def coder_of(graph: Any, coder_id: str) -> str:
    """Such as "kv(varint, table)"."""
    coder = graph.components.coders[coder_id]
    name = coder.spec.urn.split(":")[2]
    if name == "pickled_python":
        name = coder.spec.payload[2:].partition(b"$")[0].decode()
    parts = ", ".join(coder_of(graph, part) for part in coder.component_coder_ids)
    return f"{name}({parts})" if parts else name


@pytest.mark.parametrize("stage", ["punkt", "sentences", "vocabulary"])
def test_tables_are_grouped_by_numbers_and_travel_as_arrow(
    stage: str, graph_of: Callable[[str, bool], Any]
) -> None:
    """Another language compares numbers; a pickled part of a table would hold all of it."""
    graph = graph_of(stage, False)
    collections = graph.components.pcollections
    found = {
        step.unique_name: coder_of(graph, collections[number].coder_id)
        for step in primitives(graph)
        if step.spec.urn == "beam:transform:group_by_key:v1" and "Reshuffle" not in step.unique_name
        for number in step.inputs.values()
    }
    assert found
    wanted = "kv(varint, kv(string_utf8, _TableCoder))"
    assert {name: coder for name, coder in found.items() if coder != wanted} == {}


def test_what_a_runner_may_lack_is_found() -> None:
    class Counting(beam.DoFn):
        STATE = beam.transforms.userstate.CombiningValueStateSpec("count", sum)

        PARAMETER = beam.DoFn.StateParam(STATE)

        def process(self, pair: tuple[int, int], count: Any = PARAMETER) -> None:
            count.add(1)

    pipeline = beam.Pipeline()
    _ = pipeline | beam.Create([(1, 2)]) | "Counting" >> beam.ParDo(Counting())
    graph = pipeline.to_runner_api()
    found = [need for step in primitives(graph) for need in special_needs(step)]
    assert found == ["Counting has state_specs"]


def private_names(source: str) -> Iterator[str]:
    """Names of Beam that begin with an underscore, and that a module imports or reaches."""
    tree = ast.parse(source)
    modules: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                if module.partition(".")[0] == "apache_beam":
                    modules |= {alias.asname or alias.name for alias in names}
                    parts = [*module.split("."), *(alias.name for alias in names)]
                    yield from filter(_is_private, parts)
            case ast.Import(names=names):
                for alias in names:
                    if alias.name.partition(".")[0] == "apache_beam":
                        modules.add(alias.asname or "apache_beam")
                        yield from filter(_is_private, alias.name.split("."))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            parts = ast.unparse(node.value).split(".")
            if parts[0] in modules:
                yield ast.unparse(node)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("room", ["pipelines", "flows"])
def test_nothing_private_of_beam_is_used(room: str) -> None:
    files = list((ROOT / room).rglob("*.py"))
    assert files
    assert {
        str(file): found for file in files if (found := [*private_names(file.read_text())])
    } == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from apache_beam.internal import _pickler", ["_pickler"]),
        ("import apache_beam._x as beam", ["_x"]),
        ("import apache_beam as beam\nbeam.Create._encode(1)", ["beam.Create._encode"]),
        ("from apache_beam import Create\nCreate._encode(1)", ["Create._encode"]),
        ("import apache_beam as beam\nbeam.__version__; self._private", []),
    ],
)
def test_private_names_are_found(source: str, found: list[str]) -> None:
    assert list(private_names(source)) == found
