"""Rows as a model's inputs, all in memory: to hide, swap and change modality by modality."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

import keras
import numpy as np

from mmkeras.audit.encoded_once import EncodedOnce
from mmkeras.data.pipeline import Pipeline
from mmkeras.data.raw import RawModality
from mmkeras.tasks import Task


class Rows:
    """Labelled rows that a model predicts on, again and again, each time changed a little.

    The cells are decoded once. What a modality's cells become as model inputs is made once, too.

    Args:
        model: A trained model.
        pipeline: The rows, with `cache="memory"`.
        swaps: How often a hidden modality is replaced by that of other rows.
        seed: Decides by which.
    """

    def __init__(self, model: keras.Model, pipeline: Pipeline, *, swaps: int = 5, seed: int = 0):
        self.model, self.pipeline = model, pipeline
        self._swaps, self._seed = swaps, seed
        schema = pipeline.preprocessing.schema
        self.names, self.task = schema.names, pipeline.preprocessing.task
        self.raw = {name: RawModality(pipeline, name) for name in schema.names}

    def __len__(self) -> int:
        return len(self.pipeline)

    @cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """By modality, and `present` where the model takes it; as they are."""
        inputs = {name: raw.inputs() for name, raw in self.raw.items()}
        if self.pipeline.preprocessing.presence:
            missing = np.stack([raw.missing for raw in self.raw.values()], axis=1)
            inputs["present"] = ~missing
        return inputs

    @cached_property
    def _encoded_once(self) -> EncodedOnce:
        return EncodedOnce(self.model, self.inputs)

    @cached_property
    def outputs(self) -> np.ndarray:
        """What the model says of the rows as they are, `(examples, outputs)`."""
        return self.predict()

    @property
    def targets(self) -> np.ndarray:
        """`(examples, outputs)`, as the model was trained on."""
        return self.pipeline.targets

    def predict(self, changed: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
        """What the model says when some inputs are others, `(examples, outputs)`."""
        outputs = self._encoded_once.predict({**self.inputs, **(changed or {})})
        return self.pipeline.unpad(outputs)

    def predict_from(self, kept: Collection[str]) -> np.ndarray:
        """What the model says when only some modalities are there.

        A model with the input `present` is told that the others are missing. Any other gets
        another row's in their place, drawn at random, and its answers are averaged over several
        draws: what it would say on average if it did not know them (Lundberg and Lee, 2017).

        Args:
            kept: The modalities that stay.

        Returns:
            `(examples, outputs)`.
        """
        hidden = [name for name in self.names if name not in kept]
        if not hidden:
            return self.outputs
        if "present" in self.inputs:
            there = np.array([name in kept for name in self.names])
            return self.predict({"present": self.inputs["present"] & there})
        drawn = []
        for draw in range(self._swaps):
            changed: dict[str, np.ndarray] = {}
            for name in hidden:
                # One other row gives all of them: so what hangs together stays together.
                changed |= self.swapped(name, draw)
            drawn.append(self.predict(changed))
        return self.task.consensus(drawn)

    def swapped(self, name: str, draw: int) -> dict[str, np.ndarray]:
        """Inputs in which each row has another row's cell of a modality; none keeps its own.

        Args:
            name: The modality.
            draw: Which of many such permutations; the same for all modalities.

        Returns:
            The inputs that change: the modality's, and `present` where there is one.
        """
        random = np.random.default_rng([self._seed, draw])
        values, real = self.inputs[name], self.pipeline.real_steps
        # With a label per step, steps change places: rows are of different lengths.
        units = values if real is None else values[real]
        order = random.permutation(len(units))
        moved = np.empty_like(units)
        moved[order] = units[np.roll(order, 1)]
        changed = {name: moved}
        if real is not None:
            changed = {name: values.copy()}
            changed[name][real] = moved
        elif "present" in self.inputs:
            place = self.names.index(name)
            present = self.inputs["present"].copy()
            present[order, place] = self.inputs["present"][np.roll(order, 1), place]
            changed["present"] = present
        return changed

    def shuffled(self, name: str, places: np.ndarray, draw: int) -> dict[str, np.ndarray]:
        """Inputs in which each row has another row's numbers at some places of a vector.

        Args:
            name: The modality, whose inputs are vectors.
            places: Booleans `(width,)`.
            draw: Which of many such permutations.
        """
        return {name: np.where(places, self.swapped(name, draw)[name], self.inputs[name])}

    def score(self, outputs: np.ndarray, task: Task | None = None) -> float:
        """The task's main figure.

        Args:
            outputs: Of this model or another one.
            task: The target with that model's own thresholds; by default this one's.
        """
        own = self.task.own_unit
        return (task or self.task).main_score(own(self.targets), own(outputs))

    def row_scores(self, outputs: np.ndarray, task: Task | None = None) -> np.ndarray:
        """What each example adds to the main figure; arguments as for `score`."""
        own = self.task.own_unit
        return (task or self.task).row_scores(own(self.targets), own(outputs))
