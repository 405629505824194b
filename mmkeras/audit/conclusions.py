"""What it all comes to, in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping

from mmkeras.audit.subject import Subject
from mmkeras.data.leakage.finding import count_of
from mmkeras.reports.parts import Section
from mmkeras.reports.wording import joined

_CLEAR_BITS = 0.05
_FEW = 0.01


def conclusions(subject: Subject, sections: Mapping[str, Section]) -> list[str]:
    """Sentences that follow from the sections' numbers, the most important first."""
    sentences = [sections["performance"].conclusion]
    if "floor" in sections:
        sentences.append(sections["floor"].conclusion)
    if "contribution" in sections:
        useful = sections["performance"].values["above_guessing"]
        sentences += _modalities(sections["contribution"].values, useful)
    if "adding" in sections:
        sentences += sections["adding"].values["verdict"]
    if "missing" in sections:
        sentences.append(_missing(subject, sections["missing"].values))
    for name in ("columns", "noise", "calibration", "significance", "subgroups"):
        if name in sections:
            sentences.append(sections[name].conclusion)
    sentences.append(_data(sections["data"].values))
    return sentences


def _modalities(values: Mapping, useful: bool) -> list[str]:
    if "gain" not in values:
        return [
            "It cannot be said whether the modalities help each other: not every one of them has "
            "a model of its own to compare with."
        ]
    sentences = [values["gain"]["verdict"]]
    if not useful:
        sentences.append(
            "As the model is not clearly better than a constant answer, that says little."
        )
    for parts in values.get("information", {}).get("pairs", {}).values():
        first, second = parts["names"]
        said = {
            f"only {first} says {parts['first']:.2f} bits": parts["first"],
            f"only {second} says {parts['second']:.2f} bits": parts["second"],
            f"either says {parts['redundant']:.2f} bits": parts["redundant"],
            f"only both together say {parts['synergy']:.2f} bits": parts["synergy"],
        }
        clear = [words for words, bits in said.items() if bits > _CLEAR_BITS]
        if clear:
            sentences.append(f"Of what {first} and {second} say about the label, {joined(clear)}.")
    return sentences


def _missing(subject: Subject, values: Mapping) -> str:
    figure = subject.figure
    ends = {name: curve[-1] for name, curve in values["curves"].items()}
    worst = min(ends, key=ends.get)
    whole = next(iter(values["curves"].values()))[0]
    if ends[worst] >= whole:
        return f"Hiding any one modality leaves the {figure.words} as it is."
    if ends[worst] <= subject.nothing + 0.02 < whole:
        return (
            f"Without {worst} the model is useless: {figure.shown(ends[worst])}, where the best "
            f"constant answer scores {figure.shown(subject.nothing)}."
        )
    return (
        f"Without {worst}, which it needs most, the model falls from {figure.shown(whole)} to "
        f"{figure.shown(ends[worst])}."
    )


def _data(values: Mapping) -> str:
    if not values["leakage_checked"]:
        return "It could not be checked whether the training rows give the answers away."
    errors = [f for f in values["leakage"] if f["severity"] == "error"]
    if not errors:
        warnings = f" and {count_of(n, 'warning')}" if (n := len(values["leakage"])) else ""
        return f"The leakage check found no error{warnings}."
    found = joined(f"'{finding['check']}' ({count_of(finding['rows'])})" for finding in errors)
    rows = values["rows"]["audited"]
    if max(finding["rows"] for finding in errors) < _FEW * rows:
        return f"The leakage check found {found}: too few to change the figures much."
    return f"Beware: the leakage check found {found}; the figures may be too good to be true."
