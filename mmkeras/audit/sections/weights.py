"""How much each modality weighs in single answers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.shapley import shapley_values


def row_weights(subject: Subject) -> dict[str, np.ndarray]:
    """Each modality's Shapley value in each example's answer, `(examples,)`.

    The worth of a subset is the probability that the model gives to its own final answer (or the
    number that it predicts, in the target's unit) when it is shown that subset alone; that of
    nothing is the mean over the rows. Of labels, the answer is the most probable one.
    """
    answer = subject.rows.outputs.argmax(axis=1)
    places = np.arange(len(answer))
    worth = {kept: outputs[places, answer] for kept, outputs in subject.hidden.items()}
    found = shapley_values(subject.names, worth, subject.rows.outputs.mean(axis=0)[answer])
    return {name: subject.task.units[answer] * values for name, values in found.items()}


def weights_table(subject: Subject, weights: dict[str, np.ndarray]) -> pd.DataFrame:
    sizes = {name: np.abs(values) for name, values in weights.items()}
    columns = {"all": {name: float(values.mean()) for name, values in sizes.items()}}
    if subject.task.single_label:
        right = subject.rows.row_scores(subject.rows.outputs) > 0.5
        for label, chosen in (("right answers", right), ("wrong answers", ~right)):
            if chosen.any():
                columns[label] = {n: float(values[chosen].mean()) for n, values in sizes.items()}
    return pd.DataFrame(columns).rename_axis("modality")
