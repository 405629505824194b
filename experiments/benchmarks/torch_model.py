"""`mmkeras.image_text_classifier` (dense text branch), layer for layer, in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class ImageTextClassifier(nn.Module):
    """Two blocks of convolutions, a bag of words that attends to their map, and a dense head.

    Returns logits `(batch, classes)` for images `(batch, 3, height, width)` and bags of words
    `(batch, vocabulary_size)`. The layers' order is that of the Keras model's weights.
    """

    def __init__(
        self,
        vocabulary_size: int = 1000,
        num_classes: int = 10,
        filters: Sequence[int] = (64, 128),
        text_units: Sequence[int] = (128, 64),
        key_dim: int = 64,
        hidden: int = 128,
        dropout: float = 0.5,
    ):
        super().__init__()
        image, channels = [], 3
        for width in filters:
            image += [nn.Conv2d(channels, width, 3), nn.ReLU(inplace=True)]
            image += [nn.Conv2d(width, width, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            channels = width
        self.image = nn.Sequential(*image)
        text, features = [], vocabulary_size
        for units in text_units:
            text += [nn.Linear(features, units), nn.ReLU(inplace=True)]
            features = units
        self.text = nn.Sequential(*text)
        self.project_image = nn.Linear(channels, key_dim)
        self.project_text = nn.Linear(features, key_dim)
        self.query = nn.Linear(key_dim, key_dim)
        self.key = nn.Linear(key_dim, key_dim)
        self.value = nn.Linear(key_dim, key_dim)
        self.attended = nn.Linear(key_dim, key_dim)
        # Keras' epsilon.
        self.norm = nn.LayerNorm(key_dim, eps=1e-3)
        self.head = nn.Sequential(
            nn.Linear(key_dim, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        tokens = self.image(image).permute(0, 2, 3, 1).flatten(1, 2)
        keys = self.project_image(tokens)
        queries = self.project_text(self.text(text)).unsqueeze(1)
        attended = functional.scaled_dot_product_attention(
            self.query(queries), self.key(keys), self.value(keys)
        )
        fused = self.norm(queries + self.attended(attended)).squeeze(1)
        return self.head(fused)
