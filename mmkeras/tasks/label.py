"""One class for each row: classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmkeras.data.tables.cells import label_names
from mmkeras.tasks.classes import ClassTask
from mmkeras.tasks.figures import FIGURES


@dataclass(frozen=True)
class LabelTask(ClassTask):
    """A softmax over classes, trained with categorical cross-entropy, judged by accuracy."""

    kind = "label"
    words = "classification"
    cells = "label"
    activation = "softmax"
    single_label = True
    stratified = True
    main = FIGURES["accuracy"]
    headline = ("accuracy", "macro_f1", "roc_auc")

    @classmethod
    def cell_values(cls, frame, target):
        return {target.column: label_names(frame[target.column]).to_numpy()}

    @classmethod
    def label_sets(cls, frame, target):
        return [(name,) for name in label_names(frame[target.column])]

    reduction: ClassVar[str] = "sum_over_batch_size"

    @classmethod
    def loss(cls, label_smoothing=0.0, gamma=0.0, class_weights=None):
        """Cross-entropy; with `gamma` or weights `- w_y (1 - p_y)^gamma log p_y` (focal loss).

        References:
            - [Lin et al., 2017](https://arxiv.org/abs/1708.02002)
        """
        import keras

        options = {"label_smoothing": label_smoothing, "reduction": cls.reduction}
        if not gamma and class_weights is None:
            return keras.losses.CategoricalCrossentropy(**options)
        alpha = 1.0 if class_weights is None else list(class_weights)
        return keras.losses.CategoricalFocalCrossentropy(alpha, gamma, **options)

    def class_weights(self, targets):
        """Rows by classes and the class' rows, as scikit-learn's `"balanced"`, `(classes,)`."""
        counts = np.maximum(targets.sum(axis=0, dtype=np.float64), 1.0)
        return (len(targets) / (targets.shape[1] * counts)).tolist()

    @classmethod
    def metrics(cls):
        import keras

        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def decode(self, outputs):
        return np.asarray(self.classes, dtype=object)[outputs.argmax(axis=1)]

    def figures(self, targets, outputs):
        """Accuracy, balanced accuracy (mean recall of the classes that occur), F1, log loss.

        Of two classes that both occur, the area under the ROC curve, too.
        """
        from sklearn import metrics

        from mmkeras.tasks.class_figures import class_curves

        true, guess = targets.argmax(axis=1), outputs.argmax(axis=1)
        recalls = [np.mean(guess[true == label] == label) for label in np.unique(true)]
        shares = outputs.astype(np.float64)
        shares = shares / shares.sum(axis=1, keepdims=True)
        labels = np.arange(outputs.shape[1])
        more = {}
        if outputs.shape[1] == 2 and len(recalls) == 2:
            more["roc_auc"] = float(class_curves(targets, outputs)["roc_auc"].mean())
        return {
            "accuracy": float(metrics.accuracy_score(true, guess)),
            "balanced_accuracy": float(np.mean(recalls)),
            "macro_f1": float(metrics.f1_score(true, guess, average="macro", zero_division=0)),
            "log_loss": float(metrics.log_loss(true, shares, labels=labels)),
            **more,
        }

    @property
    def figure_names(self):
        own = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
        return (*own, *super().figure_names)

    def row_scores(self, targets, outputs):
        """1.0 where the answer is right, otherwise 0.0."""
        return (targets.argmax(axis=1) == outputs.argmax(axis=1)).astype(np.float64)

    def constant_score(self, targets):
        """The share of the most frequent class."""
        return float(targets.mean(axis=0).max())

    def constant_words(self, targets):
        return f"always {self.classes[int(targets.sum(axis=0).argmax())]!r}"

    def constant_figures(self, targets):
        """Those of always giving the most frequent class; of two, an area of one half."""
        share = self.constant_score(targets)
        occurring = int((targets.sum(axis=0) > 0).sum())
        figures = {"accuracy": share, "macro_f1": 2 * share / (1 + share) / occurring}
        return figures | ({"roc_auc": 0.5} if targets.shape[1] == occurring == 2 else {})

    def said(self, outputs):
        return np.eye(outputs.shape[1], dtype=bool)[outputs.argmax(axis=1)]

    def is_right(self, targets, outputs):
        return targets.argmax(axis=1) == outputs.argmax(axis=1)

    def _confidence(self, outputs):
        return outputs.max(axis=1)

    @classmethod
    def answers(cls, targets, outputs):
        return outputs.max(axis=1), outputs.argmax(axis=1) == targets.argmax(axis=1)

    def answer_in_words(self, target, output):
        true, guess = self.decode(np.stack([target, output]))
        return f"{guess} {100 * output.max():.0f} %" + ("" if true == guess else f" (true: {true})")

    def pictures(self, targets, outputs):
        from mmkeras.tasks.pictures import most_confused, plot_confusion

        counts = self._confusion(targets, outputs)
        plot = plot_confusion(counts, self.classes)
        return {"confusion": (plot, most_confused(counts, self.classes))}

    def tables(self, targets, outputs):
        """Of more classes than the picture shows, the mistakes."""
        from mmkeras.tasks.pictures import MOST_CLASSES, confusions

        if len(self.classes) <= MOST_CLASSES:
            return {}
        table = confusions(self._confusion(targets, outputs), self.classes)
        return {
            "confusions": (
                table,
                "Mistakes by true and predicted class, the most frequent first, with their share "
                "of the true class. Classes that are taken for each other in both directions may "
                "be the same thing under two names.",
            )
        }

    def _confusion(self, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Examples by true and predicted class, `(classes, classes)`."""
        from sklearn.metrics import confusion_matrix

        labels = range(len(self.classes))
        return confusion_matrix(targets.argmax(axis=1), outputs.argmax(axis=1), labels=labels)
