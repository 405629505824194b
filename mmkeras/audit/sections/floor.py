"""Whether the model beats simple ones: the classical floor on the very same rows."""

from __future__ import annotations

import pandas as pd

from mmkeras.audit.subject import Subject
from mmkeras.classical.floor.budget import wants_floor
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import in_own_unit
from mmkeras.reports.parts import Section, Table
from mmkeras.tasks import FIGURES


def floor_section(subject: Subject) -> Section | None:
    """The model against the best classical one; `None` without training rows, or if it is off."""
    settings, splits = subject.settings, subject.splits
    if splits is None:
        if settings.floor == "on":
            raise ValueError(
                "The classical floor is trained on the run's training rows, and the run does not "
                "say where they are. Give the `splits`, or leave the floor off."
            )
        return None
    if not wants_floor(settings.floor, subject.schema, len(splits.train)):
        return None
    # Imports much of scikit-learn, which audits without a floor need not wait for.
    from mmkeras.classical.floor.floor import find_floor

    own = Settings.from_dict(subject.run.config["settings"]).select(subject.schema)
    judged = {"test": subject.pipeline.frame}
    by_modality = own.preprocessing(subject.schema)
    known = splits.all_learnt.train if subject.run.was_refitted else splits.train
    floor = find_floor(known, judged, subject.schema, by_modality, seed=settings.seed)
    targets, outputs = in_own_unit(subject.pipeline, subject.outputs)
    result = floor.against(outputs, subject.groups)
    columns = {
        "this model": subject.task.figures(targets, outputs),
        floor.method: floor.figures["test"],
    }
    table = pd.DataFrame(columns).rename_axis("figure")
    return Section(
        "floor",
        "Does it beat simple models?",
        result.sentence,
        [
            Table(
                "floor",
                table.rename(index={key: each.words for key, each in FIGURES.items()}),
                "Linear models and support vector machines on features of each modality, trained "
                "on the rows that it learnt, put together in the way that was best inside them. A "
                "deep model that does not beat them has not earned its cost.",
            )
        ],
        {key: value for key, value in result.to_dict().items() if key != "sentence"},
    )
