"""The `bertdata` command. Heavy libraries are imported by the commands that use them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bertdata.errors import BertdataError, ConfigError
from bertdata.storage.locations import Location, locate
from bertdata.terminal import exit_status, is_reader_gone
from flows.help.completion import SHELLS, make_completion
from flows.help.examples import examples_of
from flows.processes.signals import Stopped, stopped_status, was_stopped

if TYPE_CHECKING:
    from flows.terminal.view import View

# Typer's `--help` takes 0.8 CPU s, click's with rich 0.3 s, argparse's 0.1 s; and click has no
# options with several values, such as `features --input A B`.
_Parser = argparse.ArgumentParser
_NO_MEMORY = "out of memory, or of processes: raise this user's limits (ulimit -v, -u)"
_STAGES = {
    "sentences": "split the corpora into sentences",
    "vocab": "count words and train the vocabulary",
    "examples": "write the MLM/NSP examples",
    "train": "pre-train BERT on the examples",
}
# Of `bertdata.exports`, which would import pyarrow.
_EXPORT_FORMATS = ("tfrecord", "parquet", "mds")
_NEXT = {"sentences": "vocab", "vocab": "examples", "examples": "train"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 the work failed or a check found something, 2 wrong usage."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _make_parser(command="".join(given[:1]))
    options = parser.parse_args(given, argparse.Namespace(arguments=given[1:]))
    try:
        return int(options.command(options))
    except Exception as error:
        if was_stopped():
            raise Stopped from error
        if isinstance(error, BrokenPipeError) and is_reader_gone():
            raise
        return _report(error, options.debug)


def _report(error: Exception, debug: bool) -> int:
    """Print what went wrong on one line; returns the exit status."""
    if isinstance(error, BertdataError):
        if debug:
            sys.excepthook(type(error), error, error.__traceback__)
        print(f"bertdata: {error}", file=sys.stderr)
        return exit_status(error)
    if debug:
        raise error
    if isinstance(error, MemoryError) or str(error) == "can't start new thread":
        print(f"bertdata: {_NO_MEMORY}", file=sys.stderr)
        return 1
    if isinstance(error, OSError) and error.filename:
        print(f"bertdata: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    line = (str(error).splitlines() or [""])[0]
    print(f"bertdata: {type(error).__name__}: {line} (--debug shows where)", file=sys.stderr)
    return 1


def _make_parser(command: str) -> _Parser:
    """All commands and their options; those of the trainer's commands only for `command`."""
    parser = argparse.ArgumentParser(
        prog="bertdata",
        description="text -> sentences -> vocabulary -> examples -> BERT, any corpus, any size",
        epilog=examples_of(""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> _Parser:
        sub = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=examples_of(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--debug", action="store_true", help="show tracebacks")
        sub.set_defaults(command=command)
        return sub

    demo = add("demo", _run_demo, "the whole run on the built-in English demo corpus")
    _add_run_options(demo)
    init = add("init", _init_config, "write a commented configuration for a file or folder")
    init.add_argument("place", type=locate, metavar="PATH", help="also s3://bucket/folder")
    init.add_argument(
        "--output", type=Path, metavar="MY.toml", help="never replaced (<name of PATH>.toml)"
    )
    run = add("run", _run_everything, "the whole run: sentences, vocab, examples, train")
    run.add_argument("config", type=Path, metavar="CONFIG.toml")
    _add_run_options(run)
    for stage, text in _STAGES.items():
        sub = add(stage, _run_stage, text)
        sub.set_defaults(stage=stage)
        sub.add_argument("config", type=Path, metavar="CONFIG.toml")
        _add_run_options(sub)
    verify = add("verify", _verify_run, "read everything again and check it")
    verify.add_argument("folder", type=locate, metavar="DIR")
    inspect = add("inspect", _inspect_run, "show examples as readable text")
    inspect.add_argument("folder", type=locate, metavar="DIR")
    inspect.add_argument("--rows", type=int, default=3, help="how many examples (3)")
    inspect.add_argument("--split", choices=("train", "validation"), default="train")
    instead = inspect.add_mutually_exclusive_group()
    instead.add_argument("--stats", action="store_true", help="measured shares and lengths instead")
    instead.add_argument(
        "--document",
        metavar="ID",
        help="one document's whole way instead: its document_id, or its name as shown here",
    )
    inspect.add_argument(
        "--config",
        type=Path,
        metavar="CONFIG.toml",
        help="of the run, to read the document's text again (NAME.toml for runs/NAME)",
    )
    diff = add("diff", _diff_runs, "what differs between two runs, and whether the data do")
    diff.add_argument("folder", type=locate, metavar="RUN_A")
    diff.add_argument("other", type=locate, metavar="RUN_B")
    report = add("report", _report_run, "write one HTML page about a run")
    report.add_argument("folder", type=locate, metavar="DIR")
    text = "a vocabulary to compare with: vocab.txt, tokenizer.json or a Hugging Face folder"
    report.add_argument("--reference-vocab", type=locate, metavar="FILE", help=text)
    export = add(
        "export", _export_examples, "write the examples for TensorFlow, datasets or streaming"
    )
    export.add_argument("folder", type=locate, metavar="RUN", help="or its examples/")
    export.add_argument("--format", choices=_EXPORT_FORMATS, required=True, help="of the files")
    text = "folder for them, also s3://bucket/folder (RUN/export-FORMAT)"
    export.add_argument("--output", type=locate, metavar="DIR", help=text)
    fill = add("fill-mask", _fill_mask, "predict [MASK] with a trained model")
    fill.add_argument("text", help='such as "The capital of France is [MASK]."')
    fill.add_argument("--model", type=locate, help="model folder (the newest below runs/)")
    fill.add_argument("--top", type=int, default=5, help="how many pieces (5)")
    tune = add("finetune", _run_trainer, "fine-tune a model on labelled texts")
    tune.set_defaults(module="trainer.tuning")
    features = add("features", _run_trainer, "write a model's vectors for texts to an Arrow file")
    features.set_defaults(module="trainer.features")
    if command in ("finetune", "completion"):
        from trainer.tuning.config import add_arguments as add_tuning

        add_tuning(tune)
    if command in ("features", "completion"):
        from trainer.features.config import add_arguments as add_features

        add_features(features)
    serve = add("serve", _serve_flows, "start runs that are asked for on a Prefect server")
    serve.add_argument(
        "config", type=Path, nargs="?", metavar="CONFIG.toml", help="fills in the forms (the demo)"
    )
    serve.add_argument("--output", type=locate, metavar="DIR", help="as of `run`")
    serve.add_argument("--name", default="local", help="of the deployments (local)")
    serve.add_argument("--limit", type=int, default=1, help="runs at a time (1)")
    serve.add_argument("--cron", help='start the whole run by itself, such as "0 3 * * *"')
    config = add("config", _show_config, "the complete configuration with every default")
    config.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml")
    _add_set(config)
    completion = add("completion", _print_completion, "print what completes commands in a shell")
    completion.add_argument("shell", choices=SHELLS)
    return parser


def _init_config(options: argparse.Namespace) -> int:
    """`bertdata init`."""
    from flows.guess.init import write_configuration

    for line in write_configuration(options.place, options.output):
        print(line)
    return 0


def _run_demo(options: argparse.Namespace) -> int:
    """`bertdata demo`."""
    from flows.config import DEMO_CONFIG

    options.config = DEMO_CONFIG
    return _run_everything(options)


def _run_everything(options: argparse.Namespace) -> int:
    """`bertdata run`."""
    from flows.views.summary import summary_lines

    view = _choose_view(options)
    output = _run_flow("run", options, view)
    view.end(output, summary_lines(output, view.seconds))
    return 0


def _run_stage(options: argparse.Namespace) -> int:
    """`bertdata sentences|vocab|examples|train`."""
    view = _choose_view(options)
    output = _run_flow(options.stage, options, view)
    lines = [f"{options.stage}: done, in {output}"]
    if options.stage in _NEXT:
        lines.append(f"next        {_next_command(options)}")
    view.end(output, lines)
    return 0


def _next_command(options: argparse.Namespace) -> str:
    """The command of the stage after this one."""
    import shlex

    given = ["--output", str(options.output)] if options.output else []
    given += [part for override in options.set for part in ("--set", override)]
    return shlex.join(["bertdata", _NEXT[options.stage], str(options.config), *given])


def _choose_view(options: argparse.Namespace) -> View:
    """Who shows the run: lines in a pipe or file, a live line on a terminal, or as asked for."""
    from flows.terminal.styled import can_draw
    from flows.terminal.view import JsonView, QuietView, View

    if options.quiet or options.json:
        return QuietView() if options.quiet else JsonView()
    if not can_draw():
        return View()
    from flows.terminal.live import LiveView

    return LiveView()


def _verify_run(options: argparse.Namespace) -> int:
    """`bertdata verify`."""
    from flows.views.verify import verify

    findings = verify(options.folder)
    for finding in findings:
        print(finding)
    problems = f"{len(findings)} problem{'' if len(findings) == 1 else 's'} found"
    print(f"{options.folder}: {problems if findings else 'OK'}")
    return 1 if findings else 0


def _inspect_run(options: argparse.Namespace) -> int:
    """`bertdata inspect`."""
    from flows.paths import RunPaths
    from flows.terminal.styled import print_lines
    from flows.views.document import show_document
    from flows.views.inspect import show_examples, show_statistics

    paths = RunPaths(options.folder)
    if options.stats:
        print_lines(show_statistics(paths))
    elif options.document is not None:
        print_lines(show_document(paths, options.document, options.rows, options.config))
    else:
        print_lines(show_examples(paths, options.split, options.rows))
    return 0


def _diff_runs(options: argparse.Namespace) -> int:
    """`bertdata diff`: 0 if the data are the same, 1 if they differ."""
    from flows.paths import RunPaths
    from flows.terminal.styled import print_lines
    from flows.views.differences import compare_runs

    comparison = compare_runs(RunPaths(options.folder), RunPaths(options.other))
    print_lines(comparison.lines)
    return 0 if comparison.are_same else 1


def _report_run(options: argparse.Namespace) -> int:
    """`bertdata report`."""
    from flows.paths import RunPaths
    from flows.views.report.page import write_report

    print(write_report(RunPaths(options.folder), options.reference_vocab))
    return 0


def _export_examples(options: argparse.Namespace) -> int:
    """`bertdata export`."""
    from flows.views.export import export_run

    export_run(options.folder, options.format, options.output, say=print)
    return 0


def _fill_mask(options: argparse.Namespace) -> int:
    """`bertdata fill-mask`: in a process of its own, like everything that needs torch."""
    folder = options.model or _newest_model(Path("runs"))
    arguments = [f"--model={folder}", f"--top={options.top}", options.text]
    return _call("trainer.features.fill_mask", arguments)


def _run_trainer(options: argparse.Namespace) -> int:
    """`bertdata finetune|features`: pass the arguments on to a module that needs torch."""
    return _call(options.module, [given for given in options.arguments if given != "--debug"])


def _call(module: str, arguments: Sequence[str]) -> int:
    """Run a module in a process that ends with this one; returns its exit status.

    It has a process group of its own, so that Ctrl-C reaches this process alone and is reported
    once.
    """
    import subprocess

    from flows.processes.children import child_command, child_environment

    command = child_command(module, arguments)
    with subprocess.Popen(command, env=child_environment(), process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            print(
                "bertdata: stopped; the same command starts again from the beginning",
                file=sys.stderr,
            )
            return stopped_status()


def _serve_flows(options: argparse.Namespace) -> int:
    """`bertdata serve`."""
    from flows.config import DEMO_CONFIG
    from flows.paths import default_output
    from flows.server.settings import prepare_environment

    prepare_environment(debug=True)  # what happens here is its log
    from flows.serve import serve

    config = options.config or DEMO_CONFIG
    output: Location = options.output or default_output(config)
    serve(config, output, options.name, options.limit, options.cron)
    return 0


def _show_config(options: argparse.Namespace) -> int:
    """`bertdata config`."""
    from flows.config import RunConfig, load_config, to_toml

    config = load_config(options.config, options.set) if options.config else RunConfig()
    print(to_toml(config), end="")
    return 0


def _print_completion(options: argparse.Namespace) -> int:
    """`bertdata completion`."""
    from flows.config import all_keys

    print(make_completion(options.shell, _make_parser("completion"), all_keys()), end="")
    return 0


def _run_flow(name: str, options: argparse.Namespace, view: View) -> Location:
    from bertdata.config import to_table
    from bertdata.storage.locks import hold
    from bertdata.storage.writing import check_writable
    from flows.config import load_config
    from flows.paths import RunPaths, default_output
    from flows.processes.fork_server import prepare_jobs
    from flows.server.settings import prepare_environment
    from flows.server.temporary import ensure_server, has_own_server, without_heartbeats

    # Errors in the configuration are reported before anything starts.
    config = load_config(options.config, options.set)
    output: Location = options.output or default_output(options.config)
    with hold(output), view.showing():
        check_writable(output)  # hours of work would be lost otherwise
        prepare_environment(options.debug)
        # Both start while this process imports Prefect.
        unfinished = RunPaths(output).unfinished(name)
        if set(unfinished) - {"train"}:
            prepare_jobs()
        wait_for_server = ensure_server()
        from flows import end_to_end

        wait_for_server()
        flow = getattr(end_to_end, name)
        where = output.absolute() if isinstance(output, Path) else output
        with without_heartbeats(unless=bool(unfinished) and has_own_server()):
            flow(to_table(config), str(options.config.absolute().parent), str(where))
    return output


def _newest_model(runs: Path) -> Path:
    models = sorted(runs.glob("*/model/model.safetensors"), key=lambda path: path.stat().st_mtime)
    if not models:
        raise ConfigError(f"no trained model below {runs}/; name one with --model DIR")
    return models[-1].parent


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=locate,
        metavar="DIR",
        help="folder for the results, also s3://bucket/folder (runs/<config name>)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    shown.add_argument(
        "--json", action="store_true", help="print what happens as JSON, an object a line"
    )
    _add_set(parser)


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="override one key, such as examples.max_seq_length=512; may be repeated",
    )
