"""Which of many models is really better: a table, tests against baselines, a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmkeras.evaluation.bootstrap import Difference, bootstrap_interval, compare_paired
from mmkeras.evaluation.significance import holm
from mmkeras.tasks import Figure

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """Every model against some baselines, on the same rows.

    Args:
        table: One row per model, the best first: `score` (mean over seeds and rows), `std` (between
            seeds), `low` and `high` (95 % bootstrap interval over rows and seeds), `seeds`, `rank`.
        differences: By baseline, a row for each other fusion: `difference`, `low`, `high`,
            `p_value`, and `p_holm`, corrected for as many tests as the baseline has.
    """

    table: pd.DataFrame
    differences: dict[str, pd.DataFrame]


def compare_models(
    scores: Mapping[str, np.ndarray],
    baselines: Mapping[str, str],
    *,
    judged: list[str],
    groups: np.ndarray | None = None,
) -> Comparison:
    """Compares models by their scores on the same rows.

    Args:
        scores: By model, `(seeds, rows)` (`Task.row_scores`).
        baselines: What a baseline is called, and which model it is.
        judged: The models to hold against the baselines.
        groups: A name for each row; rows of one name are drawn together.

    Example:

    >>> random = np.random.default_rng(0)
    >>> scores = {name: random.random((3, 500)) < share for name, share in
    ...           [("image", 0.5), ("fused", 0.7)]}
    >>> result = compare_models(scores, {"image alone": "image"}, judged=["fused"])
    >>> bool(result.differences["image alone"].loc["fused", "p_holm"] < 0.05)
    True
    """
    lines = {}
    for model, matrix in scores.items():
        mean, low, high = bootstrap_interval(matrix, groups=groups)
        by_seed = np.asarray(matrix, np.float64).mean(axis=1)
        std = by_seed.std(ddof=1) if len(by_seed) > 1 else np.nan
        lines[model] = {"score": mean, "std": std, "low": low, "high": high, "seeds": len(by_seed)}
    table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("model")
    table = table.sort_values("score", ascending=False, kind="stable")
    table["rank"] = table["score"].rank(ascending=False, method="min").astype(int)
    differences = {}
    for label, baseline in baselines.items():
        others = [model for model in judged if model != baseline]
        results: list[Difference] = [
            compare_paired(scores[model], scores[baseline], groups=groups) for model in others
        ]
        frame = pd.DataFrame([vars(result) for result in results], index=others)
        if len(frame):
            frame["p_holm"] = holm(frame["p_value"].to_numpy())
        differences[label] = frame.rename_axis("model")
    return Comparison(table, differences)


def significant_differences(comparison: Comparison, figure: Figure) -> list[str]:
    """What the tests say, one sentence for each baseline.

    Args:
        comparison: Of `compare_models`.
        figure: Which figure the scores are.
    """
    sentences = []
    for label, frame in comparison.differences.items():
        if not len(frame):
            continue
        significant = frame[frame["p_holm"] < LEVEL]
        parts = []
        for word, chosen in (
            ("better", significant[significant["difference"] > 0]),
            ("worse", significant[significant["difference"] < 0]),
        ):
            if len(chosen):
                ordered = chosen.sort_values("difference", ascending=word == "worse")
                named = ", ".join(
                    f"{model} ({figure.signed(row['difference'])})"
                    for model, row in ordered.iterrows()
                )
                parts.append(f"significantly {word} are {len(chosen)}: {named}")
        if not (significant["difference"] > 0).any():
            parts.insert(0, "no significant gain by any of them")
        sentences.append(
            f"Against {label}, of {len(frame)} models of all modalities: {'; '.join(parts)}."
        )
    return sentences


def differences_in_words(comparison: Comparison, figure: Figure) -> list[str]:
    """Each model against each baseline, a sentence each: for comparisons of few models.

    Args:
        comparison: Of `compare_models`.
        figure: Which figure the scores are.
    """
    return [
        f"{model} against {label}: {figure.difference(row['difference'])}, 95 % interval "
        f"{figure.signed(row['low'])} to {figure.signed(row['high'])}, p = {row['p_holm']:.2g}: "
        f"{'more than chance' if row['p_holm'] < LEVEL else 'it may be chance'}."
        for label, frame in comparison.differences.items()
        for model, row in frame.iterrows()
    ]


def difference_cell(comparison: Comparison, model: str, label: str, figure: Figure) -> str:
    """A cell of the table: the difference, its interval, and `*` if it is significant."""
    frame = comparison.differences.get(label)
    if frame is None or model not in frame.index:
        return ""
    row = frame.loc[model]
    star = " *" if row["p_holm"] < LEVEL else ""
    return (
        f"{figure.signed(row['difference'])} ({figure.signed(row['low'])} to "
        f"{figure.signed(row['high'])}){star}"
    )
