"""The installation: which torch is taken, from where, and what is said when a step fails."""

from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.util
import os
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pip
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / ".lock" / "install.py"
LOCKED = "torch==2.13.0"
WHEEL = "torch-2.13.0+cpu-py3-none-any.whl"


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, on a machine without a GPU."""
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.has_nvidia_driver():
        pytest.skip("this machine has an NVIDIA driver")
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux has a CPU build of its own")
    return module


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index on loopback with a torch that takes no room."""
    folder = tmp_path / "index" / "torch"
    folder.mkdir(parents=True)
    _write_wheel(folder / WHEEL)
    link = WHEEL.replace("+", "%2B")
    (folder / "index.html").write_text(f'<a href="{link}">{WHEEL}</a>')
    handler = functools.partial(_Quiet, directory=str(folder.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
        """Say nothing."""


def test_without_a_gpu_the_cpu_build_is_taken(
    install: ModuleType, index: str, tmp_path: Path
) -> None:
    install.CPU_INDEX = index
    what, arguments = install.choose_torch("", LOCKED)
    assert arguments == [LOCKED, "--index-url", index]
    assert what == f"{LOCKED}, CPU build, about 0.2 GB"
    assert _pip(arguments, tmp_path / "site") == ["torch-2.13.0+cpu.dist-info"]


@pytest.mark.parametrize("wanted", ["http://127.0.0.1:9", "no address", "{index}/empty"])
def test_without_that_index_the_usual_one_is_taken(
    install: ModuleType, index: str, wanted: str
) -> None:
    install.CPU_INDEX = wanted.format(index=index)
    what, arguments = install.choose_torch("", LOCKED)
    assert arguments == [LOCKED]
    assert what.startswith(f"{LOCKED} from the package index, 0.2 to 3 GB (no CPU build from")


def test_an_index_without_the_locked_version_is_not_taken(install: ModuleType, index: str) -> None:
    install.CPU_INDEX = index
    what, arguments = install.choose_torch("", "torch==2.99.0")
    assert arguments == ["torch==2.99.0"]
    assert what.endswith("it has no torch-2.99.0)")


def test_another_torch_can_be_asked_for(install: ModuleType, index: str, tmp_path: Path) -> None:
    wheel = str(tmp_path / "index" / "torch" / WHEEL)
    for wish in (index, wheel, f"{index}/torch/{WHEEL}"):
        _, arguments = install.choose_torch(wish, LOCKED)
        site = tmp_path / hashlib.sha256(wish.encode()).hexdigest()
        assert _pip(arguments, site) == ["torch-2.13.0+cpu.dist-info"]
    assert install.choose_torch("torch==2.12.0", LOCKED)[1] == ["torch==2.12.0"]


def test_the_consumers_are_pinned_too(install: ModuleType) -> None:
    packages, torch = install.split_lock(SCRIPT.with_name("consumers.txt"))
    assert torch.startswith("torch==")
    assert all("==" in package for package in packages)
    named = {package.partition("==")[0] for package in packages}
    assert {"tensorflow-cpu", "mosaicml-streaming", "numpy"} <= named


def test_a_failed_step_says_which_and_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / ".lock"
    folder.mkdir()
    (folder / "install.py").write_bytes(SCRIPT.read_bytes())
    (folder / "test.txt").write_text("no-such-package-of-ours==1.0\n")
    venv.create(tmp_path / "venv")
    command = [tmp_path / "venv" / "bin" / "python", folder / "install.py", "test"]
    modules = str(Path(pip.__file__).parents[1])
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PYTHONPATH": modules}
    environment = {**_environment(), **settings}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert done.stdout == "step 1 of 1  1 packages for `make test`\n"
    assert "step 1 of 1 failed: 1 packages for `make test`" in done.stderr
    assert "No matching distribution found for no-such-package-of-ours==1.0" in done.stderr
    assert "the same command continues from there" in done.stderr
    assert "Traceback" not in done.stderr


def _pip(arguments: list[str], site: Path) -> list[str]:
    """Install with pip, into a folder of its own; the packages that are there then."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--target", str(site), *arguments]
    subprocess.run(command, check=True, capture_output=True, env=_environment())
    return sorted(path.name for path in site.glob("*.dist-info"))


def _environment() -> dict[str, str]:
    """Without pip's settings of whoever runs the tests: their folder of wheels may hold a torch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull}


def _write_wheel(path: Path) -> None:
    metadata = "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    info = "torch-2.13.0+cpu.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("torch/__init__.py", "")
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")
