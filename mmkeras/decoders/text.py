"""A decoder that writes a text, one piece after the other."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops, random

from mmkeras.decoders.parts.decoder import TransformerDecoder
from mmkeras.decoders.parts.memory import Memory
from mmkeras.decoders.parts.pieces import (
    PADDING,
    START,
    PieceCrossentropy,
    TokenAccuracy,
    check_pieces,
)
from mmkeras.decoders.parts.search import drawn_of_top, write
from mmkeras.decoders.parts.transformer import DecoderLayers
from mmkeras.fusion.parts.pooling import check_token_shapes


@keras.saving.register_keras_serializable(package="mmkeras")
class TextDecoder(TransformerDecoder):
    """A transformer decoder over all modalities' tokens that writes a text.

    With `M` the memory (the fused vector and all tokens, `Memory`), `e` the pieces' embeddings and
    `r` learnt embeddings of the places in a text, the logits of the piece at `t` are

        h = DecoderLayers([sqrt(dim) e(y_{s-1}) + r_s for s up to t], M)
        z_t = e h_t + b

    In training `y` is the true text (teacher forcing). `answer` goes on from its own pieces, until
    the end: the likeliest each time, by a beam search, or drawn from the `top_k` likeliest. Keys
    and values are kept from step to step, and a batch is one loop.

    Args:
        vocabulary_size: One more than the largest id: 0 is padding, 1 the start, 2 the end, 3 an
            unknown piece, which is never written.
        max_length: The longest text, in pieces, its end among them.
        beams: How many continuations the search keeps; 1 takes the likeliest piece each time.
        length_penalty: A beam's log-probability is divided by `((5 + pieces) / 6)` to the power of
            this. 0 favours short texts.
        top_k: Draws each piece among so many of the likeliest, with one beam; 0 draws nothing.
        temperature: Of these draws: below 1 favours likely pieces.
        seed: Decides the draws; by default the global seed does.
        dim, num_heads, num_layers, ff_dim, dropout: Of the steps and the layers over them; units
            are dropped after the embedding and after each part. See `TransformerDecoder`.

    Call arguments:
        vector, tokens, masks, present: See `mmkeras.decoders.Decoder`.
        previous: The pieces one step late: 1, then the text: int32 `(batch, steps)`.

    Returns:
        Logits `(batch, steps, vocabulary_size)`. `answer` gives int32 `(batch, max_length)`: the
        pieces, 2, then 0.

    Example:

    >>> import numpy as np
    >>> decoder = TextDecoder(vocabulary_size=50, max_length=6, dim=32)
    >>> vector, tokens = np.ones((2, 8), "float32"), [np.ones((2, 5, 16), "float32")]
    >>> tuple(decoder(vector, tokens, previous=np.array([[1, 7], [1, 9]])).shape)
    (2, 2, 50)
    >>> tuple(decoder.answer(vector, tokens, beams=4).shape)
    (2, 6)

    References:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)
        - [Press and Wolf, 2017](https://aclanthology.org/E17-2025/) (one matrix embeds pieces and
          gives their logits)
        - [Wu et al., 2016](https://arxiv.org/abs/1609.08144) (length penalty, equation 14)
        - [Fan et al., 2018](https://aclanthology.org/P18-1082/) (drawing from the likeliest)
    """

    reads_previous = True
    start = START
    gives_answer = False

    def __init__(
        self,
        vocabulary_size: int,
        max_length: int,
        beams: int = 1,
        length_penalty: float = 0.6,
        top_k: int = 0,
        temperature: float = 1.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size, self.max_length = check_pieces(
            "TextDecoder", vocabulary_size, max_length
        )
        self.beams = int(beams)
        self.length_penalty = float(length_penalty)
        self.top_k = int(top_k)
        self.temperature = float(temperature)
        self.seed = seed
        self._check_search(self.beams, self.length_penalty, self.top_k, self.temperature)
        self.seed_generator = random.SeedGenerator(seed)

    def _check_search(
        self, beams: int, length_penalty: float, top_k: int, temperature: float
    ) -> None:
        if beams < 1 or length_penalty < 0 or top_k < 0 or temperature <= 0:
            raise ValueError(
                "A search has 1 beam or more, a `length_penalty` and a `top_k` of 0 or more, and a "
                f"`temperature` above 0. Received: beams={beams}, "
                f"length_penalty={length_penalty}, top_k={top_k}, temperature={temperature}."
            )
        if top_k > self.vocabulary_size or (top_k and beams > 1):
            raise ValueError(
                "`top_k` draws from the vocabulary, with one beam. Received: "
                f"top_k={top_k}, beams={beams}, and a vocabulary of {self.vocabulary_size}."
            )

    @property
    def previous_shape(self) -> tuple[int | None, ...]:  # type: ignore[override]
        return (self.max_length,)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return (self.max_length,)

    @property
    def answer_dtype(self) -> str:
        return "int32"

    def build(self, vector_shape, tokens_shape):
        check_token_shapes("TextDecoder", tokens_shape)
        common = {"dtype": self.dtype_policy}
        self.memory = Memory(self.dim, **common)
        self.memory.build(vector_shape, tokens_shape)
        self.embedding = layers.Embedding(self.vocabulary_size, self.dim, **common)
        self.embedding.build((None, None))
        self.places = layers.Embedding(self.max_length, self.dim, **common)
        self.places.build((None,))
        self.transformer = DecoderLayers(**self.layer_options)
        self.transformer.build((None, None, self.dim), (None, None, self.dim))
        self.bias = self.add_weight(
            shape=(self.vocabulary_size,), initializer="zeros", name="piece_bias"
        )

    def call(self, vector, tokens, masks=None, present=None, previous=None, training=None):
        steps = self._embedded(previous)
        memory, mask = self.memory(vector, tokens, masks, present)
        return self._logits(self.transformer(steps, memory, mask))

    def _embedded(self, previous: Any) -> Any:
        if previous is None or len(previous.shape) != 2:
            raise ValueError(
                "TextDecoder reads `previous`, the pieces one step late, (batch, steps). Received: "
                f"{None if previous is None else tuple(previous.shape)}."
            )
        if isinstance(previous.shape[1], int) and previous.shape[1] > self.max_length:
            raise ValueError(
                f"TextDecoder has places for {self.max_length} pieces. Received: texts of "
                f"{previous.shape[1]}."
            )
        places = self.places(ops.arange(ops.shape(previous)[1], dtype="int32"))
        return self.embedding(previous) * self.dim**0.5 + places

    def _logits(self, hidden: Any) -> Any:
        pieces = ops.cast(ops.transpose(self.embedding.embeddings), self.compute_dtype)
        return ops.matmul(hidden, pieces) + ops.cast(self.bias, self.compute_dtype)

    def answer(self, vector, tokens, masks=None, present=None, **options) -> Any:
        """The text for inputs alone, int32 `(batch, max_length)`.

        Args:
            vector, tokens, masks, present: As in a call.
            **options: `beams`, `length_penalty`, `top_k`, `temperature` instead of the
                constructor's, and `seed`: an integer with which equal calls draw equal texts.
        """
        seed = options.pop("seed", None)
        search = {
            name: options.pop(name, getattr(self, name))
            for name in ("beams", "length_penalty", "top_k", "temperature")
        }
        if options:
            raise ValueError(f"TextDecoder.answer has no option {sorted(options)}.")
        self._check_search(**search)
        beams, top_k = search["beams"], search["top_k"]
        memory, mask = self.memory(vector, tokens, masks, present)
        of_memory = self.transformer.of_memory(memory)
        rows = ops.shape(memory)[0]

        def step(last, position, cache):
            place = self.places(ops.reshape(position, (1, 1)))
            x = self.embedding(last) * self.dim**0.5 + place
            hidden, cache = self.transformer.step(x, position, cache, of_memory, mask)
            return self._logits(hidden), cache

        choose = None
        if top_k:
            seed = self.seed_generator if seed is None else seed
            choose = drawn_of_top(top_k, search["temperature"], rows, self.max_length, seed)
        return write(
            step,
            self.transformer.empty_cache(rows * beams, self.max_length),
            rows,
            self.vocabulary_size,
            self.max_length,
            beams,
            search["length_penalty"],
            choose,
        )

    def attention(self, vector, tokens, masks=None, present=None, *, previous) -> Any:
        """Where the decoder looks when it writes each piece.

        Args:
            vector, tokens, masks, present, previous: As in a call.

        Returns:
            The mean over the layers, float32 `(batch, heads, steps, memory)`. The memory is the
            fused vector, then the tokens of each modality; a step's weights add up to 1.
        """
        memory, mask = self.memory(vector, tokens, masks, present)
        return self.transformer(self._embedded(previous), memory, mask, return_weights=True)[1]

    def score(self, vector, tokens, masks=None, present=None, *, ids) -> Any:
        """The mean log-probability of the pieces of texts, their end among them, `(batch,)`.

        Args:
            vector, tokens, masks, present: As in a call.
            ids: Texts as `answer` gives them, `(batch, steps)`.
        """
        start = ops.full_like(ids[:, :1], START)
        previous = ops.concatenate([start, ids[:, :-1]], axis=1)
        logits = self(vector, tokens, masks, present, previous=previous)
        logs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        logs = ops.take_along_axis(logs, ops.expand_dims(ids, axis=-1), axis=-1)[..., 0]
        counts = ops.not_equal(ids, PADDING)
        total = ops.sum(ops.where(counts, logs, 0.0), axis=1)
        return total / ops.maximum(ops.sum(ops.cast(counts, "float32"), axis=1), 1.0)

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        return PieceCrossentropy(label_smoothing)

    def training_metrics(self) -> list[keras.metrics.Metric]:
        return [TokenAccuracy()]
