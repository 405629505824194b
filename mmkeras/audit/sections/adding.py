"""Whether each modality, and each group of one kind, adds to the others; and whether tuning pays.

These are the two questions by which MulTaBench chooses its data sets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mmkeras.audit.gain import Added, added
from mmkeras.audit.subject import Subject
from mmkeras.audit.subset_models import SubsetModel, groups_of_a_kind
from mmkeras.audit.tuning import counterpart, pretrained
from mmkeras.reports.parts import Note, Part, Section, Table
from mmkeras.reports.wording import joined
from mmkeras.tasks import Figure

_SAID = {
    "helps": "adds",
    "hurts": "does harm",
    "no use": "adds next to nothing",
    "unclear": "may add nothing",
}
_TRAINED, _HIDDEN = "a model trained without", "this model, hidden from it"


def adding_section(subject: Subject) -> Section | None:
    """What each modality adds to the others; `None` where there is nothing to say.

    With one modality, that is whether tuning its encoder pays.
    """
    parts: list[Part] = []
    values: dict[str, Any] = {}
    sentences = []
    if len(subject.names) > 1:
        groups = groups_of_a_kind(subject.schema)
        found = {parted: _without(subject, parted) for parted in _parted(subject, groups)}
        table = _table(found)
        parts.append(Table("adding", table, _caption(subject.figure)))
        values["parts"] = {
            " + ".join(parted): _told(change, trained)
            for parted, (change, trained) in found.items()
        }
        each = {name: found[(name,)] for name in subject.names}
        sentences.append(_each(each))
        sentences += [_group(subject, names, found[names]) for names in groups]
    conclusion = " ".join(sentences)
    tuning = _tuning(subject)
    if tuning is not None:
        sentence, values["tuning"] = tuning
        if conclusion:
            parts.append(Note(sentence))
        conclusion = conclusion or sentence
        sentences.append(sentence)
    if not sentences:
        return None
    values["verdict"] = sentences
    return Section("adding", "Does each modality add to the others?", conclusion, parts, values)


def _parted(subject: Subject, groups: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What is taken away: each modality, and each group."""
    return [*((name,) for name in subject.names), *groups]


def _without(subject: Subject, names: tuple[str, ...]) -> tuple[Added, bool]:
    """What some modalities add to the others, and whether a model was trained without them."""
    rest = tuple(name for name in subject.names if name not in names)
    if rest in subject.trained:
        return added(subject, subject.trained[rest], subject.task_of(rest)), True
    return added(subject, subject.hidden[rest]), False


def _told(change: Added, trained: bool) -> dict[str, Any]:
    return {
        "without": change.alone,
        "all": change.fused,
        "difference": change.difference,
        "low": change.low,
        "high": change.high,
        "says": change.says,
        "trained": trained,
    }


def _table(found: dict[tuple[str, ...], tuple[Added, bool]]) -> pd.DataFrame:
    lines = {
        " + ".join(names): {
            "without it": change.alone,
            "adds": change.difference,
            "low": change.low,
            "high": change.high,
            "judged by": _TRAINED if trained else _HIDDEN,
        }
        for names, (change, trained) in found.items()
    }
    return pd.DataFrame(lines).T.rename_axis("modality")


def _caption(figure: Figure) -> str:
    return (
        f"The {figure.words} of all modalities less that without one of them, or without a group "
        "of one kind, with its 95 % interval over the rows (paired bootstrap). Either a model was "
        "trained without them, which tells what there is to learn from them, or they are hidden "
        "from this model, which tells only what it makes of them: `--train without` trains the "
        "models. Each was trained once; another seed moves them, too."
    )


def _each(found: dict[str, tuple[Added, bool]]) -> str:
    """Whether each modality adds, in one sentence."""
    first = (
        "Each modality adds to the others"
        if all(change.says == "helps" for change, _ in found.values())
        else "That each modality adds to the others is not shown"
    )
    said = (f"{name} {_SAID[change.says]} ({change.change})" for name, (change, _) in found.items())
    sentence = f"{first}: {joined(said)}."
    hidden = [name for name, (_, trained) in found.items() if not trained]
    if hidden:
        sentence += (
            f" Of {joined(hidden)} this is only what this model makes of it, when it is hidden: "
            "no model was trained without it (`--train without`)."
        )
    return sentence


def _group(subject: Subject, names: tuple[str, ...], found: tuple[Added, bool]) -> str:
    """What a group of one kind adds, in one sentence."""
    change, trained = found
    rest = joined(name for name in subject.names if name not in names)
    kind = next(m.kind for m in subject.schema.modalities if m.name == names[0])
    verb = {
        "helps": "add",
        "hurts": "do harm",
        "no use": "add next to nothing",
        "unclear": "may add nothing",
    }[change.says]
    sentence = (
        f"Together, the {len(names)} {kind} modalities ({joined(names)}) {verb} to {rest} "
        f"({change.words}"
    )
    return sentence + (")." if trained else "; hidden from this model).")


def _tuning(subject: Subject) -> tuple[str, dict[str, Any]] | None:
    """Whether tuning the pre-trained encoders pays; `None` where there are none."""
    run = subject.run
    states = pretrained(run.config, subject.schema)
    if not states:
        return None
    tuned, names = any(states.values()), joined(states)
    other = counterpart(run, subject.splits, subject.settings, subject.folder)
    if other is None:
        done, missing = ("tuned", "frozen") if tuned else ("frozen", "tuned")
        return (
            f"Whether tuning the pre-trained encoder of {names} beats its frozen features is not "
            f"known: here it is {done}, and no run with it {missing} lies next to this one. "
            "`--tuning` trains one.",
            {"says": None},
        )
    change = added(subject, SubsetModel(other).predict(subject.rows), other.preprocessing.task)
    if not tuned:
        change = dataclasses.replace(
            change, alone=change.fused, fused=change.alone, low=-change.high, high=-change.low
        )
    verb = {
        "helps": "beats",
        "hurts": "is worse than",
        "no use": "gains next to nothing over",
        "unclear": "is not shown to beat",
    }[change.says]
    return (
        f"Tuning the pre-trained encoder of {names} {verb} its frozen features ({change.words}). "
        "Both were trained once.",
        {**_told(change, trained=True), "run": other.path.resolve().name},
    )
