"""The floating-point operations of a step, and the peak of the device.

MFU (model FLOPs utilisation; Chowdhery et al., "PaLM", 2022, appendix B) is operations that the
model needs, over seconds, over the device's peak in bf16 without sparsity. Needed are, forwards,
two for each weight and real token, and twice that backwards:

    6 * tokens * layers * (4 * D * D + 2 * D * F)       the matrices of the encoder
    12 * layers * D * sum of squared lengths            scores and mixed values of attention
    6 * masked * (D * D + D * V)                        the vocabulary head, where predicted
    6 * sequences * D * D                               the pooler

with width D, feed-forward width F, vocabulary V. Padding, filling of fixed shapes and work that is
done twice are not counted.
"""

from __future__ import annotations

import torch

from trainer.batch import Counts
from trainer.shape import ModelConfig

# Dense bf16 TFLOP/s by the vendors' data sheets. A name matches if it is part of the card's name.
_PEAK_TFLOPS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "B200": 2250.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10G": 70.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
}


def step_flops(config: ModelConfig, counts: Counts) -> float:
    """Return the operations that a step over these counts needs, forwards and backwards."""
    width, vocabulary = config.hidden_size, config.vocab_size
    encoder = config.num_layers * (4 * width * width + 2 * width * config.intermediate_size)
    head = counts.masked * (width * width + width * vocabulary)
    pooler = counts.sequences * width * width
    attention = 12 * config.num_layers * width * counts.squared_lengths
    return float(6 * (counts.tokens * encoder + head + pooler) + attention)


def peak_flops(device: torch.device, peak_tflops: float) -> float | None:
    """Return the operations per second that the device can do; None if they are not known.

    `peak_tflops`: as configured, in TFLOP/s; 0: looked up by the name of the card.
    """
    if peak_tflops:
        return 1e12 * peak_tflops
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((1e12 * peak for part, peak in _PEAK_TFLOPS.items() if part in name), None)
