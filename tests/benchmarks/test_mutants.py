"""The table of mutants fits the code, and the runner tells what the tests notice from the rest."""

from __future__ import annotations

import dataclasses

import pytest

from tests.benchmarks.mutants import (
    NOTICED,
    PACKAGES,
    ROOT,
    SAME,
    SURVIVED,
    Mutant,
    MutantError,
    Outcome,
    mutate,
    read_mutants,
    total_table,
    try_mutant,
    verdict_on,
)
from tests.benchmarks.tables import to_text

GROUPING = Mutant(
    file="bertdata/grouping.py",
    old="if group and size + item_size > capacity:",
    new="if group and size + item_size >= capacity:",
    tests=("tests/bertdata/test_grouping.py",),
    breaks="a group that fits exactly is cut",
)


def test_every_mutant_applies() -> None:
    mutants = read_mutants()
    for mutant in mutants:
        mutate(mutant, ROOT)
    faults = [mutant for mutant in mutants if not mutant.same]
    assert len(faults) >= 110
    assert {mutant.package for mutant in faults} == set(PACKAGES)
    assert len({(mutant.file, mutant.breaks) for mutant in mutants}) == len(mutants)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"old": "no such text"}, "has 0 times, not once"),
        ({"old": "size"}, "times, not once"),
        ({"tests": ("tests/test_none.py",)}, "there is no tests/test_none.py"),
    ],
)
def test_a_mutant_that_no_longer_applies_is_an_error(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(MutantError, match=message):
        mutate(dataclasses.replace(GROUPING, **change), ROOT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("new", "verdict"),
    [(GROUPING.new, NOTICED), ("if group and capacity < size + item_size:", SURVIVED)],
)
def test_a_fault_is_noticed_and_the_same_in_other_words_is_not(new: str, verdict: str) -> None:
    assert try_mutant(dataclasses.replace(GROUPING, new=new)).verdict == verdict


def test_what_changes_nothing_is_said_to() -> None:
    same = dataclasses.replace(GROUPING, same="the other way round")
    assert verdict_on(same, has_failed=False) == SAME
    assert verdict_on(same, has_failed=True) == NOTICED
    assert verdict_on(GROUPING, has_failed=False) == SURVIVED


def test_tests_that_take_too_long_notice_a_fault() -> None:
    assert try_mutant(GROUPING, limit=0.01).verdict == NOTICED


def test_totals_are_of_faults_by_package() -> None:
    same = dataclasses.replace(GROUPING, same="nobody can tell")
    other = dataclasses.replace(GROUPING, file="vocab/fast.py")
    given = [(GROUPING, NOTICED), (GROUPING, SURVIVED), (same, SAME), (other, NOTICED)]
    outcomes = [Outcome(mutant=mutant, verdict=verdict, seconds=1) for mutant, verdict in given]
    table = total_table(outcomes)
    assert [tuple(row.values()) for row in table.rows] == [
        ("bertdata", 2, 1, "50%"),
        ("vocab", 1, 1, "100%"),
        ("all", 3, 2, "67%"),
    ]
    assert "1 changes that change nothing are not counted." in to_text(table)
