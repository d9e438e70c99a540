"""`bertdata verify`: whatever is done to a finished run, it is found, and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from bertdata.storage.files import read_bytes, remove_file
from bertdata.storage.locations import Address
from bertdata.storage.manifest import make_manifest, read_manifest, write_manifest
from bertdata.storage.shards import describe_file, open_arrow
from bertdata.storage.writing import write_json
from bertdata.tokens.vocabulary import read_vocabulary
from flows.paths import RunPaths
from flows.views.verify import verify
from tests.copies import copy_folder, write_bytes
from tests.runs import edit_manifest, make_run, some_documents


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    documents: dict[str, str | bytes] = {**some_documents(), "bad.txt": b"\xff"}
    paths = make_run(tmp_path_factory.mktemp("finished"), documents)
    add_model(paths)
    return paths


@pytest.fixture
def run(finished: RunPaths, tmp_path: Path) -> RunPaths:
    shutil.copytree(finished.output, tmp_path / "run")
    return RunPaths(tmp_path / "run")


def add_model(paths: RunPaths) -> None:
    """A folder such as the trainer leaves, with weights that nobody trained."""
    paths.model.mkdir()
    vocabulary = read_vocabulary(paths.vocab / "vocab.txt")
    shutil.copy(paths.vocab / "vocab.txt", paths.model)
    save_file({"weight": np.ones((3, 4), np.float32)}, paths.model / "model.safetensors")
    write_json(paths.model / "config.json", {"vocab_size": vocabulary.size})
    write_json(paths.model / "results.json", {"mlm_loss": 3.5, "nsp_accuracy": None, "steps": 7})
    examples = read_manifest(paths.examples).content_sha256
    origin = {"examples": examples, "vocabulary": vocabulary.fingerprint}
    write_json(paths.model / "run.json", origin)
    (paths.model / "metrics.jsonl").write_text('{"step": 1, "mlm_loss": 9.5}\n')
    describe_model(paths)


def describe_model(paths: RunPaths) -> None:
    """The manifest of a model whose files are as they shall be."""
    examples = read_manifest(paths.examples).content_sha256
    names = ("config.json", "model.safetensors", "results.json", "vocab.txt")
    manifest = make_manifest(
        "model",
        config={},
        inputs={"examples": {"content_sha256": examples}},
        counts=json.loads((paths.model / "results.json").read_bytes()),
        shards=[describe_file(paths.model / name, 1) for name in names],
    )
    write_manifest(paths.model, manifest)


def files_of(output: Path) -> list[Path]:
    """Every file that the run's manifests list."""
    return sorted(
        manifest.parent / shard["path"]
        for manifest in output.glob("*/manifest.json")
        for shard in json.loads(manifest.read_bytes())["shards"]
    )


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x20
    path.write_bytes(data)


def test_a_finished_run_is_well(finished: RunPaths) -> None:
    assert verify(finished.output) == []
    for folder in (finished.sentences, finished.vocab, finished.examples, finished.model):
        assert verify(folder) == []


def test_flipped_bit_in_every_file(run: RunPaths) -> None:
    for path in files_of(run.output):
        content = path.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            flip(path, place)
            assert any(f"{path}: sha256" in finding for finding in verify(run.output))
            path.write_bytes(content)


@pytest.mark.parametrize("stage", ["sentences", "vocab", "examples"])
def test_flipped_bit_in_a_manifest(run: RunPaths, stage: str) -> None:
    path = run.output / stage / "manifest.json"
    content = path.read_bytes()
    for place in (0, content.index(b"sha256") + 10, content.index(b'"version": ') + 11):
        flip(path, place)
        assert any("manifest.json" in finding for finding in verify(run.output))
        path.write_bytes(content)


def test_missing_and_truncated_files(run: RunPaths) -> None:
    for path in files_of(run.output):
        content = path.read_bytes()
        path.write_bytes(content[:-7])
        assert any(f"{path}: {len(content) - 7} bytes" in line for line in verify(run.output))
        path.unlink()
        assert any(line == f"{path}: missing" for line in verify(run.output))
        path.write_bytes(content)


def test_missing_sentences_are_not_held_against_the_examples(run: RunPaths) -> None:
    path = next(run.sentences.glob("sentences-*"))
    path.unlink()
    assert verify(run.output) == [f"{path}: missing"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("train-00009-of-00003.arrow", "is not in the manifest"),
        (".train-00001-of-00003.arrow.x8.tmp", "is left from a write that was cut off"),
        ("sub/notes.txt", "is not in the manifest"),
        (".progress/plan.json", "is left from an unfinished run"),
    ],
)
def test_stray_file(run: RunPaths, name: str, why: str) -> None:
    path = run.examples / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    (finding,) = verify(run.output)
    assert why in finding
    assert verify(run.examples) == [finding]


def test_name_with_a_line_end_stays_on_one_line(run: RunPaths) -> None:
    (run.examples / "a\n\x1b[31mb").write_bytes(b"")
    (finding,) = verify(run.output)
    assert "a\\n\\x1b[31mb" in finding


