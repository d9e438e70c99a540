"""The report in a real browser: it draws, says nothing, fits a phone, has two colour schemes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.views.report.page import write_report
from tests.chromium import CHROMIUM, Page, open_browser
from tests.flows.views.report.runs import add_finetuning, hostile_run

if CHROMIUM is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)

_SIZES = """[...document.querySelectorAll("figure svg")].map(svg => {
  const marks = [...svg.querySelectorAll("path, text")].map(mark => mark.getBBox());
  return [svg.getBoundingClientRect().width, Math.max(...marks.map(box => box.width))];
})"""
_TOO_WIDE = """[...document.querySelectorAll("body *")].filter(
  element => element.getBoundingClientRect().right > innerWidth + 1
             && !element.closest(".wide, .examples > li")).map(element => element.outerHTML)"""
_OPEN_ALL = "document.querySelectorAll('details').forEach(part => { part.open = true; })"
_COLOURS = """(() => {
  const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
  return [of("body", "backgroundColor"), of("body", "color"), of(".segment.a", "backgroundColor"),
          of("figure svg path[style*=first]", "stroke"), of("figure svg text", "fill")];
})()"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    paths = hostile_run(folder)
    add_finetuning(folder / "run" / "tuned")
    written = write_report(paths)
    assert isinstance(written, Path)
    return written.as_uri()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_it_is_drawn_without_a_word(page: Page, address: str, width: int, is_dark: bool) -> None:
    page.notices.clear()
    page.requests.clear()
    page.load(address, width=width, is_dark=is_dark)
    sizes = page.evaluate(_SIZES)
    assert len(sizes) == 8
    assert all(drawn > 200 and widest > 100 for drawn, widest in sizes)
    page.evaluate(_OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(_TOO_WIDE) == []
    assert page.notices == []
    assert page.requests == [address]


def test_dark_and_light_differ(page: Page, address: str) -> None:
    page.load(address)
    light = page.evaluate(_COLOURS)
    page.load(address, is_dark=True)
    dark = page.evaluate(_COLOURS)
    assert light[0] == "rgb(255, 255, 255)"
    assert all(one != other for one, other in zip(light, dark))


def test_what_a_screen_reader_meets(page: Page, address: str) -> None:
    page.load(address)
    nodes = page.accessible_nodes()
    names: dict[str, list[str]] = {}
    for node in nodes:
        role = str(node["role"]["value"])
        names.setdefault(role, []).append(str(node.get("name", {}).get("value", "")))
    assert len(names["image"]) == 8
    assert all(len(name) > 20 for name in names["image"])
    assert names["heading"][:2] == ["run", "Run"]
    assert {"Training", "Examples", "Vocabulary", "Text"} <= set(names["heading"])
    assert all(names["table"])
    assert all(names["region"])
    assert names["navigation"] == ["Sections"]


def test_the_pictures_of_its_parts_are_not_empty(page: Page, address: str) -> None:
    page.load(address, width=360)
    assert len(page.screenshot(height=800)) > 10_000
