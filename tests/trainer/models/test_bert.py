"""The model: published sizes, start, masked-only head, padding."""

from __future__ import annotations

import math

import pytest
import torch

from trainer.blocks import activate
from trainer.models.bert import Bert, set_sinusoidal_positions, set_unigram_bias
from trainer.pretraining.config import ModelOptions
from trainer.shape import ModelConfig


def make_model(**values: int | float) -> Bert:
    shape: dict[str, int | float] = {
        "vocab_size": 50,
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 2,
        "intermediate_size": 32,
        "max_positions": 24,
        "dropout": 0.0,
    }
    torch.manual_seed(0)
    return Bert(ModelConfig(**{**shape, **values}))  # type: ignore[arg-type]


# With both heads; the same as transformers' BertForPreTraining has (tests/parity).
@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("tiny", 4.4),
        ("mini", 11.2),
        ("small", 29.1),
        ("medium", 41.7),
        ("base", 110.1),
        ("large", 336.2),
    ],
)
def test_parameter_counts(name: str, millions: float) -> None:
    config = ModelOptions(model=name).shape(vocab_size=30522, pad_id=0)
    with torch.device("meta"):
        model = Bert(config)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_wanted_states_alone_equal_all_states() -> None:
    model = make_model().eval()
    ids_BL, segments_BL = torch.randint(50, (3, 20)), torch.randint(2, (3, 20))
    real_BL = torch.arange(20) < torch.tensor([[20], [13], [17]])
    wanted_BQ = torch.tensor([[0, 4, 19], [0, 12, 0], [0, 2, 3]])
    all_BLD = model.encode(ids_BL, segments_BL, real_BL)
    wanted_BQD = model.encode(ids_BL, segments_BL, real_BL, wanted_BQ)
    expected_BQD = all_BLD[torch.arange(3)[:, None], wanted_BQ]
    torch.testing.assert_close(wanted_BQD, expected_BQD, rtol=1e-6, atol=1e-6)


def test_padding_changes_nothing() -> None:
    model = make_model().eval()
    ids_BL, segments_BL = torch.randint(50, (2, 12)), torch.zeros(2, 12, dtype=torch.long)
    plain = model.encode(ids_BL, segments_BL, None)
    real_BL = torch.arange(20).expand(2, 20) < 12
    padded_ids = torch.cat([ids_BL, torch.full((2, 8), 7)], dim=1)
    padded = model.encode(padded_ids, torch.zeros(2, 20, dtype=torch.long), real_BL)
    torch.testing.assert_close(padded[:, :12], plain, rtol=1e-6, atol=1e-6)


def test_losses_start_at_chance() -> None:
    model = make_model(vocab_size=5000, hidden_size=128, num_heads=2).eval()
    hidden_BLD = model.encode(
        torch.randint(5000, (8, 24)), torch.zeros(8, 24, dtype=torch.long), None
    )
    mlm_logits, nsp_logits = model.mlm_logits(hidden_BLD), model.nsp_logits(hidden_BLD[:, 0])
    mlm = torch.nn.functional.cross_entropy(mlm_logits.flatten(0, 1), torch.randint(5000, (192,)))
    nsp = torch.nn.functional.cross_entropy(nsp_logits, torch.arange(8) % 2)
    assert mlm.item() == pytest.approx(math.log(5000), abs=0.1)
    assert nsp.item() == pytest.approx(math.log(2), abs=0.02)


def test_sinusoidal_positions_have_the_usual_size_and_see_nearness() -> None:
    model = make_model(hidden_size=64, max_positions=128)
    set_sinusoidal_positions(model)
    weight_LD = model.embeddings.position.weight
    assert weight_LD.std().item() == pytest.approx(0.02, rel=0.3)
    products_LL = weight_LD @ weight_LD.T
    assert products_LL[60].argmax() == 60
    torch.testing.assert_close(products_LL[60, 61], products_LL[90, 91])


def test_unigram_bias_predicts_the_frequencies() -> None:
    model = make_model(vocab_size=4)
    set_unigram_bias(model, torch.tensor([7, 0, 3, 0]))
    shares = model.output_bias.softmax(dim=0).tolist()
    assert shares == pytest.approx([7.5 / 12, 0.5 / 12, 3.5 / 12, 0.5 / 12])


def test_both_forms_of_gelu() -> None:
    x = torch.tensor([-1.0, 0.5, 2.0])
    erf = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.tolist()]
    inner = [math.sqrt(2 / math.pi) * (v + 0.044715 * v**3) for v in x.tolist()]
    tanh = [v * 0.5 * (1 + math.tanh(i)) for v, i in zip(x.tolist(), inner)]
    assert activate(x, "gelu").tolist() == pytest.approx(erf, abs=1e-6)
    assert activate(x, "gelu_new").tolist() == pytest.approx(tanh, abs=1e-6)
