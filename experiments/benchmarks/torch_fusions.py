"""Three fusions of `mmkeras.fusion` over two modalities' tokens, layer for layer, in PyTorch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

EPSILON = 1e-3  # Keras' of layer normalisation


class Attention(nn.Module):
    """Multi-head attention of queries to keys, with a bias in each of its four layers."""

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.value, self.output = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        def heads(layer: nn.Linear, tokens: torch.Tensor) -> torch.Tensor:
            return layer(tokens).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        attended = functional.scaled_dot_product_attention(
            heads(self.query, queries), heads(self.key, keys), heads(self.value, keys)
        )
        return self.output(attended.transpose(1, 2).flatten(2))


class Concat(nn.Module):
    """`ConcatFusion`: the mean of each modality's tokens, side by side."""

    def __init__(self, width: int, dim: int, num_heads: int, num_layers: int, ff_dim: int):
        super().__init__()
        self.dim = 2 * width

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return torch.cat([image.mean(1), text.mean(1)], -1)


class CrossAttention(nn.Module):
    """`CrossAttentionFusion`: each modality attends to the other."""

    def __init__(self, width: int, dim: int, num_heads: int, num_layers: int, ff_dim: int):
        super().__init__()
        self.dim = 2 * dim
        self.projections = nn.ModuleList(nn.Linear(width, dim) for _ in range(2))
        self.attentions = nn.ModuleList(Attention(dim, num_heads) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=EPSILON) for _ in range(2))

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        hidden = [project(x) for project, x in zip(self.projections, (image, text), strict=True)]
        vectors = []
        for own, other, attention, norm in zip(
            hidden, hidden[::-1], self.attentions, self.norms, strict=True
        ):
            vectors.append(norm(own + attention(own, other)).mean(1))
        return torch.cat(vectors, -1)


class Block(nn.Module):
    """One of `TransformerLayers`."""

    def __init__(self, dim: int, num_heads: int, ff_dim: int, dropout: float):
        super().__init__()
        self.attention = Attention(dim, num_heads)
        self.attention_norm = nn.LayerNorm(dim, eps=EPSILON)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim, eps=EPSILON),
            nn.Linear(dim, ff_dim),
            nn.ReLU(inplace=True),
            nn.Linear(ff_dim, dim),
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.attention_norm(x)
        x = x + self.drop(self.attention(normed, normed))
        return x + self.drop(self.feed_forward(x))


class SelfAttention(nn.Module):
    """`SelfAttentionFusion`: one transformer over all tokens, and the mean of what comes out."""

    def __init__(
        self,
        width: int,
        dim: int,
        num_heads: int,
        num_layers: int,
        ff_dim: int,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.dim = dim
        self.projections = nn.ModuleList(nn.Linear(width, dim) for _ in range(2))
        self.embeddings = nn.Parameter(0.02 * torch.randn(2, dim))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(Block(dim, num_heads, ff_dim, dropout) for _ in range(num_layers))
        )
        self.norm = nn.LayerNorm(dim, eps=EPSILON)

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        hidden = [
            project(x) + own
            for project, x, own in zip(
                self.projections, (image, text), self.embeddings, strict=True
            )
        ]
        return self.norm(self.blocks(self.drop(torch.cat(hidden, 1)))).mean(1)


FUSIONS = {"concat": Concat, "attention": CrossAttention, "self_attention": SelfAttention}


class TokensClassifier(nn.Module):
    """A fusion and a linear layer: logits `(batch, classes)` of two modalities' tokens."""

    def __init__(self, fusion: str, width: int, num_classes: int, **sizes: int):
        super().__init__()
        self.fusion = FUSIONS[fusion](width, **sizes)
        self.output = nn.Linear(self.fusion.dim, num_classes)

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return self.output(self.fusion(image, text))
