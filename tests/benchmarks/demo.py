"""The demo's training, by processor: `python -m tests.benchmarks.demo`, two tables at the end.

The first table has the whole training, as `bertdata demo` does it: on this processor as it is, and
in a process held to AVX2 and single precision, which is what an ordinary computer has. The second
has single steps of the same training beside the same steps with `torch.optim.Muon`, in turn in one
process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flows.config import DEMO_CONFIG, load_config
from flows.paths import RunPaths
from flows.stages import train_arguments
from tests.benchmarks.tables import Row, Table, to_text, write_results
from trainer.pretrain import RESULTS_NAME, TIMING_NAME

_AVX2 = MappingProxyType(
    {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    }
)
_TELLING_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """How a training uses the processor."""

    name: str
    environment: Mapping[str, str]
    precision: str


SETTINGS = (
    Setting(name="as it is", environment=MappingProxyType({}), precision="auto"),
    Setting(name="held to AVX2", environment=_AVX2, precision="fp32"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = make_parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bertdata-bench-") as folder:
        paths = RunPaths(options.run or _make_examples(Path(folder) / "run"))
        runs = [train(paths, Path(folder), setting, options.steps) for setting in SETTINGS]
        pairs = [time_steps(paths, setting, options.pairs) for setting in SETTINGS]
    tables = [
        Table(title="Training of the demo", rows=tuple(runs)),
        Table(
            title="A step of it, seconds",
            rows=tuple(pairs),
            note="medians; 'torch.optim.Muon' multiplies in bf16 whatever the processor",
        ),
    ]
    facts = describe_processor()
    for name, value in facts.items():
        print(f"{name}: {value}")
    for table in tables:
        print(to_text(table))
    write_results(options.output, tables, facts)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.demo", description=__doc__)
    add = parser.add_argument
    add("--run", type=Path, help="a finished run of the demo (its data are made where left out)")
    add("--steps", type=int, help="of the whole training (as the demo has)")
    add("--pairs", type=int, default=5, help="of blocks of steps to compare (5)")
    add("--output", type=Path, default=Path("runs/bench"), help="folder for the results")
    return parser


def describe_processor() -> Row:
    """Its name, how many cores there are, and which of the telling instruction sets it has."""
    name, flags = platform.processor() or platform.machine(), set[str]()
    if _CPU_INFO.exists():
        lines = _CPU_INFO.read_text().splitlines()
        values = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
        name, flags = values.get("model name", name), set(values.get("flags", "").split())
    found = [flag for flag in _TELLING_FLAGS if flag in flags]
    return {"processor": name, "cores": os.cpu_count(), "flags": " ".join(found) or "not known"}


def train(paths: RunPaths, work: Path, setting: Setting, steps: int | None) -> Row:
    """The whole training in a process of its own."""
    output = work / setting.name.replace(" ", "-")
    config = load_config(DEMO_CONFIG)
    command = [
        *(sys.executable, "-m", "trainer.pretrain"),
        *(f"--examples={paths.examples}", f"--vocab={paths.vocab}", f"--output={output}"),
        f"--seed={config.seed}",
        *train_arguments(config.train),
        f"--precision={setting.precision}",
        *([f"--steps={steps}"] if steps else []),
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr, env=_environment(setting))
    seconds = time.perf_counter() - started
    results: Row = json.loads((output / RESULTS_NAME).read_bytes())
    timing: dict[str, float] = json.loads((output / TIMING_NAME).read_bytes())
    return {
        "processor": setting.name,
        "precision": setting.precision,
        "tokens/s": round(results["tokens"] / timing["train"]),
        "validation MLM loss": round(results["mlm_loss"], 3),
        "NSP accuracy": round(results["nsp_accuracy"], 3),
        **{f"{name}, s": round(timing[name], 1) for name in ("prepare", "train")},
        "evaluate, s": round(timing["evaluate_and_export"], 1),
        "all, s": round(seconds, 1),
    }


def time_steps(paths: RunPaths, setting: Setting, pairs: int) -> Row:
    """Steps of ours and with torch's optimiser, in turn, in a process of their own."""
    command = [
        *(sys.executable, "-m", "tests.benchmarks.demo_steps"),
        *(str(paths.examples), str(paths.vocab), setting.precision, str(pairs)),
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=_environment(setting))
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"processor": setting.name, "precision": setting.precision, **found}


def _environment(setting: Setting) -> dict[str, str]:
    return {**os.environ, **setting.environment}


def _make_examples(output: Path) -> Path:
    command = [sys.executable, "-m", "flows"]
    for stage in ("sentences", "vocab", "examples"):
        arguments = [*command, stage, str(DEMO_CONFIG), "--output", str(output)]
        subprocess.run(arguments, check=True, stdout=sys.stderr)
    return output


if __name__ == "__main__":
    raise SystemExit(main())
