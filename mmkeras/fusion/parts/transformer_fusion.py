"""What fusions made of transformers have in common: the sizes of their layers."""

from __future__ import annotations

from mmkeras.encoders.transformer import TransformerLayers, check_heads
from mmkeras.fusion.parts.fusion import Fusion


class TransformerFusion(Fusion):
    """The constructor of fusions made of transformers; a subclass builds and calls them.

    Args:
        dim: The width of the tokens.
        num_heads: Attention heads; `dim` must be a multiple of it.
        num_layers: Transformer layers.
        ff_dim: The inner width of their feed-forward parts.
        dropout: Share of units that are dropped in the transformer, in training.

    Example:

    >>> TransformerFusion(dim=32, num_heads=2).get_config()["ff_dim"]
    128
    """

    def __init__(
        self,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        ff_dim: int = 128,
        dropout: float = 0.1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.dim = int(dim)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout
        check_heads(self.dim, self.num_heads)

    def built_transformer(
        self, num_layers: int | None = None, dim: int | None = None
    ) -> TransformerLayers:
        """A transformer of these sizes, built; with other `num_layers` and `dim` if given."""
        transformer = TransformerLayers(
            self.num_heads,
            self.num_layers if num_layers is None else num_layers,
            self.ff_dim,
            self.dropout,
            dtype=self.dtype_policy,
        )
        transformer.build((None, None, self.dim if dim is None else dim))
        return transformer
