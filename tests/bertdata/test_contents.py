"""Names of a package are found when they are asked for, and nothing is imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import bertdata.tokens
from bertdata.contents import list_contents
from bertdata.tokens.vocabulary import read_vocabulary


def test_names_are_those_of_the_modules() -> None:
    assert bertdata.tokens.read_vocabulary is read_vocabulary
    assert "read_vocabulary" in dir(bertdata.tokens)
    assert bertdata.tokens.__all__ == sorted(bertdata.tokens.__all__)


def test_a_name_that_is_not_listed_is_an_attribute_error() -> None:
    find, _, listed = list_contents("bertdata", {"errors": ["ConfigError"]})
    assert listed == ["ConfigError"]
    with pytest.raises(AttributeError, match="module 'bertdata' has no attribute 'DataError'"):
        find("DataError")


def test_a_name_imports_its_own_module_alone() -> None:
    code = "import sys; from bertdata.tokens import Vocabulary; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
