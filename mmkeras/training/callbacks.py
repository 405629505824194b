"""What happens at the end of an epoch: best weights, early stopping, checkpoints, progress."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from mmkeras.files import written
from mmkeras.models.compile import output_names
from mmkeras.tasks import FIGURES
from mmkeras.training.averaging import averaged_weights
from mmkeras.training.checkpoint import (
    forget_best,
    load_checkpoint,
    save_best,
    save_checkpoint,
)
from mmkeras.training.distribution import leads
from mmkeras.training.settings import TrainingSettings

EPOCHS = "epochs"  # the folder of the best epochs' weights


def epoch_file(epoch: int) -> str:
    """The file of an epoch's weights."""
    return f"epoch-{epoch:04d}.weights.h5"


class PlainNames(keras.callbacks.Callback):
    """With auxiliary outputs, `loss` and `val_accuracy` still are those of the model itself.

    Keras hands one dict to all callbacks in turn; this one comes first and renames in place.
    """

    def on_epoch_end(self, epoch, logs=None):
        if not output_names(self.model):  # a metric of one's own may be called `output_...`
            return
        for side in ("", "val_"):
            for name in [n for n in logs if n.startswith(f"{side}output_")]:
                logs[f"{side}{name.removeprefix(f'{side}output_')}"] = logs.pop(name)


class Keeper(keras.callbacks.Callback):
    """Keeps the history and the best weights, stops early, and writes the checkpoint.

    Args:
        settings: With the monitored value under the name that it has in Keras' logs.
        checkpoint: As for `mmkeras.training.fit.fit`.
        has_validation: Whether validation rows say which epoch is best.
        kept: Gives the model whose weights are kept in files, where those of several epochs are.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        checkpoint: str | Path | None,
        has_validation: bool,
        kept: Callable[[], keras.Model] | None = None,
    ):
        super().__init__()
        if settings.keep_best > 1 and checkpoint is None:
            raise ValueError(
                f"keep_best={settings.keep_best} keeps weights in files, and this training has no "
                "folder. Leave it out."
            )
        self._kept = kept
        self._settings = settings
        self._has_validation = has_validation
        self._path = None if checkpoint is None else Path(checkpoint)
        self._stored = None if self._path is None else load_checkpoint(self._path)
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self._improved_epoch = 0
        self.best_value = -math.inf
        self.best_weights: list[np.ndarray] = []

    @property
    def finished(self) -> bool:
        epochs = self._settings.epochs
        if self.epoch >= epochs * self._settings.rounds:
            return True
        if self.epoch and self.epoch % epochs == 0 and not self.still_better:
            return True
        patience = self._settings.patience
        # While parts are frozen there may be nothing better to come before they are trained.
        since = max(self._improved_epoch, self._settings.freeze_epochs)
        return bool(patience) and self.epoch - since >= patience

    @property
    def still_better(self) -> bool:
        """Whether the validation loss was lowest in the last tenth of the epochs."""
        if not self._has_validation:
            return False
        losses = [row["val_loss"] for row in self.history]
        last = max(1, len(losses) // 10)
        return min(losses[-last:]) < min(losses[:-last], default=math.inf)

    @property
    def stored_epochs(self) -> int:
        """How many epochs the checkpoint has; 0 without one."""
        return 0 if self._stored is None else len(self._stored.progress["history"])

    def restore(self, model: keras.Model) -> None:
        """Continues from the checkpoint, if there is one."""
        if self._stored is None:
            return
        self._stored.give(model)
        progress, self.best_weights = self._stored.progress, self._stored.best_weights
        self._stored = None  # its arrays need not stay in memory
        self.history = progress["history"]
        self.epoch = len(self.history)
        self.best_epoch, self.best_value = progress["best_epoch"], progress["best_value"]
        self._improved_epoch = progress["improved_epoch"]

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        watched = ["loss", *([self._settings.monitor] if self._has_validation else [])]
        wrong = [name for name in watched if not math.isfinite(logs[name])]
        if wrong and not wrong[0].endswith("loss"):
            raise ValueError(
                f"{wrong[0]} is not defined for the validation rows: do all of them have the same "
                "answer? Monitor another value, or give more validation rows."
            )
        if wrong:
            raise ValueError(
                f"{wrong[0]} became {logs[wrong[0]]} in epoch {epoch + 1}. Try a smaller learning "
                "rate or clip_norm, and look for extreme numbers in the table."
            )
        seconds = time.perf_counter() - self._started
        self.history.append({"epoch": epoch + 1, **logs, "seconds": round(seconds, 3)})
        self.epoch = epoch + 1
        # Without validation rows every epoch is the best so far. Of equally good ones the later
        # is kept, since accuracies on few rows often tie and it has been trained longer; patience
        # counts from the last that was better.
        monitor = self._settings.monitor
        value = self._settings.monitor_sign * logs[monitor] if self._has_validation else self.epoch
        if value > self.best_value:
            self._improved_epoch = epoch + 1
        best_before = self.best_epoch
        if value >= self.best_value:
            self.best_value, self.best_epoch = value, epoch + 1
            with averaged_weights(self.model):
                self.best_weights = self.model.get_weights()
        if self._path is not None and leads():
            self._write(self._path, best_before)
        if self.finished:
            self.model.stop_training = True

    def _write(self, path: Path, best_before: int) -> None:
        """Writes the epoch that ends, whose best weights come before what says that they are."""
        if self.best_epoch == self.epoch:
            save_best(path, self.best_epoch, self.best_weights)
        if self._kept is not None and self._settings.keep_best > 1:
            self._keep_best(self._kept, path.parent / EPOCHS)
        progress = {
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "improved_epoch": self._improved_epoch,
        }
        save_checkpoint(path, self.model, progress)
        # The checkpoint before this one is kept, and with it its best weights.
        forget_best(path, keep={self.best_epoch, best_before})

    def _keep_best(self, kept: Callable[[], keras.Model], folder: Path) -> None:
        """Writes the weights of the last epoch, if it is among the best, and deletes others'."""
        monitor = self._settings.monitor
        scores = [
            (
                self._settings.monitor_sign * row[monitor] if self._has_validation else 0.0,
                int(row["epoch"]),
            )
            for row in self.history
        ]
        best = {epoch for _, epoch in sorted(scores)[-self._settings.keep_best :]}
        folder.mkdir(exist_ok=True)
        if self.epoch in best:
            with averaged_weights(self.model), written(folder / epoch_file(self.epoch)) as file:
                kept().save_weights(file)
        for number in {epoch for _, epoch in scores} - best:
            (folder / epoch_file(number)).unlink(missing_ok=True)


