"""`bertdata diff`: what differs between two runs, and whether their data are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bertdata.errors import damaged_one
from bertdata.progress.differences import describe_differences
from bertdata.storage.manifest import Manifest, check_stage
from bertdata.storage.shards import first_line
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from flows.finished import FinishedRun, read_run, shares_of, splits_of
from flows.paths import RunPaths
from flows.terminal.styled import Styled
from flows.wording import number, percent, printable

_DATA = ("sentences", "vocab", "examples")
_STAGES = (*_DATA, "model")
_LINES = 12  # of differences of one kind
_PIECES = 10  # shown of each kind
_SAME, _DIFFERENT = "the same", "different"
_STYLES = {_SAME: "green", _DIFFERENT: "bold red"}

_Row = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    """Lines about what differs between runs A and B, and whether their data are the same.

    The data are sentences, vocabulary and examples, by their content hashes. Models do not count:
    equal data make different weights on different processors.
    """

    lines: tuple[str, ...]
    are_same: bool


def compare_runs(a: RunPaths, b: RunPaths) -> _Comparison:
    """Compare two runs. Raises DataError if one has no finished stage, or is damaged."""
    try:
        return _compare(a, b)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise damaged_one(f"a manifest of {a.output} or {b.output} is damaged ({what})") from error


def _compare(a: RunPaths, b: RunPaths) -> _Comparison:
    runs = read_run(a), read_run(b)
    verdicts = _judge_stages(*runs)
    changed = [stage for stage in _DATA if verdicts.get(stage, _SAME) != _SAME]
    end = f"the data differ: {', '.join(changed)}" if changed else "the data are the same"
    lines = [
        *(
            Styled((f"{name:<12}", "bold"), (str(run.output), ""))
            for name, run in zip("AB", (a, b))
        ),
        *(_verdict_line(stage, verdict) for stage, verdict in verdicts.items()),
        *_titled("configuration, from A to B", _compare_configurations(*runs)),
        *_titled("input files, from A to B", _compare_inputs(*runs)),
        *_titled("counts", _compare_counts(*runs)),
        *_titled("vocabulary", _compare_vocabularies(*runs)),
        *_compare_distributions(*runs),
        "",
        Styled((end, _STYLES[_DIFFERENT if changed else _SAME])),
    ]
    return _Comparison(lines=tuple(lines), are_same=not changed)


def _judge_stages(a: FinishedRun, b: FinishedRun) -> dict[str, str]:
    """For each stage that one of them has, whether they are the same."""
    verdicts: dict[str, str] = {}
    for stage in _STAGES:
        left, right = _manifest(a, stage), _manifest(b, stage)
        if left and right:
            is_same = left.content_sha256 == right.content_sha256
            verdicts[stage] = _SAME if is_same else _DIFFERENT
        elif left or right:
            verdicts[stage] = f"only in {'A' if left else 'B'}"
    return verdicts


def _verdict_line(stage: str, verdict: str) -> str:
    return Styled((f"{stage:<12}", "bold"), (verdict, _STYLES.get(verdict, "bold red")))


def _both(a: FinishedRun, b: FinishedRun) -> Iterator[tuple[str, Manifest, Manifest]]:
    """The stages that both have."""
    for stage in _STAGES:
        left, right = _manifest(a, stage), _manifest(b, stage)
        if left and right:
            yield stage, left, right


def _manifest(run: FinishedRun, stage: str) -> Manifest | None:
    found: Manifest | None = getattr(run, stage)
    return found


def _compare_configurations(a: FinishedRun, b: FinishedRun) -> list[str]:
    """Each difference once, though the seed, for example, is in several stages."""
    lines = (
        line
        for _, left, right in _both(a, b)
        for line in describe_differences(left.config, right.config)
    )
    return _shortened(list(dict.fromkeys(map(printable, lines))))


def _compare_inputs(a: FinishedRun, b: FinishedRun) -> list[str]:
    if not (a.sentences and b.sentences):
        return []
    left, right = _files(a.sentences), _files(b.sentences)
    lines = [
        f"{printable(name)}: {_compare_file(left.get(name), right.get(name))}"
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]
    return _shortened(lines)


def _files(sentences: Manifest) -> dict[str, object]:
    """What is known of each input file, by corpus and name."""
    inputs = sentences.inputs.items()
    return {f"{corpus} {file['name']}": file for corpus, files in inputs for file in files}


def _compare_file(a: object, b: object) -> str:
    if a and b:
        return "another content"
    return f"only in {'A' if a else 'B'}"


def _compare_counts(a: FinishedRun, b: FinishedRun) -> list[str]:
    rows = [
        _row(f"{stage} {name}", _count, old.get(name), new.get(name))
        for stage, left, right in _both(a, b)
        for old, new in [(_flat(left.counts), _flat(right.counts))]
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    return _table(rows)


def _count(value: float) -> str:
    return number(value) if isinstance(value, int) else f"{value:.3f}"


def _flat(counts: Mapping[str, object], prefix: str = "") -> dict[str, float]:
    """Numbers by name, without lists and without shares, which are compared apart."""
    found: dict[str, float] = {}
    for key, value in counts.items():
        if isinstance(value, Mapping) and key != "shares":
            found |= _flat(value, f"{prefix}{key} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{key}".replace("_", " ")] = value
    return found


def _compare_vocabularies(a: FinishedRun, b: FinishedRun) -> list[str]:
    if not (a.vocab and b.vocab) or a.vocab.content_sha256 == b.vocab.content_sha256:
        return []
    left, right = _vocabulary(a.paths), _vocabulary(b.paths)
    only_a, only_b = _missing(left, right), _missing(right, left)
    moved = [
        f"{piece} {place} → {right.ids[piece]}"
        for place, piece in enumerate(left.tokens)
        if right.ids.get(piece, place) != place
    ]
    facts = [f"{number(left.size - len(only_a))} pieces in both"]
    facts += [f"{number(len(only_a))} only in A", f"{number(len(only_b))} only in B"]
    facts.append(f"{number(len(moved))} with another id")
    kinds = {"only in A": only_a, "only in B": only_b, "another id": moved}
    shown = [f"{name:<11} {_some(pieces)}" for name, pieces in kinds.items() if pieces]
    return [", ".join(facts), *shown]


def _vocabulary(paths: RunPaths) -> Vocabulary:
    check_stage(paths.vocab, ["vocab.txt"])
    return read_vocabulary(paths.vocab / "vocab.txt")


def _missing(here: Vocabulary, there: Vocabulary) -> list[str]:
    return [piece for piece in here.tokens if piece not in there.ids]


def _some(pieces: Sequence[str]) -> str:
    return printable("  ".join(pieces[:_PIECES])) + ("  …" if len(pieces) > _PIECES else "")


def _compare_distributions(a: FinishedRun, b: FinishedRun) -> Iterator[str]:
    """Shares and lengths of the examples of each split that both have, unless they are the same."""
    if not (a.examples and b.examples) or a.examples.content_sha256 == b.examples.content_sha256:
        return
    for split in splits_of(a.examples):
        if split in splits_of(b.examples):
            rows = _distribution_rows(split, a.examples, b.examples)
            yield from _titled(f"{split} examples", _table(rows))


def _distribution_rows(split: str, a: Manifest, b: Manifest) -> list[_Row]:
    left, right = shares_of(a, split), shares_of(b, split)
    names = [name for name in left if name != "mean_length"]
    lengths = [manifest.counts[split]["lengths"] for manifest in (a, b)]
    rows = [_row(name.replace("_", " "), percent, left[name], right[name]) for name in names]
    rows.append(_row("mean length", _one_digit, left["mean_length"], right["mean_length"]))
    for share in (0.1, 0.5, 0.9):
        old, new = (_quantile(counts, share) for counts in lengths)
        rows.append(_row(f"{share:.0%} are at most", number, old, new))
    return [*rows, ("lengths in common", percent(_overlap(*lengths)), "", "")]


def _quantile(lengths: Sequence[int], share: float) -> int:
    """The length that this share of the examples does not exceed."""
    wanted, seen = share * sum(lengths), 0
    for length, count in enumerate(lengths):
        seen += count
        if seen >= wanted:
            return length
    return len(lengths) - 1


def _overlap(a: Sequence[int], b: Sequence[int]) -> float:
    """The share of examples that have the same lengths: 1 for equal distributions, 0 for apart."""
    left, right = max(1, sum(a)), max(1, sum(b))
    return sum(min(x / left, y / right) for x, y in zip(a, b))


def _row(name: str, show: Callable[[float], str], a: float | None, b: float | None) -> _Row:
    """A row of a table; None: it is not there."""
    shown = ["-" if value is None else show(value) for value in (a, b)]
    difference = ""
    if a is not None and b is not None:
        sign = "+" if b > a else "-" if b < a else ""
        difference = f"{sign}{show(abs(b - a))}".replace("%", " points")
    return name, shown[0], shown[1], difference


def _one_digit(value: float) -> str:
    return f"{value:.1f}"


def _table(rows: Sequence[_Row]) -> list[str]:
    """Rows under the heads A, B and difference, numbers to the right; no lines for no rows."""
    if not rows:
        return []
    whole = [("", "A", "B", "difference"), *rows]
    widths = [max(map(len, column)) for column in zip(*whole)]
    return [
        "  ".join([f"{name:<{widths[0]}}", *(f"{v:>{w}}" for v, w in zip(values, widths[1:]))])
        for name, *values in whole
    ]


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    """Lines below a title; nothing for no lines."""
    if lines:
        yield ""
        yield Styled((title, "bold"))
        yield from (f"  {line}".rstrip() for line in lines)


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - _LINES
    return [*lines[:_LINES], f"and {number(more)} more"] if more > 0 else lines
