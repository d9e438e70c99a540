"""Small faults put into a copy of the code, one at a time: does the suite notice each of them?

    python -m tests.benchmarks.mutants --only randomness

`mutants.toml` lists them: the file, its text before and after, the tests that should notice, and
what the fault breaks. `same` says why a change changes nothing that anybody could see; such a
mutant should survive. Text that is no longer in its file exactly once is an error.

The tests first run on an unchanged copy. A fault is noticed if its tests fail, or run longer than
they may.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.tables import Row, Table, to_text

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutants.toml")
PACKAGES = ("bertdata", "vocab", "pipelines", "trainer", "flows")
NOTICED, SURVIVED, SAME = "noticed", "SURVIVED", "survived, as it should"
LIMIT_SECONDS = 300.0
_COPIED = (*PACKAGES, "tests", "pyproject.toml", "README.md", "docs")
# Compiled code is cached for the file that it is in, but holds parts and values of these too.
_COMPILED_IN = (
    "bertdata/kernels/",
    "bertdata/randomness.py",
    "bertdata/reference/config.py",
    "vocab/pair_counts.py",
)
_BROKEN = 2  # pytest's status where tests cannot be imported; 1 where they fail


class MutantError(Exception):
    """A mutant that cannot be tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """A change of one file. `same`: why it changes nothing; empty for a fault."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    breaks: str
    same: str = ""

    @property
    def package(self) -> str:
        """The package that it is in."""
        return self.file.partition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the tests said of a mutant."""

    mutant: Mutant
    verdict: str
    seconds: float


def read_mutants(table: Path = TABLE) -> list[Mutant]:
    """The mutants of a table."""
    rows = tomllib.loads(table.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def mutate(mutant: Mutant, root: Path) -> str:
    """The text of its file with the change. Raises MutantError where it does not apply."""
    text = (root / mutant.file).read_text(encoding="utf-8")
    if (found := text.count(mutant.old)) != 1:
        raise MutantError(f"{mutant.file} has {found} times, not once: {mutant.old!r}")
    for name in mutant.tests:
        if not (root / name.partition("::")[0]).exists():
            raise MutantError(f"{mutant.breaks}: there is no {name}")
    changed = text.replace(mutant.old, mutant.new)
    compile(changed, mutant.file, "exec")
    return changed


def try_mutant(mutant: Mutant, limit: float = LIMIT_SECONDS) -> Outcome:
    """Run the tests of a mutant in a copy of the code that has it."""
    started = time.perf_counter()
    changed = mutate(mutant, ROOT)
    with _copied_checkout() as copy:
        (copy / mutant.file).write_text(changed, encoding="utf-8")
        if mutant.file.startswith(_COMPILED_IN):
            _forget_compiled(copy)
        has_failed = _fail(copy, mutant.tests, limit)
    verdict = verdict_on(mutant, has_failed)
    return Outcome(mutant=mutant, verdict=verdict, seconds=time.perf_counter() - started)


def verdict_on(mutant: Mutant, has_failed: bool) -> str:
    """What it means for a mutant that its tests failed, or did not."""
    if has_failed:
        return NOTICED
    return SAME if mutant.same else SURVIVED


def check_unchanged(tests: Iterable[str], limit: float) -> float:
    """Raise MutantError unless these tests pass without a change; returns their seconds."""
    started = time.perf_counter()
    with _copied_checkout() as copy:
        if _fail(copy, sorted(set(tests)), limit):
            raise MutantError("tests fail without any fault, so they would notice all of them")
    return time.perf_counter() - started


def run(mutants: Sequence[Mutant], jobs: int, limit: float = LIMIT_SECONDS) -> list[Outcome]:
    """Try all mutants, several at once, and print a line for each when it is done."""
    outcomes = []
    with ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(lambda mutant: try_mutant(mutant, limit), mutants):
            outcomes.append(outcome)
            print(describe(outcome), flush=True)
    return outcomes


def describe(outcome: Outcome) -> str:
    """One line about a mutant that was tried."""
    mutant = outcome.mutant
    why = f" ({mutant.same})" if mutant.same else ""
    return f"{outcome.verdict:<10} {outcome.seconds:5.0f} s  {mutant.file}: {mutant.breaks}{why}"


def total_table(outcomes: Sequence[Outcome]) -> Table:
    """How many faults were noticed, by package."""
    faults = [outcome for outcome in outcomes if not outcome.mutant.same]
    names = [name for name in PACKAGES if any(o.mutant.package == name for o in faults)]
    rows = [_total(name, [o for o in faults if o.mutant.package == name]) for name in names]
    rows.append(_total("all", faults))
    same = len(outcomes) - len(faults)
    note = f"{same} changes that change nothing are not counted." if same else ""
    return Table(title="Faults noticed by the suite", rows=tuple(rows), note=note)


def _total(name: str, outcomes: Sequence[Outcome]) -> Row:
    noticed = sum(outcome.verdict == NOTICED for outcome in outcomes)
    share = f"{noticed / len(outcomes):.0%}" if outcomes else ""
    return {"package": name, "faults": len(outcomes), "noticed": noticed, "share": share}


@contextlib.contextmanager
def _copied_checkout() -> Iterator[Path]:
    """A folder with a copy of the code, its compiled parts, and its tests."""
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "checkout")
        copy.mkdir()
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name)
            elif source.exists():
                shutil.copy2(source, copy / name)
        yield copy


def _forget_compiled(copy: Path) -> None:
    for path in copy.rglob("*.nb[ci]"):
        path.unlink()


def _fail(copy: Path, tests: Sequence[str], limit: float) -> bool:
    """Whether tests fail or take too long. Raises MutantError where they could not run."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=copy,
            env=_environment(copy),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            return True
        finally:
            _end(process)
        if status > _BROKEN:
            output.seek(0)
            last = output.read().decode(errors="replace").splitlines()[-5:]
            raise MutantError(f"pytest ended with {status}: {' / '.join(last)}")
    return status != 0


def _environment(copy: Path) -> dict[str, str]:
    """The environment of tests in a copy: its code comes before any other."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return {**kept, "PYTHONPATH": str(copy), "TMPDIR": str(copy.parent), "OMP_NUM_THREADS": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the tests and what they started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _chosen(mutants: Iterable[Mutant], pattern: str) -> Iterator[Mutant]:
    for mutant in mutants:
        if re.search(pattern, f"{mutant.file}: {mutant.breaks}"):
            yield mutant


def main() -> int:
    """Try the mutants that are asked for; the exit status says whether a fault survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="PATTERN", help="in `file: what it breaks`")
    parser.add_argument("--list", action="store_true", help="show the mutants and try none")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tried at once (1)")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds for each")
    options = parser.parse_args()
    mutants = list(_chosen(read_mutants(), options.only))
    for mutant in mutants:
        mutate(mutant, ROOT)
        if options.list:
            print(f"{mutant.file}: {mutant.breaks}")
    if options.list or not mutants:
        return 0
    tests = [name for mutant in mutants for name in mutant.tests]
    seconds = check_unchanged(tests, options.limit * len(mutants))
    print(f"unchanged: all tests pass, {seconds:.0f} s", flush=True)
    outcomes = run(mutants, options.jobs, options.limit)
    print(to_text(total_table(outcomes)))
    return int(any(outcome.verdict == SURVIVED for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
