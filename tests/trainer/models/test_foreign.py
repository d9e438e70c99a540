"""Model folders of strangers, given to the commands: absurd values, odd files, links, bad numbers.

Each is one line on stderr, an exit code that says so, at once, and nothing is written.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bertdata.errors import VocabularyError
from tests.example_folder import Folders, write_folders
from tests.trainer.models.test_bert import make_model
from tests.trainer.task_files import write_model
from trainer.features.__main__ import main as features
from trainer.features.fill_mask import main as fill_mask
from trainer.models.bert import Bert
from trainer.models.export import export_model, load_encoder
from trainer.pretrain import main as pretrain
from trainer.tuning.__main__ import main as finetune
from vocab.config import VocabConfig
from vocab.plan import plan_vocabulary

Damage = Callable[[Path], object]


def with_config(**changes: Any) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))

    return damage


def with_text(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


def with_weight(change: Callable[[torch.Tensor], torch.Tensor], name: str = "") -> Damage:
    def damage(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        chosen = name or "bert.encoder.layer.1.output.dense.weight"
        weights[chosen] = change(weights[chosen]).contiguous()
        save_file(weights, folder / "model.safetensors")

    return damage


def as_pickle(change: Callable[[torch.Tensor], torch.Tensor]) -> Damage:
    def damage(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        name = "bert.embeddings.word_embeddings.weight"
        weights[name] = change(weights[name])
        torch.save(weights, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()

    return damage


def with_pipe(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return damage


def with_link(name: str, target: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return damage


def compressed(folder: Path) -> None:
    """As torch never writes it: one that unpacks to far more would fill the memory."""
    as_pickle(torch.zeros_like)(folder)
    path = folder / "pytorch_model.bin"
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def set_to(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        changed = tensor.clone()
        changed.view(-1)[-1] = value
        return changed

    return change


def with_huge_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}")


def with_huge_shape(folder: Path) -> None:
    shape = {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4 * 10**18]}
    header = json.dumps({"bert.embeddings.word_embeddings.weight": shape}).encode()
    data = struct.pack("<Q", len(header)) + header
    (folder / "model.safetensors").write_bytes(data)


def with_index(**table: Any) -> Damage:
    def damage(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "shard.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps(table))

    return damage


_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_WRONG = (10**12, 10**8, 10**300, -1, 0, 1.5, "x", True, [1], {"a": 1})
CONFIGS: dict[str, tuple[Damage, str]] = (
    {
        f"{key} = {str(value)[:15]}": (with_config(**{key: value}), key)
        for key in _SIZES
        for value in _WRONG
    }
    | {
        f"{key} = {value!r:.15}": (with_config(**{key: value}), key)
        for key in ("hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps")
        for value in ("x", True, [1], float("nan"), float("inf"), -0.5, 10**300)
    }
    | {
        "pad_token_id = 'x'": (with_config(pad_token_id="x"), "pad_token_id"),
        "pad_token_id = 10**12": (with_config(pad_token_id=10**12), "pad_token_id"),
        "pad_token_id = 99": (with_config(pad_token_id=99), "pad_id must be below vocab_size, "),
        "vocab_size = null": (with_config(vocab_size=None), "lacks 'vocab_size'"),
        "num_hidden_layers = null": (with_config(num_hidden_layers=None), "'num_hidden_layers'"),
        "hidden_act = [1]": (with_config(hidden_act=["gelu"]), "hidden_act must be a name"),
        "hidden_act = 1": (with_config(hidden_act=1), "hidden_act must be a name"),
        "model_type = [1]": (with_config(model_type=[1] * 9999), "model_type must be 'bert'"),
        "architectures = 1": (
            with_config(model_type=None, architectures=1),
            "architectures must be",
        ),
        "architectures = 'x'": (with_config(architectures="x"), "architectures must be a list"),
        "position_embedding_type": (
            with_config(position_embedding_type=[1]),
            "position_embedding_type",
        ),
        "brackets": (with_text("config.json", "[" * 200_000), "nested too deeply"),
        "braces": (with_text("config.json", '{"a":' * 200_000), "nested too deeply"),
        "a list": (with_text("config.json", "[]"), "is not a table of settings"),
        "null": (with_text("config.json", "null"), "is not a table of settings"),
        "a number": (with_text("config.json", "1" * 9999), "holds no complete model"),
        "half a character": (
            with_text("config.json", '{"a": "\\ud800"}'),
            "holds no complete model",
        ),
        "nothing": (with_text("config.json", ""), "holds no complete model"),
        "one layer more": (with_config(num_hidden_layers=3), "lacks bert.encoder.layer.2."),
        "256 layers": (with_config(num_hidden_layers=256), "lacks bert.encoder.layer.2."),
        "other sizes": (
            with_config(intermediate_size=64),
            "has the shape [32], config.json says [64]",
        ),
        "huge sizes": (
            with_config(vocab_size=1 << 24, hidden_size=1 << 16, intermediate_size=1 << 18),
            "this machine has",
        ),
    }
)
FILES: dict[str, tuple[Damage, str]] = {
    f"{name} is {kind}": (damage(name), message)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
    for kind, damage, message in (
        ("a pipe", with_pipe, "is not a regular file"),
        ("/dev/zero", lambda name: with_link(name, "/dev/zero"), "is not a regular file"),
        ("a link out", lambda name: with_link(name, "../private"), "leads out of its folder"),
    )
} | {
    "vocab.txt is a pipe": (
        lambda folder: ((folder / "tokenizer.json").unlink(), with_pipe("vocab.txt")(folder)),
        "is not a regular file",
    ),
    "special_tokens_map.json is a link out": (
        with_link("special_tokens_map.json", "../private"),
        "leads out of its folder",
    ),
    "pytorch_model.bin is a pipe": (
        lambda folder: (
            (folder / "model.safetensors").unlink(),
            with_pipe("pytorch_model.bin")(folder),
        ),
        "is not a regular file",
    ),
    "a huge header": (with_huge_header, "holds no complete model"),
    "a huge shape": (with_huge_shape, "holds no complete model"),
    "an index of nothing": (with_index(weight_map=[1]), "has no weight_map"),
    "an index of itself": (with_index(weight_map={"a": ""}), "holds no complete model"),
    "an index of a pipe": (
        lambda folder: (with_index(weight_map={"a": "p"})(folder), os.mkfifo(folder / "p")),
        "is not a regular file",
    ),
    "a compressed pickle": (compressed, "is damaged, or holds more than tensors"),
    "a manifest in brackets": (with_text("manifest.json", "[" * 200_000), "is damaged"),
    "a manifest that is a link out": (
        with_link("manifest.json", "../private"),
        "leads out of its folder",
    ),
    "a tokenizer that panics": (
        with_text(
            "tokenizer.json",
            '{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}',
        ),
        "is not a tokenizer: Precompiled",
    ),
    "a tokenizer in brackets": (with_text("tokenizer.json", "[" * 200_000), "is not a tokenizer"),
    "an infinite id": (with_text("added_tokens.json", '{"x": Infinity}'), "has an invalid value"),
    "settings in brackets": (
        with_text("tokenizer_config.json", '{"a":' * 200_000),
        "nested too deeply",
    ),
    "special pieces that are a number": (
        with_text("tokenizer_config.json", '{"additional_special_tokens": 5}'),
        "has an invalid value",
    ),
}
NUMBERS: dict[str, tuple[Damage, str]] = {
    "NaN": (
        with_weight(set_to(float("nan"))),
        "bert.encoder.layer.1.output.dense.weight has a number that is NaN or infinite",
    ),
    "infinite": (with_weight(set_to(float("-inf"))), "has a number that is NaN or infinite"),
    "NaN in half": (with_weight(lambda t: set_to(float("nan"))(t.half())), "NaN or infinite"),
    "too large for fp32": (with_weight(lambda t: set_to(1e300)(t.double())), "NaN or infinite"),
    "integers": (with_weight(lambda t: t.long()), "has no floating-point numbers but torch.int64"),
    "bytes": (with_weight(lambda t: t.to(torch.uint8)), "has no floating-point numbers but"),
    "float8": (with_weight(lambda t: t.to(torch.float8_e4m3fn)), "has no floating-point numbers"),
    "complex": (as_pickle(lambda t: t.to(torch.complex64)), "has no floating-point numbers but"),
    "sparse": (as_pickle(lambda t: t.to_sparse()), "holds no complete model|no floating-point"),
    "meta": (as_pickle(lambda t: t.to("meta")), "holds no complete model|no floating-point"),
    "NaN in a pickle": (as_pickle(set_to(float("nan"))), "NaN or infinite"),
    "a column less": (with_weight(lambda t: t[:, 1:]), "has the shape [16, 31], config.json says"),
    "flat": (with_weight(lambda t: t.view(-1)), "has the shape [512], config.json says [16, 32]"),
}
TABLE: Mapping[str, tuple[Damage, str]] = CONFIGS | FILES | NUMBERS


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("source"))


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    """A whole model of a stranger, beside a private file."""
    model = tmp_path / "model"
    model.mkdir()
    for path in source.iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    private = tmp_path / "private"
    private.write_text('{"secret": 1}')
    private.chmod(0o600)
    (tmp_path / "rows.tsv").write_text("text\tlabel\n" + "good\t1\nbad\t0\n" * 4)
    return model


def run_all(folder: Path, output: Path) -> Iterator[int]:
    """The exit codes of the commands that read such a folder, over the rows beside `output`."""
    rows = output.parent / "rows.tsv"
    yield fill_mask(["--model", str(folder), "a [MASK]"])
    yield features([str(folder), "--input", str(rows), f"--output={output}.arrow"])
    yield finetune([str(folder), "--train", str(rows), f"--output={output}", "--epochs=1"])


def read_error(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if "warning: " not in line]
    (line,) = (line for line in lines if not line.startswith("note: "))
    assert line.startswith("error: ")
    assert len(line) < 600
    return line


@pytest.mark.parametrize("fault", TABLE)
def test_each_fault_is_one_line_of_the_commands(
    folder: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, message = TABLE[fault]
    damage(folder)
    output = folder.parent / "out"
    for code in run_all(folder, output):
        assert code in (1, 2)
        line = read_error(capsys)
        assert any(part in line for part in message.split("|")), line
    assert not list(output.glob("*.safetensors"))
    assert not Path(f"{output}.arrow").exists()


def to_cache(folder: Path) -> Path:
    """The same model as in the cache of the hub: a folder of links to blobs."""
    repository = folder.parent / "models--some--bert"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in folder.iterdir():
        path.rename(repository / "blobs" / f"of-{path.name}")
        (snapshot / path.name).symlink_to(f"../../blobs/of-{path.name}")
    return snapshot


def test_a_model_in_the_cache_of_the_hub_works_everywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = folder.parent / "out"
    snapshot = to_cache(folder)
    assert [*run_all(snapshot, output)] == [0, 0, 0]
    assert "error" not in capsys.readouterr().err
    tokenizer = output / "tokenizer.json"
    assert not tokenizer.is_symlink()
    assert tokenizer.read_bytes() == (snapshot / "tokenizer.json").read_bytes()


def test_a_model_whose_weights_have_more_layers_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_config(num_hidden_layers=1)(folder)
    assert load_encoder(folder)[0].config.num_layers == 1
    said = capsys.readouterr().err
    assert "warning: " in said
    assert "has bert.encoder.layer.1." in said
    assert "which config.json leaves out" in said


def test_random_parts_do_not_depend_on_what_was_checked_before(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, folder / "model.safetensors")
    torch.manual_seed(3)
    found = load_encoder(folder)[0]
    torch.manual_seed(3)
    assert torch.equal(found.pooler.weight, Bert(found.config).pooler.weight)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return write_folders(tmp_path / "data")


def train(folders: Folders, output: Path, *options: str) -> int:
    stages = ["--examples", str(folders.examples), "--vocab", str(folders.vocab)]
    short = ["--steps=1", "--batch-size=4", "--device=cpu", "--threads=1"]
    return pretrain([*stages, f"--output={output}", *short, *options])


@pytest.mark.parametrize(
    "fault",
    ["num_hidden_layers = 100000000", "hidden_size = x", "NaN", "integers", "brackets"]
    + [f"{name} is a pipe" for name in ("config.json", "tokenizer.json", "model.safetensors")]
    + ["tokenizer_config.json is a link out", "256 layers", "huge sizes", "a column less"],
)
def test_training_does_not_start_from_it(
    folders: Folders, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "start"
    export_model(make_model(), start, vocab=folders.vocab)
    (tmp_path / "private").write_text("{}")
    damage, _ = TABLE[fault]
    damage(start)
    assert train(folders, tmp_path / "out", f"--init-from={start}") in (1, 2)
    read_error(capsys)
    assert not (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["tokenizer_config.json", "added_tokens.json", "vocab.txt"])
def test_nothing_private_is_copied_into_a_result(
    folders: Folders, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even by a run that never reads that file, such as the settings of its vocabulary."""
    private = tmp_path / "private"
    private.write_text("{}" if name != "vocab.txt" else (folders.vocab / name).read_text())
    private.chmod(0o600)
    with_link(name, str(private))(folders.vocab)
    assert train(folders, tmp_path / "out") == 1
    assert "leads out of its folder" in read_error(capsys)
    assert not (tmp_path / "out" / name).exists()
    assert not (tmp_path / "out" / "metrics.jsonl").exists()  # it did not train before it said so


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "link"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_vocabulary_that_is_no_file_is_refused_at_once(
    tmp_path: Path, kind: str, is_folder: bool
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "private").write_text("secret")
    target = {"/dev/zero": kind, "link": "../private"}.get(kind)
    (with_link("vocab.txt", target) if target else with_pipe("vocab.txt"))(folder)
    given = folder if is_folder else folder / "vocab.txt"
    with pytest.raises(VocabularyError, match=r"not a regular file|leads out of its folder"):
        plan_vocabulary(tmp_path / "vocab", tmp_path / "none", VocabConfig(file=str(given)))


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o027])
def test_results_have_the_rights_that_the_umask_leaves(
    folders: Folders, folder: Path, tmp_path: Path, umask: int
) -> None:
    """Whatever rights the files had that they were copied from."""
    for path in folder.iterdir():
        path.chmod(0o666)
    output = tmp_path / "results"
    before = os.umask(umask)
    try:
        output.mkdir()
        (output / "rows.tsv").write_bytes((tmp_path / "rows.tsv").read_bytes())
        assert [*run_all(folder, output / "tuned")] == [0, 0, 0]
        assert train(folders, output / "trained", "--checkpoint-every=1") == 0
    finally:
        os.umask(before)
    found = {path: path.stat().st_mode & 0o777 for path in output.rglob("*")}
    assert len(found) > 15
    wrong = {p: oct(m) for p, m in found.items() if m != (0o777 if p.is_dir() else 0o666) & ~umask}
    assert not wrong
