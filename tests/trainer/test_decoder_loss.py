"""The chunked decoder loss equals the plain one; the batch losses are divided rightly."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from trainer.batch import IGNORED, Counts
from trainer.decoder_loss import Candidates, DecoderLoss, whole_decoder_loss
from trainer.objectives import LossSums


def make_inputs(n: int, v: int = 41, d: int = 8) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(n)
    parameters = (torch.randn(n, d), torch.randn(v, d), torch.randn(v))
    return (*(p.requires_grad_() for p in parameters), torch.randint(v, (n,)))


def gradients(loss: torch.Tensor, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(loss * 0.37, inputs[:3])


@pytest.mark.parametrize("n", [1, 255, 256, 257, 700])
def test_loss_and_gradients_equal_plain_cross_entropy(n: int) -> None:
    inputs = make_inputs(n)
    features, weight, bias, labels = inputs
    chunked, right = DecoderLoss()(*inputs)
    plain = functional.cross_entropy(
        functional.linear(features, weight, bias), labels, reduction="sum"
    )
    torch.testing.assert_close(chunked, plain, rtol=1e-6, atol=1e-6)
    assert right == (functional.linear(features, weight, bias).argmax(dim=1) == labels).sum()
    for ours, theirs in zip(gradients(chunked, inputs), gradients(plain, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("n", "filling"), [(5, 3), (250, 6), (257, 300), (0, 64)])
@pytest.mark.parametrize("candidates", [None, Candidates(torch.arange(41), 82)])
def test_rows_that_fill_up_have_no_part(
    n: int, filling: int, candidates: Candidates | None
) -> None:
    inputs = make_inputs(n + filling)
    inputs[3][n:] = IGNORED
    ours, right = DecoderLoss(candidates)(*inputs)
    plain, expected = whole_decoder_loss(*inputs)
    torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)
    assert right == expected
    for got, wanted in zip(gradients(ours, inputs), gradients(plain, inputs), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


def test_kept_memory_does_not_leak_from_batch_to_batch() -> None:
    decoder_loss = DecoderLoss()
    large, small = make_inputs(300), make_inputs(20)
    before = decoder_loss(*small)[0].item()
    decoder_loss(*large)
    assert decoder_loss(*small)[0].item() == before


def test_a_batch_without_predictions_costs_nothing() -> None:
    inputs = make_inputs(0)
    loss, right = DecoderLoss()(*inputs)
    assert (loss.item(), right.item()) == (0, 0)
    assert all(not g.any() for g in gradients(loss, inputs))


def test_bfloat16_is_near() -> None:
    inputs = make_inputs(500)
    exact, _ = DecoderLoss()(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = DecoderLoss()(*inputs)
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.01)
    for ours, theirs in zip(gradients(rough, inputs), gradients(exact, inputs), strict=True):
        assert functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.999


def test_candidates_hold_all_labels_and_the_frequent() -> None:
    counts_V = torch.arange(41)
    labels_N = torch.tensor([3, 3, 40, 7])
    ids_C, log_weights_C, places_N = Candidates(counts_V, 20, multiple=1).choose(labels_N)
    assert ids_C[places_N].tolist() == labels_N.tolist()
    assert set(range(31, 41)) <= set(ids_C.tolist())
    assert len(set(ids_C.tolist())) == len(ids_C) == 12 + 10
    assert log_weights_C[:12].tolist() == [0] * 12
    assert log_weights_C[12:].exp().tolist() == pytest.approx([29 / 10] * 10)


def test_candidates_of_all_steps_are_about_as_many() -> None:
    candidates = Candidates(torch.arange(400), 100, multiple=32)
    sizes = {len(candidates.choose(torch.randint(400, (20,)))[0]) for _ in range(50)}
    assert sizes == {128}
    certain = torch.arange(400)  # all there are, and none is left to sample
    assert len(candidates.choose(certain)[0]) == 400


def test_candidates_estimate_the_whole_softmax_without_bias() -> None:
    features, weight, bias, labels = (x.detach() for x in make_inputs(30))
    scores_NV = features @ weight.T + bias
    candidates = Candidates(torch.zeros(41), 10, multiple=1)
    sums = []
    for seed in range(1000):
        torch.manual_seed(seed)
        ids_C, log_weights_C, _ = candidates.choose(labels)
        sums.append((scores_NV[:, ids_C] + log_weights_C).exp().sum(dim=1))
    estimate_N, exact_N = torch.stack(sums).mean(dim=0), scores_NV.exp().sum(dim=1)
    torch.testing.assert_close(estimate_N, exact_N, rtol=0.1, atol=0)


def test_the_loss_is_over_the_candidates_with_their_weights() -> None:
    features, weight, bias, labels = (x.detach() for x in make_inputs(30))
    candidates = Candidates(torch.arange(41), 10, multiple=1)
    torch.manual_seed(5)
    ids_C, log_weights_C, places_N = candidates.choose(labels)
    assert log_weights_C.any()
    scores_NC = features @ weight[ids_C].T + bias[ids_C] + log_weights_C
    expected = functional.cross_entropy(scores_NC, places_N, reduction="sum")
    torch.manual_seed(5)
    found, _ = DecoderLoss(candidates)(features, weight, bias, labels)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_each_step_samples_other_candidates() -> None:
    candidates = Candidates(torch.zeros(41), 10, multiple=1)
    torch.manual_seed(5)
    labels_N = torch.tensor([3])
    chosen = {tuple(sorted(candidates.choose(labels_N)[0].tolist())) for _ in range(20)}
    assert len(chosen) > 15


def test_numbers_of_another_type_get_memory_of_their_own() -> None:
    inputs = make_inputs(50)
    kept = DecoderLoss()
    kept(*inputs)  # in single precision
    with torch.autocast("cpu", torch.bfloat16):
        fresh, again = DecoderLoss()(*inputs)[0], kept(*inputs)[0]
    assert fresh.item() == again.item() != kept(*inputs)[0].item()


def test_enough_candidates_are_the_whole_softmax() -> None:
    inputs = make_inputs(30)
    whole, _ = DecoderLoss()(*inputs)
    by_candidates, _ = DecoderLoss(Candidates(torch.arange(41), 82))(*inputs)
    torch.testing.assert_close(by_candidates, whole, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(gradients(by_candidates, inputs), gradients(whole, inputs)):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_each_loss_is_divided_by_its_own_count() -> None:
    zero = torch.zeros(())
    sums = LossSums(mlm=torch.tensor(12.0), nsp=torch.tensor(3.0), mlm_right=zero, nsp_right=zero)
    counts = Counts(masked=6, sequences=4)
    assert sums.total(counts, next_sentence=True).item() == 2.75
    assert sums.total(counts, next_sentence=False).item() == 2.0
