"""From a model's outputs to answers in the target's own words and unit, inside a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from mmkeras.tasks import Task
from mmkeras.tasks.number import NumberTask


def answers(task: Task, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
    """What the signatures give.

    Args:
        task: The fitted target.
        outputs: Of the model, `(batch, ...)`.

    Returns:
        `outputs`; of classes also their names `classes`, and `predicted` with `confidence`, or
        where several may apply `applies`, booleans; of numbers `predicted`, in the target's unit.
    """
    found = {"outputs": outputs}
    if isinstance(task, NumberTask):
        return {**found, "predicted": _in_own_unit(task, outputs)}
    if not task.has_classes or not task.classes:
        return found
    names = tf.constant(list(task.classes))
    found["classes"] = names
    if task.single_label:
        found["predicted"] = tf.gather(names, tf.argmax(outputs, axis=-1))
        found["confidence"] = tf.reduce_max(outputs, axis=-1)
    else:
        limits: Any = getattr(task, "thresholds", ()) or (0.5,)
        found["applies"] = outputs >= tf.constant(limits, outputs.dtype)
    return found


def _in_own_unit(task: NumberTask, outputs: tf.Tensor) -> tf.Tensor:
    values = tf.cast(outputs, tf.float64) * np.array(task.deviation) + np.array(task.mean)
    if task.scaling == "standard":
        return values
    values = tf.sign(values) * tf.math.expm1(tf.abs(values))
    least, most = np.array(task.limits).T
    return tf.clip_by_value(values, least, most)
