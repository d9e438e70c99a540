"""The process that jobs are forks of: what it imports and calls is there, and errors end nothing.

That it warms up is not seen from outside: whatever fails is left to the job that meets it again.
So what it does is called here, where an error is one.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "flows" / "processes" / "warm.py"


def _definitions(*names: str) -> dict[str, object]:
    """Some definitions of the module, which cannot be imported: it makes its process another."""
    nodes = [node for node in ast.parse(SOURCE.read_text()).body if _name(node) in names]
    found: dict[str, object] = {}
    exec(compile(ast.Module(nodes, []), SOURCE, "exec"), found)
    return found


def _name(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""


def test_what_others_import_late_is_where_it_is_looked_for() -> None:
    modules = _definitions("_MODULES")["_MODULES"]
    assert isinstance(modules, tuple)
    for name in modules:
        package, _, rest = name.partition(".")
        spec = importlib.util.find_spec(package)
        assert spec is not None
        (folder,) = spec.submodule_search_locations or [""]
        path = Path(folder, *rest.split("."))
        assert path.is_dir() or list(path.parent.glob(f"{path.name}.*")), name


def test_all_that_jobs_do_once_can_be_done(capfd: pytest.CaptureFixture[str]) -> None:
    warm_up = _definitions("_warm_up")["_warm_up"]
    assert callable(warm_up)
    warm_up()
    assert capfd.readouterr() == ("", "")


_IMPORT = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # importing it now fails
import gc, os
import flows.processes.warm
print("nobody reads this")
frozen = gc.get_freeze_count() > 1000
silent = os.fstat(1).st_rdev == os.fstat(2).st_rdev == os.stat(os.devnull).st_rdev
os.write(int(sys.argv[2]), f"{frozen} {gc.isenabled()} {silent}".encode())
sys.exit(3)
"""


def test_without_what_it_would_import_it_is_ready_too(tmp_path: Path) -> None:
    """Silent, with all that is there put away from collections, and gone at once at its end."""
    missing = "apache_beam,grpc,numba,pyarrow,pipelines"
    with (tmp_path / "said").open("wb") as said:
        number = said.fileno()
        done = subprocess.run(
            [sys.executable, "-c", _IMPORT, missing, str(number)],
            cwd=ROOT,
            capture_output=True,
            check=False,
            pass_fds=[number],
        )
    assert (tmp_path / "said").read_text() == "True True True"
    assert (done.stdout, done.stderr) == (b"", b"")
    assert done.returncode == 0  # that of os._exit, whatever else it would be
