"""Scores equal those of scikit-learn and scipy; spans are counted whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trainer.tuning.scores import (
    classification_scores,
    has_spans,
    pearson,
    ranks,
    regression_scores,
    span_f1,
    spans,
    tagging_scores,
)

metrics = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")


@given(
    st.integers(2, 4).flatmap(
        lambda c: st.tuples(
            st.just(c),
            st.lists(
                st.tuples(st.integers(0, c - 1), st.integers(0, c - 1)), min_size=1, max_size=30
            ),
        )
    )
)
def test_classification_equals_scikit_learn(case: tuple[int, list[tuple[int, int]]]) -> None:
    c, pairs = case
    labels, guesses = np.array(pairs).T
    assume(len({*labels, *guesses}) > 1)  # scikit-learn warns
    found = classification_scores(labels, guesses, c)
    macro = metrics.f1_score(labels, guesses, average="macro", zero_division=0)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, guesses))
    assert found["macro_f1"] == pytest.approx(macro)
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(labels, guesses))
    if c == 2:
        f1 = metrics.f1_score(labels, guesses, labels=[1], average="micro", zero_division=0)
        assert found["f1"] == pytest.approx(f1)
    else:
        assert found["f1"] == found["macro_f1"]


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30))
def test_correlations_equal_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=np.float64).T
    found = regression_scores(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found == {"pearson": 0.0, "spearman": 0.0}
        return
    assert found["pearson"] == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-9)
    assert found["spearman"] == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-9)


def test_ranks_of_equal_values_are_shared() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0])).tolist() == [1.5, 0.0, 1.5]
    assert pearson(np.array([1.0, 2.0]), np.array([3.0, 5.0])) == 1.0


def test_spans_are_right_only_whole() -> None:
    assert spans(["B-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-PER"]) == [
        ("PER", 0, 2),
        ("LOC", 3, 4),
        ("LOC", 4, 5),
        ("PER", 5, 6),
    ]
    assert spans(["B-PER", "O", "I-PER", "I-PER"]) == [("PER", 0, 1), ("PER", 2, 4)]
    wanted = [["B-PER", "I-PER", "O", "B-LOC"], ["O"]]
    assert span_f1(wanted, wanted) == 1.0
    assert span_f1(wanted, [["B-PER", "O", "O", "B-LOC"], ["O"]]) == 0.5
    assert span_f1([["O"]], [["O"]]) == 0.0


def test_tagging_counts_spans_only_where_there_are_any() -> None:
    assert not has_spans(["DT", "NN"])
    assert not has_spans(["O"])
    plain = tagging_scores([["DT", "NN"], ["NN"]], [["DT", "DT"], ["NN"]], ["DT", "NN"])
    assert plain["accuracy"] == pytest.approx(2 / 3)
    assert plain["f1"] == plain["macro_f1"] == pytest.approx(2 / 3)
    spanned = tagging_scores([["B-X", "I-X"]], [["B-X", "O"]], ["B-X", "I-X", "O"])
    assert spanned["f1"] == 0.0
    assert spanned["accuracy"] == 0.5
