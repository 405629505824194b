"""What it all comes to, in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping

from mmkeras.audit.parts import Section
from mmkeras.audit.subject import Subject
from mmkeras.audit.words import joined, shown
from mmkeras.data.leakage_finding import count_of

_CLEAR_BITS = 0.05
_FEW = 0.01


def verdict(subject: Subject, sections: Mapping[str, Section]) -> list[str]:
    """Sentences that follow from the sections' numbers, the most important first."""
    sentences = [sections["performance"].conclusion]
    if "contribution" in sections:
        sentences += _modalities(subject, sections["contribution"].values)
    if "missing" in sections:
        sentences.append(_missing(subject, sections["missing"].values))
    if "noise" in sections:
        sentences.append(sections["noise"].conclusion)
    for name in ("calibration", "significance", "subgroups"):
        if name in sections:
            sentences.append(sections[name].conclusion)
    sentences.append(_data(sections["data"].values))
    return sentences


def _modalities(subject: Subject, values: Mapping) -> list[str]:
    if "gain" not in values:
        return ["Whether fusing helps was not asked: there are no models of single modalities."]
    gain, best = values["gain"], values["best_alone"]
    scale = 1 if subject.task == "regression" else 100
    interval = f"95 % interval {scale * gain['low']:+.1f} to {scale * gain['high']:+.1f}"
    difference = f"{abs(scale * gain['difference']):.1f}"
    points = "" if scale == 1 else " points"
    if gain["low"] > 0:
        sentences = [
            f"Yes, the modalities help each other: all together are {difference}{points} better "
            f"than {best} alone ({interval})."
        ]
    elif gain["high"] < 0:
        sentences = [
            f"No: all modalities together are worse than {best} alone, by {difference}{points} "
            f"({interval}). Use {best} alone, or train the fused model otherwise."
        ]
    else:
        sentences = [
            f"It cannot be said that the modalities help each other: all together are "
            f"{difference}{points} away from {best} alone ({interval}). With these rows and "
            f"this model, {best} alone would do."
        ]
    pairs = values.get("information", {}).get("pairs", {})
    for pair, parts in pairs.items():
        first, second = pair.split(" + ")
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
    if ends[worst] <= subject.nothing + 0.02:
        return (
            f"Without {worst} the model is of no use: {shown(figure, ends[worst])}, where always "
            f"giving one answer scores {shown(figure, subject.nothing)}."
        )
    return (
        f"Without {worst}, which it needs most, the model falls from {shown(figure, whole)} to "
        f"{shown(figure, ends[worst])}."
    )


def _data(values: Mapping) -> str:
    errors = [f for f in values["leakage"] if f["severity"] == "error"]
    if not errors:
        warnings = len(values["leakage"])
        return (
            f"The leakage check found no error{f' and {warnings} warning(s)' if warnings else ''}."
        )
    found = joined(f"{finding['check']} ({count_of(finding['rows'])})" for finding in errors)
    rows = values["rows"]["audited"]
    if max(finding["rows"] for finding in errors) < _FEW * rows:
        return f"The leakage check found {found}: too few to change the figures much."
    return f"Beware: the leakage check found {found}; the figures may be too good to be true."
