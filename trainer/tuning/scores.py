"""Scores of predictions. Labels are numbers from 0; every score is in [-1, 1], 1 is best.

A score that is not defined (for a class without labels and predictions, or equal values) is 0, as
in scikit-learn, to whose functions of the same names these are equal.

Shapes: N predictions, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bertdata.arrays import AnyArray, Float64Array, Int64Array

_Span = tuple[str, int, int]


def classification_scores(labels_N: Int64Array, guesses_N: Int64Array, c: int) -> dict[str, float]:
    """Return accuracy, f1 (of class 1 of two classes, else macro_f1), macro_f1, mcc."""
    f1_C = _f1_by_class(labels_N, guesses_N, c)
    macro_f1 = _macro(f1_C, labels_N, guesses_N)
    return {
        "accuracy": float((labels_N == guesses_N).mean()),
        "f1": float(f1_C[1]) if c == 2 else macro_f1,
        "macro_f1": macro_f1,
        "mcc": _matthews_correlation(labels_N, guesses_N, c),
    }


def regression_scores(labels_N: Float64Array, guesses_N: Float64Array) -> dict[str, float]:
    """Return pearson, spearman."""
    return {
        "pearson": pearson(labels_N, guesses_N),
        "spearman": pearson(ranks(labels_N), ranks(guesses_N)),
    }


def tagging_scores(
    labels: Sequence[Sequence[str]], guesses: Sequence[Sequence[str]], names: Sequence[str]
) -> dict[str, float]:
    """Return accuracy and macro_f1 by word; f1 of spans if tags are B-, I-, O, else macro_f1."""
    ids = {name: i for i, name in enumerate(names)}
    labels_N = np.array([ids[tag] for tags in labels for tag in tags], dtype=np.int64)
    guesses_N = np.array([ids[tag] for tags in guesses for tag in tags], dtype=np.int64)
    macro_f1 = _macro(_f1_by_class(labels_N, guesses_N, len(names)), labels_N, guesses_N)
    return {
        "accuracy": float((labels_N == guesses_N).mean()),
        "f1": span_f1(labels, guesses) if has_spans(names) else macro_f1,
        "macro_f1": macro_f1,
    }


def _f1_by_class(labels_N: Int64Array, guesses_N: Int64Array, c: int) -> Float64Array:
    """Return 2 right / (labels + guesses) of each class."""
    right_C = np.bincount(labels_N[labels_N == guesses_N], minlength=c)
    total_C = np.bincount(labels_N, minlength=c) + np.bincount(guesses_N, minlength=c)
    f1_C: Float64Array = 2 * right_C / np.maximum(total_C, 1)
    return f1_C


def _matthews_correlation(labels_N: Int64Array, guesses_N: Int64Array, c: int) -> float:
    """Return the correlation of labels and guesses (Gorodkin 2004, for any number of classes)."""
    labels_C = np.bincount(labels_N, minlength=c).astype(np.float64)
    guesses_C = np.bincount(guesses_N, minlength=c).astype(np.float64)
    n, right = len(labels_N), float((labels_N == guesses_N).sum())
    covariance = right * n - labels_C @ guesses_C
    variances = (n * n - labels_C @ labels_C) * (n * n - guesses_C @ guesses_C)
    return float(covariance / np.sqrt(variances)) if variances > 0 else 0.0


def pearson(first_N: Float64Array, second_N: Float64Array) -> float:
    """Return the linear correlation of two rows of numbers."""
    a_N, b_N = first_N - first_N.mean(), second_N - second_N.mean()
    scale = float(np.sqrt((a_N @ a_N) * (b_N @ b_N)))
    return float(np.clip(a_N @ b_N / scale, -1, 1)) if scale > 0 else 0.0


def ranks(values_N: Float64Array) -> Float64Array:
    """Return the rank of each value, from 0; equal values have the mean of their ranks.

    ranks([5, 1, 5]) -> [1.5, 0, 1.5]
    """
    _, inverse_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((2 * ends - counts - 1) / 2)[inverse_N]


def has_spans(names: Iterable[str]) -> bool:
    """Whether all tags are O, B-x or I-x, and some are not O."""
    marked = [name for name in names if name != "O"]
    return bool(marked) and all(name[:2] in ("B-", "I-") for name in marked)


def span_f1(labels: Sequence[Sequence[str]], guesses: Sequence[Sequence[str]]) -> float:
    """Return F1 of whole spans, which are right if their type and both ends are."""
    wanted = {(i, *span) for i, tags in enumerate(labels) for span in spans(tags)}
    found = {(i, *span) for i, tags in enumerate(guesses) for span in spans(tags)}
    return 2 * len(wanted & found) / max(1, len(wanted) + len(found))


def spans(tags: Sequence[str]) -> list[_Span]:
    """Return (type, first, end) of each span; an I- after another type starts one (conlleval).

    spans(["B-PER", "I-PER", "O", "I-LOC"]) -> [("PER", 0, 2), ("LOC", 3, 4)]
    """
    found: list[_Span] = []
    for place, tag in enumerate(tags):
        if tag == "O":
            continue
        kind = tag[2:]
        if tag[0] == "I" and found and found[-1][0] == kind and found[-1][2] == place:
            found[-1] = (kind, found[-1][1], place + 1)
        else:
            found.append((kind, place, place + 1))
    return found


def _macro(f1_C: Float64Array, *given: AnyArray) -> float:
    """Return the mean over the classes that occur."""
    return float(f1_C[np.unique(np.concatenate(given))].mean())
