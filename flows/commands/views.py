"""The commands that read a finished run: `verify`, `inspect`, `diff`, `report` and `export`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bertdata.storage.locations import locate
from flows.commands.command import Command

# Of `bertdata.exports`, which would import pyarrow.
_EXPORT_FORMATS = ("tfrecord", "parquet", "mds")


def _add_folder(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=locate, metavar="DIR")


def _verify_run(options: Namespace) -> int:
    from flows.views.verify import verify

    findings = verify(options.folder)
    for finding in findings:
        print(finding)
    print(f"{options.folder}: {_describe_problems(len(findings)) if findings else 'OK'}")
    return 1 if findings else 0


def _describe_problems(count: int) -> str:
    found = "1 problem" if count == 1 else f"{count} problems"
    return f"{found} found; delete the damaged files or their stage's folder, then run again"


def _add_inspect_options(parser: ArgumentParser) -> None:
    _add_folder(parser)
    parser.add_argument("--rows", type=int, default=3, help="how many examples (3)")
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--stats", action="store_true", help="measured shares and lengths instead")
    instead.add_argument(
        "--document",
        metavar="ID",
        help="one document's whole way instead: its document_id, or its name as shown here",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="CONFIG.toml",
        help="of the run, to read the document's text again (NAME.toml for runs/NAME)",
    )


def _inspect_run(options: Namespace) -> int:
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


def _add_diff_options(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=locate, metavar="RUN_A")
    parser.add_argument("other", type=locate, metavar="RUN_B")


def _diff_runs(options: Namespace) -> int:
    """Returns 0 if the data are the same, 1 if they differ."""
    from flows.paths import RunPaths
    from flows.terminal.styled import print_lines
    from flows.views.differences import compare_runs

    comparison = compare_runs(RunPaths(options.folder), RunPaths(options.other))
    print_lines(comparison.lines)
    return 0 if comparison.are_same else 1


def _add_report_options(parser: ArgumentParser) -> None:
    _add_folder(parser)
    text = "a vocabulary to compare with: vocab.txt, tokenizer.json or a Hugging Face folder"
    parser.add_argument("--reference-vocab", type=locate, metavar="FILE", help=text)


def _report_run(options: Namespace) -> int:
    from flows.paths import RunPaths
    from flows.views.report.page import write_report

    print(write_report(RunPaths(options.folder), options.reference_vocab))
    return 0


def _add_export_options(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=locate, metavar="RUN", help="or its examples/")
    parser.add_argument("--format", choices=_EXPORT_FORMATS, required=True, help="of the files")
    text = "folder for them, also s3://bucket/folder (RUN/export-FORMAT)"
    parser.add_argument("--output", type=locate, metavar="DIR", help=text)


def _export_examples(options: Namespace) -> int:
    from flows.views.export import export_run

    export_run(options.folder, options.format, options.output, say=print)
    return 0


VERIFY = Command("verify", "read everything again and check it", _add_folder, _verify_run)
INSPECT = Command("inspect", "show examples as readable text", _add_inspect_options, _inspect_run)
DIFF = Command(
    "diff", "what differs between two runs, and whether the data do", _add_diff_options, _diff_runs
)
REPORT = Command("report", "write one HTML page about a run", _add_report_options, _report_run)
EXPORT = Command(
    "export",
    "write the examples for TensorFlow, datasets or streaming",
    _add_export_options,
    _export_examples,
)
