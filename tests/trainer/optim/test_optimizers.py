"""What decays, and that all is stepped."""

from __future__ import annotations

import pytest
import torch

from tests.trainer.models.test_bert import make_model
from trainer.optim.config import OptimizerOptions
from trainer.optim.muon import Muon
from trainer.optim.optimizers import Optimizers, adamw, clip_gradients, parameter_groups


def test_biases_and_layer_norms_do_not_decay() -> None:
    model = make_model()
    names = {id(p): name for name, p in model.named_parameters()}
    decayed, kept = parameter_groups(model.named_parameters(), 0.01)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.01, 0.0)
    assert all(p.ndim == 2 for p in decayed["params"])
    kept_names = {names[id(p)] for p in kept["params"]}
    assert kept_names == {n for n in names.values() if n.endswith("bias") or "norm" in n}
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_parameter_is_stepped(optimizer: str) -> None:
    model = make_model()
    optimizers = Optimizers(model, OptimizerOptions(optimizer=optimizer))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    assert optimizers.step(0.5) == 5e-4
    for name, parameter in model.named_parameters():
        assert parameter.grad is None
        assert not torch.equal(parameter, before[name]), name


def test_clipping_bounds_the_common_norm() -> None:
    model = make_model()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = clip_gradients(model, 1.0)
    assert before.item() == pytest.approx(sum(p.numel() for p in model.parameters()) ** 0.5)
    after = sum(p.grad.square().sum() for p in model.parameters() if p.grad is not None) ** 0.5
    assert float(after) == pytest.approx(1.0, rel=1e-4)


def test_adamw_has_the_numbers_that_were_configured() -> None:
    options = OptimizerOptions(learning_rate=0.5, beta1=0.8, beta2=0.7, eps=1e-3)
    optimizer = adamw(make_model().named_parameters(), options, is_fused=False)
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.8, 0.7), 1e-3)


def test_each_optimizer_steps_at_its_own_rate() -> None:
    options = OptimizerOptions(optimizer="muon", learning_rate=1e-3, muon_learning_rate=0.5)
    optimizers = Optimizers(make_model(), options)
    assert optimizers.step(0.25) == 2.5e-4
    for optimizer, _ in optimizers._all:
        wanted = 0.125 if isinstance(optimizer, Muon) else 2.5e-4
        assert {group["lr"] for group in optimizer.param_groups} == {wanted}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_state_that_is_made_early_changes_nothing(optimizer: str) -> None:
    """The first step is the first one, with or without it; the parameters stay until then."""
    models = [make_model(), make_model()]
    options = OptimizerOptions(optimizer=optimizer, weight_decay=0.5)
    both = [Optimizers(model, options) for model in models]
    both[0].make_state()
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)
    for model, optimizers in zip(models, both, strict=True):
        for _ in range(2):
            torch.manual_seed(1)
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizers.step(1.0)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)
