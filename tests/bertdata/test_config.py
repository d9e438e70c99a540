"""Strict reading: unknown keys, missing keys and wrong types each say what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from bertdata.config import (
    check_choice,
    check_choices,
    check_range,
    choices_of,
    key_docs,
    read_table,
    to_table,
)
from bertdata.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    size: int = 1
    on: bool = True
    note: str | None = None
    paths: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)
    more: tuple[Inner, ...] = ()
    extra: dict[str, int] = field(default_factory=dict)


def test_reads_what_it_wrote() -> None:
    outer = Outer(name="a", paths=("x",), inner=Inner(rate=1), more=(Inner(),), extra={"k": 1})
    table = to_table(outer)
    assert "note" not in table
    assert read_table(Outer, table, "[outer]") == outer


def test_whole_numbers_are_numbers() -> None:
    rate = read_table(Outer, {"name": "a", "inner": {"rate": 1}}, "[outer]").inner.rate
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "a", "sise": 2}, r"\[outer\] has no key 'sise'; did you mean 'size'\?"),
        ({"name": "a", "zzz": 2}, "known: extra, inner, more"),
        ({}, r"\[outer\] needs 'name'"),
        ({"name": 1}, r"\[outer\] name must be a string, got 1"),
        ({"name": "a", "size": "1"}, "size must be an integer, got '1'"),
        ({"name": "a", "size": True}, "size must be an integer, got True"),
        ({"name": "a", "on": 1}, "on must be true or false"),
        ({"name": "a", "paths": "x"}, "paths must be a list, got 'x'"),
        ({"name": "a", "paths": [1]}, r"paths\[0\] must be a string"),
        ({"name": "a", "inner": 1}, "inner must be a table, got 1"),
        ({"name": "a", "inner": {"rat": 1}}, r"\[outer\] inner has no key 'rat'"),
    ],
)
def test_refusals(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_table(Outer, table, "[outer]")


@pytest.mark.parametrize(
    ("value", "is_allowed"),
    [(2, True), (5, True), (3.5, True), (1.99, False), (5.01, False), (float("nan"), False)],
)
def test_both_ends_of_a_range_are_allowed(value: float, is_allowed: bool) -> None:
    if is_allowed:
        check_range("size", value, 2, 5)
        return
    with pytest.raises(ConfigError, match=f"size must be from 2 to 5, got {value:g}"):
        check_range("size", value, 2, 5)


def test_choices_are_named() -> None:
    check_choice("kind", "b", ("a", "b"))
    with pytest.raises(ConfigError, match="kind must be one of a, b; got 'B'"):
        check_choice("kind", "B", ("a", "b"))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    kind: Literal["a", "b"] = "a"
    other: Literal["c", "d"] | None = None
    name: str = "x"

    def __post_init__(self) -> None:
        check_choices(self)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "c"}, "kind must be one of a, b; got 'c'"),
        ({"other": "a"}, "other must be one of c, d; got 'a'"),
        ({"kind": 1}, r"\[chosen\] kind must be a string, got 1"),
    ],
)
def test_the_type_of_a_field_says_its_choices(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_table(Chosen, table, "[chosen]")
    allowed = Chosen(kind="b", other="d")
    assert read_table(Chosen, {"kind": "b", "other": "d"}, "[chosen]") == allowed


def test_choices_of_types() -> None:
    assert choices_of(Literal["a", "b"]) == ("a", "b")
    assert choices_of(Literal["a"] | None) == ("a",)
    assert choices_of(str) == choices_of(tuple[str, ...]) == choices_of(str | None) == ()


def test_what_a_docstring_lists_of_keys() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Listed:
        """Some keys.

        `one`: the first one, such as
        `two`. `two`, `three`: the others; `four`: is in the sentence.
        `other`: no key.
        """

        one: int = 1
        two: int = 2
        three: int = 3
        four: int = 4

    assert key_docs(Listed) == {
        "one": "the first one, such as `two`.",
        "two": "the others; `four`: is in the sentence.",
        "three": "the others; `four`: is in the sentence.",
    }