@pytest.mark.parametrize("name", ["../secret.arrow", "/etc/hostname"])
def test_path_that_leaves_its_folder(run: RunPaths, name: str) -> None:
    shutil.copy(run.examples / "train-00000-of-00003.arrow", run.output / "secret.arrow")

    def change(table: dict[str, Any]) -> None:
        table["shards"][0]["path"] = name

    edit_manifest(run.examples, change)
    assert any("leaves its folder" in finding for finding in verify(run.output))


@pytest.mark.parametrize("name", ["../../evil/x", "/etc/evil", "a\nb"])
def test_names_of_corpora_name_no_files(name: str, tmp_path: Path) -> None:
    paths = make_run(tmp_path / "all", some_documents(), corpus={"name": name})
    assert verify(paths.output) == []
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"texts", "run"}
    assert not any("evil" in path.name for path in tmp_path.rglob("*"))
    with open_arrow(next(paths.sentences.glob("sentences-*"))) as reader:
        assert set(reader.read_all()["source"].to_pylist()) == {name}


def test_shard_listed_twice(run: RunPaths) -> None:
    edit_manifest(run.examples, lambda table: table["shards"].append(table["shards"][0]))
    assert any("is listed twice" in finding for finding in verify(run.output))


def test_content_hash_that_is_not_of_the_shards(run: RunPaths) -> None:
    path = run.examples / "manifest.json"
    table = json.loads(path.read_bytes())
    write_json(path, {**table, "content_sha256": "0" * 64})
    findings = verify(run.output)
    assert "content_sha256 '000" in findings[0]
    assert "was made from examples.content_sha256" in findings[1]
    assert "run.json: belongs to" in findings[2]


def test_wrong_count(run: RunPaths) -> None:
    edit_manifest(run.sentences, lambda table: table["counts"].update(documents_written=1))
    (finding,) = verify(run.output)
    assert "counts.documents_written is 1, the files have 40" in finding


def test_seed_that_another_run_had(run: RunPaths) -> None:
    edit_manifest(run.examples, lambda table: table["config"].update(seed=1))
    assert "belongs to the other split" in verify(run.output)[0]


def test_vocabulary_and_sentences_of_another_run(run: RunPaths, tmp_path: Path) -> None:
    documents = {name: text.replace("river", "brook") for name, text in some_documents().items()}
    other = make_run(tmp_path / "other", documents)
    shutil.rmtree(run.vocab)
    shutil.copytree(other.vocab, run.vocab)
    findings = "\n".join(verify(run.output))
    assert "vocab/manifest.json: was made from sentences.content_sha256" in findings
    assert "examples/manifest.json: was made from vocabulary.sha256" in findings
    assert "run.json: belongs to" in findings
    assert "model/vocab.txt: belongs to" in findings
    shutil.rmtree(run.sentences)
    shutil.copytree(other.sentences, run.sentences)
    findings = "\n".join(verify(run.output))
    assert "examples/manifest.json: was made from sentences.content_sha256" in findings


@pytest.mark.parametrize("stage", ["sentences", "vocab", "examples"])
def test_missing_stage(run: RunPaths, stage: str) -> None:
    shutil.rmtree(run.output / stage)
    (finding,) = verify(run.output)
    assert f"{run.output / stage}: is missing" in finding


def test_a_run_that_has_not_come_far(run: RunPaths) -> None:
    shutil.rmtree(run.model)
    shutil.rmtree(run.examples)
    assert verify(run.output) == []


def test_unfinished_stage(run: RunPaths) -> None:
    (run.examples / "manifest.json").unlink()
    for folder in (run.output, run.examples):
        assert any(str(run.examples) in finding for finding in verify(folder))
    (run.examples / ".progress").mkdir()
    (run.examples / ".progress" / "unit-00000.json").write_bytes(b"{}")
    findings = verify(run.output)
    assert f"{run.examples}: is not complete (1 parts done)" in findings[0]
    assert "is not complete" in verify(run.examples)[0]


@pytest.mark.parametrize(("rows", "is_sound"), [(0, True), (1, True), (64, True), (-1, False)])
def test_a_model_may_have_more_rows_than_pieces(run: RunPaths, rows: int, is_sound: bool) -> None:
    """As one that started from a given model has."""
    size = read_vocabulary(run.model / "vocab.txt").size
    write_json(run.model / "config.json", {"vocab_size": size + rows})
    describe_model(run)
    found = [line for line in verify(run.output) if "vocab_size" in line]
    assert (found == []) is is_sound


def test_needs_neither_engine_nor_torch() -> None:
    heavy = {"apache_beam", "prefect", "torch", "numba", "nltk"}
    modules = ", ".join(
        f"flows.views.{name}" for name in ("verify", "inspect", "report", "summary")
    )
    program = f"import sys, {modules}; print(*{heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_nothing_there(tmp_path: Path) -> None:
    assert "holds no stage" in verify(tmp_path)[0]
    assert "there is no such folder" in verify(tmp_path / "none")[0]


