"""Encoders for text: bag of words, LSTM over token ids, self-attention over token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from mmkeras.encoders.configured_layer import ConfiguredLayer
from mmkeras.encoders.tabular import MLPEncoder
from mmkeras.encoders.transformer import TransformerLayers, check_heads

PADDING = 0


def _check_token_ids(class_name: str, inputs: Any) -> None:
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if "int" not in dtype:
        raise ValueError(
            f"{class_name} reads integer token ids. Received: inputs of dtype {dtype}. "
            "Bag-of-words vectors go to BagOfWordsEncoder ('bag_of_words')."
        )


def _check_sequences(class_name: str, shape: Sequence[int | None]) -> None:
    if len(shape) != 2:
        raise ValueError(
            f"{class_name} reads token ids of shape (batch, length), 0 for padding. Received: "
            f"inputs of shape {tuple(shape)}."
        )


@keras.saving.register_keras_serializable(package="mmkeras")
class BagOfWordsEncoder(MLPEncoder):
    """Dense layers over a bag-of-words vector; the text is one token.

    Args:
        units: The width of each dense layer.
        dropout: Share of units that are dropped after each dense layer, in training.
        input_dropout: Share of words that are dropped from the vector, in training.

    Call arguments:
        inputs: Floats `(batch, vocabulary)`: counts, 0 and 1, or TF-IDF.

    Returns:
        Tokens `(batch, 1, units[-1])`.

    Example:

    >>> BagOfWordsEncoder()(keras.Input((1000,))).shape
    (None, 1, 64)

    References:
        - [Harris, 1954](https://doi.org/10.1080/00437956.1954.11659520) (a text as the counts
          of its words)
        - [Iyyer et al., 2015](https://aclanthology.org/P15-1162/) (dense layers over them, with
          whole words dropped)
    """

    def __init__(
        self,
        units: Sequence[int] = (128, 64),
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(units=units, dropout=dropout, **kwargs)
        self.input_dropout = input_dropout

    def build(self, input_shape):
        if len(input_shape) == 2 and input_shape[1] is None:
            raise ValueError(
                "BagOfWordsEncoder reads one float a word of the vocabulary. Received: inputs of "
                f"shape {tuple(input_shape)}, whose length varies as that of token ids does. Give "
                "token ids to 'lstm' or 'self_attention'."
            )
        super().build(input_shape)
        self.drop_words = layers.Dropout(self.input_dropout, dtype=self.dtype_policy)

    def call(self, inputs, training=None):
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if "float" not in dtype:
            raise ValueError(
                "BagOfWordsEncoder reads one float a word of the vocabulary. Received: inputs of "
                f"dtype {dtype} and shape {tuple(inputs.shape)}, which look like token ids. Give "
                "token ids to 'lstm' or 'self_attention', or cast counts to 'float32'."
            )
        return super().call(self.drop_words(inputs), training=training)


@keras.saving.register_keras_serializable(package="mmkeras")
class LSTMEncoder(ConfiguredLayer):
    """Word embeddings read by a (bidirectional) LSTM; each word is one token.

    Padding is skipped inside the recurrence, in both directions, so that more of it changes
    nothing; its own tokens are zeros.

    Args:
        vocabulary_size: One more than the largest id.
        embedding_dim: The width of a word's embedding.
        units: The width of the LSTM's state, in each direction.
        bidirectional: Whether a second LSTM reads from the end; its outputs are appended.
        dropout: Share of units that are dropped before and after the LSTM (not inside the
            recurrence), in training.

    Call arguments:
        inputs: Token ids `(batch, length)`, 0 for padding.

    Returns:
        Tokens `(batch, length, units)`, or `2 * units` wide when bidirectional.

    Example:

    >>> encoder = LSTMEncoder(vocabulary_size=100, units=32)
    >>> encoder(keras.Input((20,), dtype="int32")).shape
    (None, 20, 64)

    References:
        - [Hochreiter and Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735)
        - [Graves and Schmidhuber, 2005](https://doi.org/10.1016/j.neunet.2005.06.042) (both
          directions)
        - [Zaremba et al., 2014](https://arxiv.org/abs/1409.2329) (dropout outside the recurrence)
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 64,
        units: int = 64,
        bidirectional: bool = True,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = int(vocabulary_size)
        self.embedding_dim = int(embedding_dim)
        self.units = int(units)
        self.bidirectional = bidirectional
        self.dropout = dropout

    def build(self, input_shape):
        _check_sequences("LSTMEncoder", input_shape)
        common = {"dtype": self.dtype_policy}
        self.embedding = layers.Embedding(self.vocabulary_size, self.embedding_dim, **common)
        self.recurrence = layers.LSTM(self.units, return_sequences=True, **common)
        if self.bidirectional:
            self.recurrence = layers.Bidirectional(self.recurrence, **common)
        self.drop_before = layers.Dropout(self.dropout, **common)
        self.drop_after = layers.Dropout(self.dropout, **common)
        self.embedding.build(input_shape)
        self.recurrence.build((*input_shape, self.embedding_dim))

    def call(self, inputs, training=None):
        _check_token_ids("LSTMEncoder", inputs)
        mask = self.token_mask(inputs)
        # A text of padding alone is read as if it were words, since cuDNN refuses a row that is
        # wholly masked; its output is zeroed below.
        reads = ops.logical_or(mask, ops.logical_not(ops.any(mask, axis=1, keepdims=True)))
        x = self.recurrence(self.drop_before(self.embedding(inputs)), mask=reads)
        # Zeros for padding, where the recurrence repeats what it said last.
        return ops.where(ops.expand_dims(mask, axis=-1), self.drop_after(x), 0.0)

    def token_mask(self, inputs):
        """True where there is a word: `(batch, length)`."""
        return ops.not_equal(inputs, PADDING)


@keras.saving.register_keras_serializable(package="mmkeras")
class SelfAttentionEncoder(ConfiguredLayer):
    """A transformer encoder over word and position embeddings; each word is one token.

    Every word of a text attends to all words of the same text, as `TransformerLayers` describes;
    padding is never attended to.

    Args:
        vocabulary_size: One more than the largest id.
        dim: The width of a token; a multiple of `num_heads`.
        num_heads: Attention heads.
        num_layers: Transformer layers.
        ff_dim: The inner width of the feed-forward part.
        dropout: Share of units that are dropped after the embedding and after each part, in
            training.
        max_length: The longest text, in tokens.

    Call arguments:
        inputs: Token ids `(batch, length)`, 0 for padding.

    Returns:
        Tokens `(batch, length, dim)`.

    Example:

    >>> encoder = SelfAttentionEncoder(vocabulary_size=100, dim=32)
    >>> encoder(keras.Input((20,), dtype="int32")).shape
    (None, 20, 32)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
    """

    def __init__(
        self,
        vocabulary_size: int,
        dim: int = 64,
        num_heads: int = 4,
        num_layers: int = 1,
        ff_dim: int = 128,
        dropout: float = 0.0,
        max_length: int = 512,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(dim, num_heads)
        self.vocabulary_size = int(vocabulary_size)
        self.dim = int(dim)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.ff_dim = int(ff_dim)
        self.dropout = dropout
        self.max_length = int(max_length)

    def build(self, input_shape):
        _check_sequences("SelfAttentionEncoder", input_shape)
        self._check_length(input_shape[1])
        common = {"dtype": self.dtype_policy}
        self.embedding = layers.Embedding(self.vocabulary_size, self.dim, **common)
        self.embedding.build(input_shape)
        self.positions = layers.Embedding(self.max_length, self.dim, **common)
        self.positions.build((input_shape[1],))
        self.transformer = TransformerLayers(
            self.num_heads, self.num_layers, self.ff_dim, self.dropout, **common
        )
        self.transformer.build((*input_shape, self.dim))

    def _check_length(self, length: int | None) -> None:
        if isinstance(length, int) and length > self.max_length:
            raise ValueError(
                f"SelfAttentionEncoder has positions for {self.max_length} tokens. Received: "
                f"texts of {length}. Truncate them, or give a larger `max_length`."
            )

    def call(self, inputs, training=None):
        _check_token_ids("SelfAttentionEncoder", inputs)
        self._check_length(inputs.shape[1])
        positions = self.positions(ops.arange(ops.shape(inputs)[1], dtype="int32"))
        x = self.embedding(inputs) + positions
        return self.transformer(x, key_mask=self.token_mask(inputs))

    def token_mask(self, inputs):
        """True where there is a word: `(batch, length)`."""
        return ops.not_equal(inputs, PADDING)
