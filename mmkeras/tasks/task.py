"""What every kind of target says of itself. Reports, comparisons, searches and audits ask here."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from mmkeras.data.unprepared import Unprepared
from mmkeras.schema import Target
from mmkeras.tasks.figures import Figure

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure as Plot


class Task(ABC):
    """A kind of target: its fitted state, its loss, its figures and how they are worded.

    A subclass is a frozen dataclass whose fields are the target and what is fitted on the training
    rows; `to_dict` writes the latter as JSON. The arrays that it encodes are float32
    `(examples, outputs)`, or where the task is not `is_flat` `(examples, ...)` of one shape that
    it chooses (ids of pieces of text, pictures, steps, boxes). An example is what one prediction
    is made for: a row, or with `per_step` a step of a row.

    Attributes:
        kind: The target's kind, and the name in `TASKS`.
        words: What the task is called.
        cells: How `read_table` reads the cells: `"label"`, `"labels"`, `"number"` or `"steps"`
            (`cell_role` says it of a certain target).
        is_flat: Whether an answer is a row of probabilities or numbers.
        suits_classical: Whether scikit-learn's classifiers or regressors can give it.
        decoders: Which of `mmkeras.decoders.DECODERS` give it; `default_decoder` says which one
            does where none is asked for. None where a dense layer does.
        settings: The dataclass of the target's settings, where it has any.
        activation: Of the model's output: `"softmax"`, `"sigmoid"` or `"linear"`.
        has_classes: Whether outputs are probabilities of `classes`.
        single_label: Whether each example has exactly one class.
        per_step: Whether there is an example for each step of a row's sequences.
        stratified: Whether splits keep the shares of the classes.
        may_be_empty: Whether an empty cell is an answer.
        telling: Which examples a report shows, in a sentence.
        what: What an output is: a probability or a number.
        best_constant: What the best answer is called that is the same for all rows.
        main: The figure that says how good a model is, everywhere.
        headline: The figures that tables of models show, the main one first; those that a model's
            `figures` lack (ROC-AUC is of two classes) are left out.
    """

    kind: ClassVar[str]
    words: ClassVar[str]
    cells: ClassVar[str]
    is_flat: ClassVar[bool] = True
    suits_classical: ClassVar[bool] = True
    decoders: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type | None] = None
    activation: ClassVar[str] = "linear"
    has_classes: ClassVar[bool] = True
    single_label: ClassVar[bool] = False
    per_step: ClassVar[bool] = False
    stratified: ClassVar[bool] = False
    may_be_empty: ClassVar[bool] = False
    telling: ClassVar[str] = "The most confident right answers, then the most confident mistakes."
    what: ClassVar[str] = "probability"
    best_constant: ClassVar[str] = "the best constant answer"
    main: ClassVar[Figure]
    headline: ClassVar[tuple[str, ...]]

    target: Target
    # Names of the outputs, where these are probabilities.
    classes: tuple[str, ...] = ()

    # Before anything is fitted.

    @classmethod
    def cell_role(cls, target: Target) -> str:
        """How `read_table` reads the cells of this target; see `tables.columns`."""
        return cls.cells

    @classmethod
    def empty_says(cls, target: Target) -> bool:
        """Whether an empty cell of this target is an answer."""
        return cls.may_be_empty

    @classmethod
    @abstractmethod
    def cell_values(cls, frame: pd.DataFrame, target: Target) -> dict[str, np.ndarray]:
        """What the target's cells say, by column, as values that can be compared `(rows,)`."""

    @classmethod
    @abstractmethod
    def fit(cls, frame: pd.DataFrame, target: Any, settings: Any = None) -> Task:
        """Learns what there is to learn of a target from the training rows.

        Args:
            frame: The training rows.
            target: The schema's target.
            settings: Of the class `settings`, where the task has one; by default its defaults.
        """

    @classmethod
    def settings_of(cls, given: Mapping[str, Any]) -> Any:
        """The target's settings from those that differ from the defaults; `None` without any.

        Raises:
            ValueError: A setting that the target does not have.
        """
        known = [] if cls.settings is None else [f.name for f in dataclasses.fields(cls.settings)]
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(
                f"The target of {cls.words} has no setting {unknown}. It has {known or 'none'}."
            )
        return None if cls.settings is None else cls.settings(**given)

    @classmethod
    @abstractmethod
    def from_dict(cls, target: Target, state: Mapping[str, Any]) -> Task:
        """A task as `to_dict` wrote it."""

    @classmethod
    def main_of(cls, target: Any) -> Figure:
        """The main figure of this target."""
        return cls.main

    @classmethod
    def headline_of(cls, target: Any) -> tuple[str, ...]:
        """The figures that tables of models show for this target, the main one first."""
        return cls.headline

    @property
    def watched(self) -> str:
        """The key of what Keras computes in training that stands for the main figure."""
        return self.main.key

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """The loss of a model's outputs, where no decoder brings its own.

        With `learns_classes` it takes `gamma`, of the focal loss, and `class_weights`, too.
        """
        raise NotImplementedError(f"A decoder brings the loss of {self.words}.")

    def metrics(self) -> list[keras.metrics.Metric]:
        """What Keras computes in training; one of them is `watched`, under its key."""
        raise NotImplementedError(f"A decoder brings the metrics of {self.words}.")

    @property
    def learns_classes(self) -> bool:
        """Whether the loss is of classes, which can be weighted (`class_weights`), or focal."""
        return False

    def class_weights(self, targets: np.ndarray) -> Any:
        """Weights for `loss` with which all classes count the same, from training targets."""
        raise NotImplementedError(f"{self.words} has no classes to weigh.")

    @property
    def default_decoder(self) -> str:
        """Which of `decoders` suits these targets."""
        return self.decoders[0]

    def check_modalities(self, fitted: Mapping[str, Any]) -> None:  # noqa: B027 (most take all)
        """Refuses settings of the inputs that the target does not go with.

        Args:
            fitted: The fitted state of each modality, by name.

        Raises:
            ValueError: Says which setting to change.
        """

    def decoder_options(self, name: str) -> dict[str, Any]:
        """The arguments of a decoder's constructor that follow from what was fitted."""
        return {}

    # Cells and arrays.

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """The width of the model's output."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The fitted state, as JSON can hold it."""

    @abstractmethod
    def encode(self, frame: pd.DataFrame, id: str | None = None) -> np.ndarray:
        """The cells of rows as targets to train on, float32 `(examples, outputs)`.

        Args:
            frame: Rows with the target's columns.
            id: The column that names the rows in error messages, next to their index.

        Raises:
            ValueError: A cell that nothing in the training rows prepared the task for.
        """

    def fed(self, targets: np.ndarray) -> np.ndarray:
        """What a model is trained on, of encoded targets: these hold the whole truth.

        The two differ where a truth is longer than any answer, or has parts that no training row
        has.
        """
        return targets

    def unprepared(self, frame: pd.DataFrame) -> list[Unprepared]:
        """Cells of the target that no answer of the model can be."""
        return []

    def signatures(self) -> dict[str, str]:
        """By figure, how exactly it is computed, where a library has a name for that."""
        return {}

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """What outputs say in the target's own words, one answer for each example."""

    @abstractmethod
    def check_judged(self, frame: pd.DataFrame, id: str | None = None) -> None:
        """Refuses rows by which a model cannot be judged.

        Raises:
            ValueError: A row without an answer; answers that are all the same, where no figure
                is defined for them.
        """

    @property
    def units(self) -> np.ndarray:
        """What a step of 1 of each of the model's outputs is in the target's unit, `(outputs,)`."""
        return np.ones(self.num_outputs)

    def own_unit(self, arrays: np.ndarray) -> np.ndarray:
        """Targets or outputs `(examples, outputs)` in the unit of the table's cells."""
        return arrays

    @abstractmethod
    def true(self, examples: pd.DataFrame) -> np.ndarray:
        """The examples' own answers, as `decode` gives those of a model."""

    def saved(self, examples: pd.DataFrame, outputs: np.ndarray, folder: Path) -> list[str] | None:
        """Writes each answer as a file, where a table cannot hold it.

        Args:
            examples: What was predicted.
            outputs: What the model gave.
            folder: Where the files go; it is made.

        Returns:
            The files' names, one per example; `None` where the table of predictions has all.
        """
        return None

    def consensus(self, drawn: list[np.ndarray]) -> np.ndarray:
        """One answer from several for the same examples: their mean."""
        return np.mean(drawn, axis=0)

    @abstractmethod
    def prediction_columns(
        self, examples: pd.DataFrame, outputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The columns of a table of predictions: `true` (if known), `predicted`, and more."""

    # Figures and what people are shown: of targets and outputs in the target's own unit.

    @abstractmethod
    def figures(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
        """The figures of a model on some examples, for `metrics.json`."""

    @property
    def has_thresholds(self) -> bool:
        """Whether there is something in the answers that `tuned` chooses."""
        return False

    def tuned(self, targets: np.ndarray, outputs: np.ndarray) -> Task:
        """The same with thresholds that suit a model's outputs, where it has any.

        Args:
            targets, outputs: Of rows that the model was not trained on.
        """
        return self

    @property
    @abstractmethod
    def figure_names(self) -> tuple[str, ...]:
        """The keys of `all_figures`, each of which training can watch on the validation rows."""

    @abstractmethod
    def all_figures(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
        """Those, and all that the audit shows; NaN where one is not defined for these examples."""

    def interval_figures(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
        """Those that are computed quickly enough for hundreds of samples of the examples."""
        return self.all_figures(targets, outputs)

    @abstractmethod
    def main_score(self, targets: np.ndarray, outputs: np.ndarray) -> float:
        """The main figure."""

    @abstractmethod
    def row_scores(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """What each example adds to the main figure, `(examples,)`: their mean is that figure."""

    @abstractmethod
    def constant_score(self, targets: np.ndarray) -> float:
        """The main figure of the best answer that is the same for all of these examples."""

    def constant_words(self, targets: np.ndarray) -> str:
        """What the best constant answer for these examples says."""
        return self.best_constant

    def constant_figures(self, targets: np.ndarray) -> dict[str, float]:
        """The figures of the best constant answer to each of them, the main one first."""
        return {self.main.key: self.constant_score(targets)}

    def remarks(self, targets: np.ndarray, outputs: np.ndarray) -> list[str]:
        """What the figures hide of these answers, each in a sentence."""
        return []

    def said(self, outputs: np.ndarray) -> np.ndarray:
        """With `has_classes`, which classes each answer names, booleans `(examples, classes)`."""
        raise NotImplementedError(f"An answer of {self.words} names no classes.")

    @abstractmethod
    def texts(self, arrays: np.ndarray) -> list[str]:
        """What targets or outputs say, a text for each example."""

    @abstractmethod
    def right_and_wrong(
        self, targets: np.ndarray, outputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions of right answers, the surest first, and of mistakes, the worst first."""

    @abstractmethod
    def is_right(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Which answers a report shows as right, booleans `(examples,)`."""

    @abstractmethod
    def answer_in_words(self, target: np.ndarray, output: np.ndarray) -> str:
        """What the model said of one example, and the truth where that differs."""

    def explained(self, output: np.ndarray) -> str | None:
        """Which of several outputs of an example is explained (the largest), in a sentence."""
        return None

    def drawn_on(
        self, pictures: dict[str, np.ndarray], targets: np.ndarray, outputs: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The examples' pictures, with what can be drawn on them of targets and outputs.

        Args:
            pictures: By modality, uint8 `(examples, height, width, 1 | 3)`.
            targets, outputs: Of the same examples.
        """
        return pictures

    @abstractmethod
    def pictures(self, targets: np.ndarray, outputs: np.ndarray) -> dict[str, tuple[Plot, str]]:
        """Pictures of true and predicted values, each with its caption, by file name."""

    def tables(
        self, targets: np.ndarray, outputs: np.ndarray
    ) -> dict[str, tuple[pd.DataFrame, str]]:
        """Tables of what pictures have no room for, each with its caption, by file name.

        A report shows the first rows, the file has all.
        """
        return {}


def same(parts: list[np.ndarray]) -> np.ndarray:
    """The values of several columns as one value for each row."""
    if len(parts) == 1:
        return parts[0]
    values = np.empty(len(parts[0]), dtype=object)
    values[:] = list(zip(*parts, strict=True))
    return values
