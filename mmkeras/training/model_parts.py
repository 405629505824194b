"""Parts of a model that are trained at a rate of their own, later, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras

from mmkeras.models.parts import trained_parts
from mmkeras.training.settings import TrainingSettings


def check_parts(model: keras.Model, settings: TrainingSettings) -> None:
    """Refuses names of `freeze` and `part_rates` that no part with weights has.

    Raises:
        ValueError: There is no such part, or nothing would be trained.
    """
    parts = trained_parts(model) if settings.freeze or settings.part_rates else {}
    for setting in ("freeze", "part_rates"):
        if unknown := [name for name in getattr(settings, setting) if name not in parts]:
            raise ValueError(
                f"`{setting}` names {unknown}, and the parts that have weights are {list(parts)}."
            )
    if settings.freeze and set(settings.freeze) == set(parts):
        raise ValueError(
            f"`freeze` leaves nothing to train: {list(settings.freeze)} are all parts."
        )


def multipliers(
    model: keras.Model, trained: keras.Model, settings: TrainingSettings
) -> list[float]:
    """What the learning rate of each trainable variable is a multiple by; none if all are 1.

    Args:
        model: Of `build_model`.
        trained: The model that is trained in its place, or itself.
        settings: How to train.
    """
    if not settings.part_rates:
        return []
    parts, factors = trained_parts(model), dict[int, float]()
    for name, factor in settings.part_rates.items():
        for layer in parts[name]:
            factors |= {id(variable): factor for variable in layer.variables}
    return [factors.get(id(variable), 1.0) for variable in trained.trainable_variables]


def phases(settings: TrainingSettings) -> list[tuple[int, int, tuple[str, ...]]]:
    """The first and the last epoch (exclusive) of each phase, and the parts that are frozen.

    >>> phases(TrainingSettings(epochs=9, freeze=("image",), freeze_epochs=2))
    [(0, 2, ('image',)), (2, 9, ())]
    """
    epochs, frozen = settings.epochs, settings.freeze_epochs
    first = [(0, epochs, settings.freeze)]
    if frozen:
        first = [(0, frozen, settings.freeze), (frozen, epochs, ())]
    more = range(1, settings.rounds)
    return [*first, *((epochs * each, epochs * (each + 1), first[-1][2]) for each in more)]


@contextmanager
def frozen_parts(model: keras.Model, names: Iterable[str]) -> Iterator[None]:
    """Parts of a model are not trainable for a while; batch normalization in them stands still.

    What was frozen inside them before, as layers of a pre-trained encoder may be, is so afterwards.
    """
    names = list(names)
    parts = trained_parts(model) if names else {}
    layers = [layer for name in names for layer in parts[name]]
    # The outer layers first, since setting theirs sets that of all inside.
    before = [(each, each.trainable) for layer in layers for each in layer._flatten_layers()]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in before:
            layer.trainable = trainable
