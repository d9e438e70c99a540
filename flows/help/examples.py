"""The examples at the end of each command's `--help`."""

from __future__ import annotations

from collections.abc import Mapping


def examples_of(command: str) -> str:
    """The examples of a command as the last lines of its help."""
    return "\n".join(["examples:", *(f"  bertdata {line}" for line in _EXAMPLES[command])])


_EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": (
        "demo                                   the whole job on a corpus that comes with it",
        "init texts/                            a configuration for your own text",
        "run texts.toml                         the whole job on your own text",
    ),
    "demo": ("demo", "demo --output elsewhere --set train.steps=200"),
    "init": (
        "init texts/ --output my.toml",
        "init simplewiki-latest-pages-articles.xml.bz2",
        "init s3://bucket/texts --output my.toml",
    ),
    "run": (
        "run my.toml",
        "run my.toml --output s3://bucket/runs/my --set examples.whole_word_mask=true",
    ),
    "sentences": ("sentences my.toml", "sentences my.toml --set runner.workers=4"),
    "vocab": ("vocab my.toml", "vocab my.toml --set vocab.size=8000"),
    "examples": ("examples my.toml", "examples my.toml --set examples.max_seq_length=512"),
    "train": ("train my.toml", "train my.toml --set train.model=base --set train.precision=bf16"),
    "verify": ("verify runs/my", "verify s3://bucket/runs/my"),
    "inspect": ("inspect runs/my --rows 5 --split validation", "inspect runs/my --stats"),
    "diff": ("diff runs/my runs/other",),
    "report": ("report runs/my", "report runs/my --reference-vocab bert-base-uncased/vocab.txt"),
    "export": (
        "export runs/my --format parquet",
        "export runs/my --format tfrecord --output s3://bucket/tfrecords",
    ),
    "fill-mask": ('fill-mask --model runs/my/model "The capital of France is [MASK]."',),
    "finetune": (
        "finetune runs/my/model --train train.tsv --text sentence --label label --output tuned",
        "finetune bert/ --train words.tsv --task tagging --output tagger --seeds 1,2,3",
    ),
    "features": (
        "features runs/my/model --input runs/my/sentences --output vectors.arrow",
        "features runs/my/model --input texts.txt --pooling cls --layers=-1,-2 --output cls.arrow",
    ),
    "serve": ("serve my.toml", 'serve my.toml --cron "0 3 * * *"'),
    "config": ("config", "config my.toml --set vocab.size=8000"),
    "completion": (
        "completion bash >> ~/.bashrc",
        "completion zsh >> ~/.zshrc",
    ),
}
