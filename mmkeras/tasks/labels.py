"""Any number of labels for each row: multi-label classification."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from mmkeras.data.tables.cells import label_names, label_sets
from mmkeras.schema import Labels
from mmkeras.tasks.class_figures import precision_recall_f1
from mmkeras.tasks.classes import ClassTask
from mmkeras.tasks.figures import FIGURES
from mmkeras.tasks.thresholds import fit_thresholds


@dataclass(frozen=True)
class LabelsTask(ClassTask):
    """A sigmoid for each label, trained with binary cross-entropy, judged by F1 over rows.

    A label applies from one half, or from its threshold of the best F1 on validation rows
    (`fit_thresholds`), as rare labels seldom get a probability of one half. The main figure is the
    mean of the rows' F1 (`sklearn.metrics.f1_score` with `average="samples"`): a row's is the
    harmonic mean of its precision and recall, and 1 where it has no label and is given none. Unlike
    the share of labels that are right, it is not near 1 for a model that gives no labels at all.

    Args:
        target: The schema's target.
        classes: The labels of the training rows, in alphabetical order.
        thresholds: From which probability each label applies; none where all are one half, as
            they are in training.
    """

    target: Labels
    thresholds: tuple[float, ...] = ()

    kind = "labels"
    words = "multi-label classification"
    cells = "labels"
    called = "labels"
    activation = "sigmoid"
    may_be_empty = True
    main = FIGURES["samples_f1"]
    headline = ("samples_f1", "micro_f1", "macro_f1")

    @classmethod
    def cell_role(cls, target):
        return "flag" if target.by_column else cls.cells

    @classmethod
    def empty_says(cls, target):
        return not target.by_column

    @classmethod
    def cell_values(cls, frame, target):
        if target.by_column:
            return {column: label_names(frame[column]).to_numpy() for column in target.columns}
        names = [" | ".join(sorted(labels)) for labels in cls.label_sets(frame, target)]
        return {target.column: np.array([name or "no label" for name in names], object)}

    @classmethod
    def label_sets(cls, frame, target):
        if not target.by_column:
            return label_sets(frame[target.column], target.separator)
        values = frame[list(target.columns)].to_numpy(np.float64)
        names = np.array(target.columns, dtype=object)
        unknown = np.isnan(values).any(axis=1)
        pairs = zip(values, unknown, strict=True)
        return [(None,) if empty else tuple(names[row == 1]) for row, empty in pairs]

    @classmethod
    def tells_apart(cls, sets):
        # Of a single label, too, there is to learn which rows have it.
        return len({frozenset(labels) for labels in sets}) > 1

    def true(self, examples):
        if not self.target.by_column:
            return super().true(examples)
        joined = [
            None if None in labels else self.target.separator.join(sorted(labels))
            for labels in self.label_sets(examples, self.target)
        ]
        return np.array([*joined, None], dtype=object)[:-1]

    @classmethod
    def loss(cls, label_smoothing=0.0, gamma=0.0, class_weights=None):
        """Binary cross-entropy, weighted or focal (`WeightedBinaryCrossentropy`)."""
        import keras

        from mmkeras.tasks.class_losses import WeightedBinaryCrossentropy

        if class_weights is not None:
            return WeightedBinaryCrossentropy(class_weights, gamma, label_smoothing)
        if gamma:
            return keras.losses.BinaryFocalCrossentropy(
                gamma=gamma, label_smoothing=label_smoothing
            )
        return keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)

    def class_weights(self, targets):
        """For each label, all rows by twice those without it, and by twice those with it."""
        counts = np.stack([(targets < 0.5).sum(axis=0), (targets >= 0.5).sum(axis=0)], axis=1)
        # A label that all rows have has no others to be weighed against.
        return np.where(counts > 0, len(targets) / (2 * np.maximum(counts, 1)), 1.0).tolist()

    @classmethod
    def metrics(cls):
        import keras

        from mmkeras.tasks.samples_f1 import SamplesF1

        return [keras.metrics.BinaryAccuracy(name="accuracy"), SamplesF1(name="samples_f1")]

    @classmethod
    def from_dict(cls, target, state):
        return cls(target, tuple(state["classes"]), tuple(state.get("thresholds", ())))

    def to_dict(self):
        own = {"thresholds": list(self.thresholds)} if self.thresholds else {}
        return {**super().to_dict(), **own}

    has_thresholds = True

    def tuned(self, targets, outputs):
        limits = fit_thresholds(targets, outputs)
        return dataclasses.replace(self, thresholds=tuple(limits.tolist()))

    def said(self, outputs):
        return outputs >= (np.array(self.thresholds) if self.thresholds else 0.5)

    def remarks(self, targets, outputs):
        remarks = super().remarks(targets, outputs)
        if not self.thresholds:
            remarks.append("There were no validation rows to fit thresholds: labels apply from "
                           "a probability of one half.")  # fmt: skip
        return remarks

    def decode(self, outputs):
        names = np.asarray(self.classes, dtype=object)
        joined = [self.target.separator.join(names[row]) for row in self.said(outputs)]
        return np.asarray(joined, dtype=object)

    def figures(self, targets, outputs):
        """F1 over rows, micro- and macro-F1, the share of rows that are wholly right, log loss."""
        guess, true = self.said(outputs), targets >= 0.5
        clipped = np.clip(outputs.astype(np.float64), 1e-7, 1 - 1e-7)
        loss = -(true * np.log(clipped) + (1 - true) * np.log1p(-clipped)).mean()
        return {
            "samples_f1": self.main_score(targets, outputs),
            "micro_f1": float(precision_recall_f1(true.ravel(), guess.ravel())[2]),
            "macro_f1": float(precision_recall_f1(true, guess)[2].mean()),
            "subset_accuracy": float((true == guess).all(axis=1).mean()),
            "log_loss": float(loss),
        }

    @property
    def figure_names(self):
        own = ("samples_f1", "micro_f1", "macro_f1", "subset_accuracy", "log_loss")
        return (*own, *super().figure_names)

    def row_scores(self, targets, outputs):
        """Each row's F1."""
        true, guess = targets >= 0.5, self.said(outputs)
        both, either = (true & guess).sum(axis=1), true.sum(axis=1) + guess.sum(axis=1)
        return np.where(either > 0, 2 * both / np.maximum(either, 1), 1.0)

    def constant_score(self, targets):
        """That of the most frequent labels, as many as score best."""
        return self.main_score(targets, self._constant(targets))

    def constant_words(self, targets):
        return f"always {self.texts(self._constant(targets)[:1])[0] or 'no label'!r}"

    def constant_figures(self, targets):
        figures = self.figures(targets, self._constant(targets))
        return {name: figures[name] for name in self.headline}

    def _constant(self, targets: np.ndarray) -> np.ndarray:
        """The best constant answer for each of these examples."""
        order = np.argsort(-targets.mean(axis=0), kind="stable")
        answers = np.tri(len(order) + 1, len(order), -1, dtype=bool)[:, np.argsort(order)]
        said = (np.tile(answer, (len(targets), 1)).astype(np.float64) for answer in answers)
        return max(said, key=lambda each: self.main_score(targets, each))

    def is_right(self, targets, outputs):
        return ((targets >= 0.5) == self.said(outputs)).all(axis=1)

    def _confidence(self, outputs):
        return np.abs(outputs - (np.array(self.thresholds) if self.thresholds else 0.5)).mean(1)

    @classmethod
    def answers(cls, targets, outputs):
        """Of the probabilities, whatever the thresholds are: the more probable of yes and no."""
        right = (outputs >= 0.5) == (targets >= 0.5)
        return np.maximum(outputs, 1 - outputs).ravel(), right.ravel()

    def answer_in_words(self, target, output):
        true, guess = self.decode(np.stack([target, output]))
        guess = guess or "no label"
        return guess if true == guess else f"{guess} (true: {true or 'no label'})"

    def explained(self, output):
        label = self.classes[output.argmax()]
        return f"What is explained is the label {label!r}, the most probable."

    def pictures(self, targets, outputs):
        return {}
