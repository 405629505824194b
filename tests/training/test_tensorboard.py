"""What a run leaves for TensorBoard while it trains."""

import keras
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmkeras.training.checkpoint import load_checkpoint
from mmkeras.training.settings import TrainingSettings
from mmkeras.training.tensorboard import TensorBoardScalars
from tests.training.test_fit import small

pytestmark = pytest.mark.eager


def epochs_in(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {event.step for event in events.Tensors("epoch/loss")}


class Look(keras.callbacks.Callback):
    """What is on disk as soon as an epoch's checkpoint is, which is what a killed run leaves."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.seen = folder, []

    def on_epoch_end(self, epoch, logs=None):
        stored = load_checkpoint(self.folder / "last.npz")
        done = {row["epoch"] for row in stored.progress["history"]}
        self.seen.append((done, *(epochs_in(self.folder / s) for s in ("train", "validation"))))


def test_epochs_that_a_checkpoint_has_are_in_the_event_files(shared_table, tmp_path):
    look = Look(tmp_path)
    small(
        shared_table,
        TrainingSettings(epochs=3, freeze=("facts",), freeze_epochs=1),
        checkpoint=tmp_path / "last.npz",
        recorders=[TensorBoardScalars(tmp_path)],
        callbacks=[look],
    )
    expected = [set(range(1, epoch + 1)) for epoch in (1, 2, 3)]
    assert look.seen == [(done, done, done) for done in expected]
