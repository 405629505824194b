"""A checkpoint that cannot be read is set aside, and the one before it taken."""

import keras
import numpy as np
import pytest

from mmkeras.training.checkpoint import forget_best, load_checkpoint, save_best, save_checkpoint


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture
def path(model, tmp_path):
    """After three epochs, the second of which was the best."""
    path, best = tmp_path / "last.npz", 0
    for epoch in (1, 2, 3):
        before = best
        model.set_weights([np.full(w.shape, epoch) for w in model.get_weights()])
        if epoch < 3:
            best = epoch
            save_best(path, best, model.get_weights())
        progress = {"history": [{"epoch": n + 1} for n in range(epoch)], "best_epoch": best}
        save_checkpoint(path, model, {**progress, "best_value": 0.5, "improved_epoch": best})
        forget_best(path, keep={before, best})
    return path


def epochs(checkpoint):
    return None if checkpoint is None else len(checkpoint.progress["history"])


def test_two_checkpoints_and_their_best_weights_are_kept(path, model):
    names = {each.name for each in path.parent.iterdir()}
    assert names == {"last.npz", "before_last.npz", "best_last-0002.npz"}
    checkpoint = load_checkpoint(path)
    assert epochs(checkpoint) == 3 and (checkpoint.best_weights[0] == 2).all()
    model.set_weights([np.zeros(w.shape) for w in model.get_weights()])
    checkpoint.give(model)
    assert (model.get_weights()[0] == 3).all()


def changed_inside(data):
    place = data.index(b"variable_00000.npy") + 150
    return data[:place] + b"\0\1\2" + data[place + 3 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-100],
        lambda data: data[: len(data) // 2],
        lambda data: bytes(len(data)),
        lambda data: data[9:],
        lambda data: b"PK\3\4" + bytes(300),
        changed_inside,
        lambda data: data.replace(b'"best_epoch": 2', b'"bast_epoch": 2'),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_taken(path, capsys, damage):
    path.write_bytes(damage(path.read_bytes()))
    assert epochs(load_checkpoint(path)) == 2
    said = capsys.readouterr().err
    assert f"{path} cannot be read" in said and "renamed to last.npz.damaged" in said
    assert path.with_name("last.npz.damaged").exists() and not path.exists()
    assert epochs(load_checkpoint(path)) == 2
    assert not capsys.readouterr().err


def test_without_the_checkpoint_of_a_killed_rename_the_one_before_is_taken(path):
    path.unlink()
    assert epochs(load_checkpoint(path)) == 2


def test_without_its_best_weights_no_checkpoint_is_of_use(path, capsys):
    best = path.with_name("best_last-0002.npz")
    best.write_bytes(best.read_bytes()[:100])
    assert load_checkpoint(path) is None
    assert "best_last-0002.npz.damaged" in capsys.readouterr().err
    assert load_checkpoint(path) is None


def test_another_architecture_is_no_damage(path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    other.compile("adam", "mse")
    other.optimizer.build(other.trainable_variables)
    with pytest.raises(ValueError, match="another architecture or optimizer"):
        load_checkpoint(path).give(other)
    assert path.exists()
