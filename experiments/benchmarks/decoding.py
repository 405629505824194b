"""Generation of texts by a beam search: one loop with a cache against `model.predict` a step.

    python experiments/benchmarks/decoding.py
    python experiments/benchmarks/decoding.py --beams 1 --step-sentences 1000

A `TextDecoder` with random weights, whose texts never end early, writes sentences over a vector
and the tokens of two modalities. *One loop* is `TextDecoder.answer` inside a model's `predict`.
*A step* is what one writes by hand: a teacher-forced model whose `predict` is called for each
piece with all that was written so far, and a beam search in NumPy. Both rank beams alike, and how
many of their texts are the same is printed. Encoders are not counted. The second takes long, so it
writes `--step-sentences` only, and its time is scaled to all.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import tyro

# mmkeras first: it keeps the backend quiet.
from mmkeras.decoders import TextDecoder
from mmkeras.decoders.parts.pieces import END, FIRST_PIECE, START
from mmkeras.decoders.parts.search import NEVER, length_norm

import keras  # isort: skip


@dataclass(frozen=True)
class DecodingConfig:
    """What is measured.

    Args:
        sentences: How many are written.
        step_sentences: How many by a `predict` for each piece.
        pieces: Of each sentence, the end among them.
        beams: Of the search.
        vocabulary_size: One more than the largest id.
        dim: The width of the decoder.
        layers: Its transformer layers.
        batch_size: Sentences in a batch.
        repeats: Turns of each side.
        seed: Decides weights and inputs.
    """

    sentences: int = 1000
    step_sentences: int = 100
    pieces: int = 20
    beams: int = 4
    vocabulary_size: int = 1000
    dim: int = 64
    layers: int = 2
    batch_size: int = 100
    repeats: int = 3
    seed: int = 0


class Answer(keras.layers.Layer):
    """A decoder's answer as a layer of a model."""

    def __init__(self, decoder: TextDecoder):
        super().__init__()
        self.decoder = decoder

    def call(self, vector, tokens):
        return self.decoder.answer(vector, tokens)

    def compute_output_spec(self, vector, tokens):
        return keras.KerasTensor((None, *self.decoder.answer_shape), self.decoder.answer_dtype)


def make_inputs(config: DecodingConfig) -> list[np.ndarray]:
    """A vector, the tokens of a picture and those of a sentence, for each row."""
    random = np.random.default_rng(config.seed)
    shapes = ((config.dim,), (16, config.dim), (10, config.dim))
    return [random.standard_normal((config.sentences, *shape), np.float32) for shape in shapes]


def make_models(config: DecodingConfig) -> tuple[keras.Model, keras.Model]:
    """A model that writes texts, and one that gives the logits of texts one step late."""
    keras.utils.set_random_seed(config.seed)
    decoder = TextDecoder(
        config.vocabulary_size,
        config.pieces,
        dim=config.dim,
        num_layers=config.layers,
        beams=config.beams,
    )
    inputs = [keras.Input(x.shape[1:]) for x in make_inputs(config)]
    previous = keras.Input((config.pieces,), dtype="int32")
    logits = decoder(inputs[0], inputs[1:], previous=previous)
    # As spread as those of a trained decoder, and no end before the last piece.
    decoder.embedding.set_weights([w * 10 for w in decoder.embedding.get_weights()])
    decoder.bias.assign(np.where(np.arange(config.vocabulary_size) == END, -1e3, 0.0))
    writes = keras.Model(inputs, Answer(decoder)(inputs[0], inputs[1:]))
    return writes, keras.Model([*inputs, previous], logits)


def write_by_steps(model: keras.Model, inputs: list[np.ndarray], config: DecodingConfig) -> Any:
    """The texts of a batch by a `predict` for each piece, as `TextDecoder.answer` ranks them."""
    rows, beams, vocabulary = len(inputs[0]), config.beams, config.vocabulary_size
    penalty = TextDecoder(vocabulary, config.pieces).length_penalty
    repeated = [np.repeat(x, beams, axis=0) for x in inputs]
    ids = np.zeros((rows, beams, config.pieces), np.int32)
    total = np.full((rows, beams), NEVER, np.float32)
    total[:, 0] = 0
    for step in range(config.pieces):
        previous = np.concatenate([np.full_like(ids[..., :1], START), ids[..., :-1]], axis=2)
        given = [*repeated, previous.reshape(rows * beams, -1)]
        logits = model.predict(given, batch_size=config.batch_size * beams, verbose=0)[:, step]
        logs = logits - logits.max(axis=1, keepdims=True)
        logs = (logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))).reshape(rows, beams, -1)
        allowed = np.arange(vocabulary) == END
        if step < config.pieces - 1:
            allowed |= np.arange(vocabulary) >= FIRST_PIECE
        sums = total[..., None] + np.where(allowed, logs, NEVER)
        # None has ended, so that all are of one length and their rank is that of their sums.
        best = np.argsort(-sums.reshape(rows, -1), axis=1, kind="stable")[:, :beams]
        total = np.take_along_axis(sums.reshape(rows, -1), best, axis=1)
        ids = np.take_along_axis(ids, (best // vocabulary)[..., None], axis=1)
        ids[..., step] = best % vocabulary
    ranks = total / float(length_norm(config.pieces, penalty))
    return ids[np.arange(rows), ranks.argmax(axis=1)]


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measures and prints a table; returns seconds by turn, the ratio and the agreement."""
    config = tyro.cli(DecodingConfig, args=arguments, description=__doc__)
    inputs = make_inputs(config)
    few = [x[: config.step_sentences] for x in inputs]
    writes, steps = make_models(config)

    def one_loop() -> np.ndarray:
        return writes.predict(inputs, batch_size=config.batch_size, verbose=0)

    def a_step() -> np.ndarray:
        starts = range(0, len(few[0]), config.batch_size)
        parts = [[x[i : i + config.batch_size] for x in few] for i in starts]
        return np.concatenate([write_by_steps(steps, part, config) for part in parts])

    # Traced and warmed up.
    same = float((one_loop()[: len(few[0])] == a_step()).all(axis=1).mean())
    scale = config.sentences / len(few[0])
    seconds: dict[str, list[float]] = {"one loop": [], "a step": []}
    sides = [("one loop", one_loop, 1.0), ("a step", a_step, scale)]
    for turn in range(config.repeats):
        for name, run, times in sides if turn % 2 == 0 else sides[::-1]:
            started = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - started) * times)
        print(f"turn {turn + 1}/{config.repeats}", file=sys.stderr, flush=True)
    pairs = zip(seconds["a step"], seconds["one loop"], strict=True)
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    print(
        f"{config.sentences} sentences of {config.pieces} pieces, {config.beams} beams, vocabulary "
        f"{config.vocabulary_size}, width {config.dim}, {config.layers} layers, batches of "
        f"{config.batch_size}; {keras.backend.backend()}, {os.cpu_count()} CPU cores, "
        f"{config.repeats} turns each"
    )
    for name, turns in seconds.items():
        spread = f"({min(turns):.1f} to {max(turns):.1f})"
        note = f"  scaled from {len(few[0])} sentences" if name == "a step" and scale != 1 else ""
        print(f"{name:<10} {statistics.median(turns):>8.1f} s  {spread}{note}")
    print(
        f"ratio {ratio:.1f}: how many times as fast one loop is; {same:.1%} of texts are the same"
    )
    return {"seconds": seconds, "ratio": ratio, "same": same}


if __name__ == "__main__":
    main()
