"""What is predicted: one file for each kind of target, and the one table of them.

A task knows everything that depends on what is predicted: its fitted state, cells to arrays and
back, the loss, the figures and which way they are better, and how all of it is worded. A new kind
of target is a dataclass in `mmkeras.schema`, one file here and one line in the table.
"""

from __future__ import annotations

from mmkeras.schema import Target
from mmkeras.tasks.boxes import BoxesTask
from mmkeras.tasks.figures import FIGURES, Figure, better_sign
from mmkeras.tasks.image import ImageTask
from mmkeras.tasks.label import LabelTask
from mmkeras.tasks.labels import LabelsTask
from mmkeras.tasks.number import NumberTask
from mmkeras.tasks.sequence import SequenceTask
from mmkeras.tasks.several import SeveralTask
from mmkeras.tasks.step_labels import StepLabelsTask
from mmkeras.tasks.task import Task
from mmkeras.tasks.text import TextTask

TASKS: dict[str, type[Task]] = {
    task.kind: task
    for task in (
        LabelTask,
        LabelsTask,
        NumberTask,
        StepLabelsTask,
        TextTask,
        ImageTask,
        SequenceTask,
        BoxesTask,
        SeveralTask,
    )
}


def task_class(kind: str | Target | Task | None) -> type[Task]:
    """The task of a kind of target.

    Args:
        kind: A name of `TASKS`, a schema's target, or a fitted task.

    Raises:
        ValueError: For an unknown name, or no target.

    Example:

    >>> from mmkeras.schema import Number
    >>> task_class(Number("price")) is task_class("number")
    True
    """
    name = kind if isinstance(kind, str) else getattr(kind, "kind", None)
    if name not in TASKS:
        raise ValueError(
            f"A task is one of {sorted(TASKS)}, or a target such as mmkeras.Label('species'). "
            f"Received: {kind!r}."
        )
    return TASKS[name]


__all__ = [
    "FIGURES",
    "TASKS",
    "BoxesTask",
    "Figure",
    "ImageTask",
    "LabelTask",
    "LabelsTask",
    "NumberTask",
    "SequenceTask",
    "SeveralTask",
    "StepLabelsTask",
    "Task",
    "TextTask",
    "better_sign",
    "task_class",
]
