"""A training step of MultiVae's MoPoE, as a contestant of `generation.py`; needs multivae alone.

The layers are those of `mmkeras.generation.View` with `ConvEncoder` and `ImageDecoder`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence

import torch
from contestants import answer_turns
from multivae.data.datasets.base import MultimodalBaseDataset
from multivae.models import MoPoE, MoPoEConfig
from multivae.models.base import BaseDecoder, BaseEncoder
from pythae.models.base.base_utils import ModelOutput
from torch import nn


class Encoder(BaseEncoder):
    """Blocks of one convolution and max-pooling, then a dense layer to mean and log-variance."""

    def __init__(self, side: int, filters: Sequence[int], latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim
        steps: list[nn.Module] = []
        channels = 3
        for width in filters:
            steps += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels, side = width, side // 2
        self.steps = nn.Sequential(*steps, nn.Flatten())
        self.latent = nn.Linear(channels * side * side, 2 * latent_dim)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        mean, log_variance = self.latent(self.steps(x)).chunk(2, dim=-1)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """A dense layer, then transposed convolutions that double the sides, twice."""

    def __init__(self, side: int, filters: int, latent_dim: int):
        super().__init__()
        wide = 4 * filters
        steps: list[nn.Module] = [
            nn.Linear(latent_dim, wide * (side // 4) ** 2),
            nn.ReLU(),
            nn.Unflatten(1, (wide, side // 4, side // 4)),
        ]
        for width in (2 * filters, filters):
            steps += [nn.ConvTranspose2d(wide, width, 4, stride=2, padding=1), nn.ReLU()]
            wide = width
        self.steps = nn.Sequential(*steps, nn.Conv2d(wide, 3, 3, padding=1))

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.steps(z))


def make_step(options: dict) -> tuple[Callable[[], float], int]:
    """A function that trains one step and gives the loss, and how many weights there are."""
    torch.manual_seed(options["seed"])
    if options["threads"]:
        torch.set_num_threads(options["threads"])
    side, latent_dim = options["side"], options["latent_dim"]
    names = [f"view_{place}" for place in range(options["modalities"])]
    layout = torch.channels_last if options["channels_last"] else torch.contiguous_format
    model = MoPoE(
        MoPoEConfig(
            n_modalities=len(names),
            latent_dim=latent_dim,
            decoders_dist=dict.fromkeys(names, "laplace"),
            decoder_dist_params={name: {"scale": 0.75} for name in names},
        ),
        {name: Encoder(side, options["encoder_filters"], latent_dim) for name in names},
        {name: Decoder(side, options["decoder_filters"], latent_dim) for name in names},
    )
    model = model.to(memory_format=layout).train()
    shape = (options["batch_size"], 3, side, side)
    batch = MultimodalBaseDataset(
        {name: torch.rand(shape).contiguous(memory_format=layout) for name in names}
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = model(batch).loss
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, sum(weights.numel() for weights in model.parameters())


if __name__ == "__main__":
    answer_turns(*make_step(json.loads(sys.argv[1])))
