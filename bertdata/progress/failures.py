"""What Beam's runners make of errors: text, of bertdata's own ones too, and often little help."""

from __future__ import annotations

import re

from bertdata import errors
from bertdata.errors import BertdataError

_STEP_IN_TEXT = re.compile(r" \[while running .*$")
_ERROR_IN_TEXT = re.compile(
    r"^(?:\w+: )*bertdata\.errors\.(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE
)

_JAVA = (
    "; it needs a Java runtime and Beam's job server: name its archive, as in "
    'options = ["--{name}_job_server_jar=PATH"], or one that runs, as in --job_endpoint=HOST:PORT'
)
# What runners need that is not installed with this package.
_NEEDS = {
    "flink": _JAVA.format(name="flink"),
    "spark": _JAVA.format(name="spark"),
    "dataflow": "; it needs pip install 'apache-beam[gcp]', a project and a region",
    "prism": "; it needs its program: --prism_location=PATH",
}
_MAX_LETTERS = 300  # of what a runner says


def error_named(name: str, message: str) -> BertdataError:
    """An error of bertdata by the name of its class."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, BertdataError):
        return kind(message)
    return BertdataError(message)


def find_error(raised: Exception) -> BertdataError | None:
    """The error of bertdata's own that a Beam runner raised, or whose traceback it made a text."""
    if isinstance(raised, BertdataError):
        return type(raised)(_STEP_IN_TEXT.sub("", str(raised)))
    found = _ERROR_IN_TEXT.findall(str(raised))
    return error_named(*found[-1]) if found else None


def describe_failure(name: str, error: Exception) -> str:
    """Why the runner of this name did not run a pipeline, on one line, and what it may lack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    is_traceback = any(line.startswith("Traceback") for line in lines)
    said = lines[-1] if is_traceback else " ".join(lines)
    needs = _NEEDS.get(name.lower().removesuffix("runner"), "")
    return f"{said[:_MAX_LETTERS] or type(error).__name__}{needs}"