class EpochLine(keras.callbacks.Callback):
    """One line of progress: rewritten at every step on a terminal, else now and then."""

    _SECONDS_BETWEEN_STEPS = 0.2
    _SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, label: str, epochs: int, steps: int):
        super().__init__()
        self._label, self._epochs, self._steps = label, epochs, steps
        self._terminal = sys.stderr.isatty()
        self._last, self._values, self._width = 0.0, "", 0
        self._epoch = self._last_shown = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self._terminal and now - self._last >= self._SECONDS_BETWEEN_STEPS:
            self._last = now
            self._show(f"step {batch + 1}/{self._steps}  {self._values}")

    def on_epoch_end(self, epoch, logs=None):
        shown = {k: v for k, v in (logs or {}).items() if k in ("loss", "val_loss")}
        validation = {f"val_{figure}" for figure in FIGURES}
        shown |= {k: v for k, v in (logs or {}).items() if k in validation}
        self._values = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
        now = time.monotonic()
        if self._terminal:
            self._show(self._values)
        elif now - self._last >= self._SECONDS_BETWEEN_LINES:
            self._last = now
            self._show(self._values)

    def on_train_end(self, logs=None):
        if self._terminal:
            print(file=sys.stderr, flush=True)
        elif self._last_shown != self._epoch:
            self._show(self._values)

    def _show(self, text: str) -> None:
        self._last_shown = self._epoch
        line = f"{self._label}: epoch {self._epoch}/{self._epochs}  {text}"
        if self._terminal:
            print(f"\r{line.ljust(self._width)}", end="", file=sys.stderr, flush=True)
            self._width = len(line)
        else:
            print(line, file=sys.stderr, flush=True)
