"""Whether modalities say the same: interactions, agreement, and who is right where."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from mmkeras.audit.subject import Subject
from mmkeras.evaluation.shapley import interaction
from mmkeras.reports.parts import Part, Table
from mmkeras.reports.wording import subset_name


def agreement_parts(
    subject: Subject, scores: Mapping[tuple[str, ...], float]
) -> tuple[list[Part], dict]:
    """What each pair of modalities has in common, and which rows fusing wins and loses.

    Args:
        subject: What is audited.
        scores: The score of every subset of modalities.

    Returns:
        Tables, and the same as values: `interactions`, `agreement` and `who_is_right`.
    """
    alone = {kept[0]: x for kept, x in subject.trained.items() if len(kept) == 1}
    classes = subject.task.single_label
    lines: dict[str, dict[str, float]] = {}
    for pair in itertools.combinations(subject.names, 2):
        line = {"interaction": interaction(*pair, subject.names, scores, subject.nothing)}
        if classes and set(pair) <= set(alone):
            first, second = (alone[name].argmax(axis=1) for name in pair)
            line["same answer"] = float((first == second).mean())
            varied = len(np.unique([first, second])) > 1
            line["kappa"] = float(cohen_kappa_score(first, second)) if varied else np.nan
        lines[subset_name(pair)] = line
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("pair")
    parts: list[Part] = [Table("pairs", table, _pairs_caption(table))]
    values: dict = {
        "interactions": table["interaction"].to_dict(),
        "agreement": table.drop(columns="interaction").to_dict("index"),
    }
    if classes and len(alone) > 1:
        who = _who_is_right(subject, alone)
        values["who_is_right"] = who["share"].to_dict()
        parts.append(Table("who_is_right", who, _who_caption(who, len(subject.rows.targets))))
    return parts, values


def _pairs_caption(table: pd.DataFrame) -> str:
    words = (
        "The Shapley interaction of each pair: above 0, the two are worth more together than apart "
        "(synergy); below 0, they say the same (redundancy)."
    )
    if "kappa" in table:
        words += (
            " 'Same answer': in what share of the examples models of either alone agree; kappa is "
            "0 where they agree as often as by chance, 1 where always."
        )
    return words


def _who_is_right(subject: Subject, outputs: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """How many rows only the fused model gets right, only one modality alone, and so on."""
    rows = subject.rows
    fused = rows.row_scores(rows.outputs) > 0.5
    alone = {
        name: rows.row_scores(said, subject.task_of((name,))) > 0.5
        for name, said in outputs.items()
    }
    right = np.stack(list(alone.values()))
    count = right.sum(axis=0)
    lines = {
        "all modalities alone, and fused": (count == len(right)) & fused,
        "only fused": (count == 0) & fused,
        **{f"only {name} alone": own & (count == 1) & ~fused for name, own in alone.items()},
        "some alone, and fused": (count > 0) & (count < len(right)) & fused,
        "several alone, not fused": (count > 1) & ~fused,
        "none at all": (count == 0) & ~fused,
    }
    frame = pd.DataFrame(
        {
            "rows": {name: int(rows.sum()) for name, rows in lines.items()},
            "share": {name: float(rows.mean()) for name, rows in lines.items()},
        }
    )
    return frame.rename_axis("right are")


def _who_caption(who: pd.DataFrame, rows: int) -> str:
    share = who["share"]
    lost = sum(share[name] for name in who.index if name.endswith(("alone", "not fused")))
    return (
        f"Of the {rows:,} examples, {100 * share['only fused']:.1f} % are right only when the "
        f"modalities meet. In {100 * share['some alone, and fused']:.1f} % some modalities are "
        "right alone, others wrong, and fusing goes with the right; in "
        f"{100 * lost:.1f} % it loses an answer that a modality alone had right."
    )
