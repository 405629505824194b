"""The figures by which models are judged: what they are called, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure of a model on some rows.

    Args:
        key: Its name in `metrics.json`, in tables, and as a Keras metric.
        words: Its name in sentences.
        higher_is_better: Which way is better.
        percent: Whether it is a share, shown in percent and points.

    Example:

    >>> FIGURES["accuracy"].shown(0.784), FIGURES["r2"].shown(0.784)
    ('78.4 %', '0.784')
    """

    key: str
    words: str
    higher_is_better: bool = True
    percent: bool = True

    @property
    def sign(self) -> float:
        """1.0 where more is better, otherwise -1.0."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def scale(self) -> int:
        """What values are multiplied with on an axis: shares are shown in percent."""
        return 100 if self.percent else 1

    @property
    def axis_label(self) -> str:
        return f"{self.words}, %" if self.percent else self.words

    def shown(self, value: float) -> str:
        """A value: `78.4 %`, or `0.784` where it is not a share."""
        return f"{self.number(value)} %" if self.percent else self.number(value)

    def number(self, value: float) -> str:
        """A value without its unit: `78.4`, or `0.784` where it is not a share."""
        return f"{100 * value:.1f}" if self.percent else f"{value:.3f}"

    def signed(self, value: float) -> str:
        """A difference without its unit: `+3.2`, or `+0.032`."""
        return f"{100 * value:+.1f}" if self.percent else f"{value:+.3f}"

    def difference(self, value: float) -> str:
        """A difference of values: `+3.2 points`, or `+0.032`."""
        return f"{self.signed(value)} points" if self.percent else self.signed(value)


FIGURES: dict[str, Figure] = {
    figure.key: figure
    for figure in (
        Figure("accuracy", "accuracy"),
        Figure("balanced_accuracy", "balanced accuracy"),
        Figure("subset_accuracy", "subset accuracy"),
        Figure("samples_f1", "F1 over rows"),
        Figure("micro_f1", "micro-F1"),
        Figure("macro_f1", "macro-F1"),
        Figure("roc_auc", "ROC-AUC"),
        Figure("average_precision", "average precision"),
        Figure("log_loss", "log loss", higher_is_better=False, percent=False),
        Figure("brier", "Brier score", higher_is_better=False, percent=False),
        Figure("mae", "MAE", higher_is_better=False, percent=False),
        Figure("rmse", "RMSE", higher_is_better=False, percent=False),
        Figure("r2", "R²", percent=False),
        Figure("pearson", "Pearson's r", percent=False),
        Figure("word_accuracy", "word accuracy (1 - WER)"),
        Figure("character_accuracy", "character accuracy (1 - CER)"),
        Figure("wer", "word error rate", higher_is_better=False),
        Figure("cer", "character error rate", higher_is_better=False),
        Figure("token_accuracy", "accuracy of the next piece"),
        Figure("exact_match", "texts wholly right"),
        Figure("chrf", "chrF, mean over texts"),
        Figure("corpus_chrf", "chrF of all texts"),
        Figure("bleu", "BLEU"),
        Figure("ssim", "SSIM", percent=False),
        Figure("recall@1", "R@1 of the true target"),
        Figure("recall@10", "R@10 of the true target"),
        Figure("length_error", "length error in steps", higher_is_better=False, percent=False),
        Figure("box_accuracy", "accuracy at IoU 0.5"),
        Figure("box_f1", "F1 of boxes over rows"),
        Figure("pointing", "pointing accuracy"),
        Figure("map50", "mAP at IoU 0.5"),
        Figure("map", "mAP at IoU 0.5 to 0.95"),
        Figure("mean_iou", "mean IoU", percent=False),
    )
}


def better_sign(monitor: str) -> float:
    """1.0 where more of a value that training watches is better, -1.0 for losses and errors.

    Raises:
        ValueError: It is neither a loss nor one of `FIGURES`, so that nothing says which.

    >>> better_sign("val_accuracy"), better_sign("val_loss")
    (1.0, -1.0)
    """
    # Of several targets, a figure is followed by its target's name: `accuracy(species)`.
    name = monitor.removeprefix("val_").partition("(")[0]
    if name.endswith("loss") and name not in FIGURES:
        return -1.0
    if name not in FIGURES:
        raise ValueError(
            f"It is not known whether more or less of {monitor!r} is better, so it cannot be "
            f"monitored. Give a loss, or one of {', '.join(FIGURES)}."
        )
    return FIGURES[name].sign