def test_manifest_of_another_format(run: RunPaths) -> None:
    edit_manifest(run.examples, lambda table: table.update(format="other"))
    assert "format is 'other'" in verify(run.examples)[0]
    assert "format is 'other'" in verify(run.output)[0]
    (run.examples / "manifest.json").write_text("[]")
    assert "is damaged" in verify(run.examples)[0]


def cut_weights(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def cut_header(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:12])


def no_header(model: Path) -> None:
    (model / "model.safetensors").write_bytes((4).to_bytes(8, "little") + b"what")


def other_size(model: Path) -> None:
    write_json(model / "config.json", {"vocab_size": 7})


def no_config(model: Path) -> None:
    (model / "config.json").write_text("{")


def not_a_number(model: Path) -> None:
    write_json(model / "results.json", {"mlm_loss": float("nan")})


def no_object(model: Path) -> None:
    write_json(model / "results.json", [1])


def bad_metrics(model: Path) -> None:
    (model / "metrics.jsonl").write_text('{"step": 1}\nwhat\n')


def no_metrics(model: Path) -> None:
    (model / "metrics.jsonl").unlink()


def bad_vocabulary(model: Path) -> None:
    (model / "vocab.txt").write_text("a\n")


def bad_origin(model: Path) -> None:
    (model / "run.json").write_text("nothing")


def unfinished(model: Path) -> None:
    (model / "results.json").unlink()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (cut_weights, "is not a complete safetensors file"),
        (cut_header, "is not a complete safetensors file"),
        (no_header, "is not a complete safetensors file"),
        (other_size, "vocab_size is 7, vocab.txt has 150 pieces"),
        (no_config, "config.json: is damaged"),
        (not_a_number, "mlm_loss is nan"),
        (no_object, "results.json: is not a JSON object"),
        (bad_metrics, "line 2 is not a JSON object"),
        (no_metrics, "metrics.jsonl: missing"),
        (bad_vocabulary, "lacks the special piece"),
        (bad_origin, "run.json: is damaged"),
        (unfinished, "is not complete (no results.json)"),
    ],
)
def test_damaged_model(run: RunPaths, change: Callable[[Path], None], wanted: str) -> None:
    (run.model / "manifest.json").unlink()
    change(run.model)
    findings = verify(run.output)
    assert sum(wanted in finding for finding in findings) == 1
    assert set(verify(run.model)) <= set(findings)


def test_damage_that_the_manifest_of_a_model_shows(run: RunPaths) -> None:
    path = run.model / "model.safetensors"
    flip(path, path.stat().st_size - 1)
    (finding,) = verify(run.output)
    assert "model.safetensors: sha256" in finding


def test_results_other_than_the_manifest_says(run: RunPaths) -> None:
    edit_manifest(run.model, lambda table: table["counts"].update(mlm_loss=1.5))
    assert "counts.mlm_loss is 1.5, the files have 3.5" in verify(run.output)[0]


def test_model_without_a_manifest(run: RunPaths) -> None:
    (run.model / "manifest.json").unlink()
    assert verify(run.model) == []  # trained by hand, perhaps
    (finding,) = verify(run.output)
    assert "is not complete (no manifest.json)" in finding


def test_a_run_at_an_address(finished: RunPaths, s3: Address) -> None:
    """It is checked as the local one; whatever is wrong with it is found."""
    copy_folder(finished.output, s3)
    assert verify(str(s3)) == verify(s3) == []
    for folder in (finished.sentences, finished.vocab, finished.examples, finished.model):
        assert verify(s3 / folder.name) == []
    write_bytes(s3 / "examples" / "notes.txt", b"x")
    assert verify(s3) == [f"{s3}/examples/notes.txt: is not in the manifest; delete it"]
    remove_file(s3 / "examples" / "notes.txt")
    remove_file(s3 / "vocab" / "vocab.txt")
    assert f"{s3}/vocab/vocab.txt: missing" in verify(s3)
    assert verify(s3 / "none") == [f"{s3}/none: there is no such folder"]


def test_a_flipped_bit_at_an_address(finished: RunPaths, s3: Address) -> None:
    copy_folder(finished.output, s3)
    for path in files_of(finished.output):
        address = s3 / path.relative_to(finished.output).as_posix()
        content = bytearray(read_bytes(address))
        content[len(content) // 2] ^= 0x20
        write_bytes(address, bytes(content))
        assert any(f"{address}: sha256" in finding for finding in verify(address.parent))


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data[:5], lambda data: b"\xff" * 8 + data[8:]]
)
def test_weights_at_an_address_without_a_manifest(
    finished: RunPaths, s3: Address, change: Callable[[bytes], bytes]
) -> None:
    copy_folder(finished.model, s3)
    remove_file(s3 / "manifest.json")
    assert verify(s3) == []
    write_bytes(s3 / "model.safetensors", change(read_bytes(s3 / "model.safetensors")))
    (finding,) = verify(s3)
    assert finding.startswith(f"{s3}/model.safetensors: is not a complete safetensors file (")
