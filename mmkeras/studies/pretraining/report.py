"""What pre-training comes to: a table of all shares of labels, and sentences about them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mmkeras.evaluation.bootstrap import bootstrap_interval
from mmkeras.experiment.name_and_tags import name_and_tags
from mmkeras.reports.parts import Report, Section, Table
from mmkeras.reports.wording import name_and_tags_words
from mmkeras.studies.pretraining.pretrain_config import PretrainConfig
from mmkeras.tasks import Figure

# By share and way: for each seed and judged row what it adds to the main figure.
Scores = Mapping[tuple[float, str], np.ndarray]
SCRATCH = "scratch"


def gains(scores: Scores, groups: np.ndarray | None) -> dict[tuple[float, str], tuple[float, ...]]:
    """Of each share and way its mean difference from scratch and where the interval is.

    Rows (or groups of rows) and seeds are drawn with replacement, the same for both: a seed's
    models learn from the same labelled rows.
    """
    return {
        (share, way): bootstrap_interval(own - scores[share, SCRATCH], groups=groups)
        for (share, way), own in scores.items()
        if way != SCRATCH and (share, SCRATCH) in scores
    }


def summary(
    results: pd.DataFrame, apart: Mapping[tuple[float, str], tuple[float, ...]], main: Figure
) -> pd.DataFrame:
    """One row per share of labels and way, means over the seeds."""
    lines = {}
    for (share, way), group in results.groupby(["labels", "way"], sort=False):
        line = {main.axis_label: main.number(group[main.key].mean()), "±": "", "from scratch": ""}
        if len(group) > 1:
            line["±"] = main.number(group[main.key].std())
        if (share, way) in apart:
            mean, low, high = apart[share, way]
            line["from scratch"] = (
                f"{main.signed(mean)} ({main.signed(low)} to {main.signed(high)})"
            )
        line["linear probe, %"] = f"{100 * group['probe'].mean():.1f}"
        rows = " to ".join(f"{n:,}" for n in sorted({group["rows"].min(), group["rows"].max()}))
        lines[f"{100 * share:g} % ({rows} rows): {way}"] = line
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("labels and way")


def verdict(apart: Mapping[tuple[float, str], tuple[float, ...]], main: Figure) -> list[str]:
    """A sentence for each share: what gains, what loses, what may be chance."""
    lines = []
    for share in dict.fromkeys(share for share, _ in apart):
        said = []
        for way, (mean, low, high) in ((w, v) for (s, w), v in apart.items() if s == share):
            low, high = sorted((main.sign * low, main.sign * high))
            word = "gains" if low > 0 else "loses" if high < 0 else "may be chance"
            said.append(f"{way} {main.signed(mean)} ({word})")
        lines.append(f"With {100 * share:g} % of the labels, against scratch: {', '.join(said)}.")
    return lines


def pretraining_report(
    config: PretrainConfig, table: pd.DataFrame, said: list[str], counts: Mapping[str, int]
) -> Report:
    return Report(
        f"{config.data.name}: pre-training without labels",
        f"Encoders learn from {counts['train']:,} rows without labels, then models from a share of "
        f"them with labels; {counts['judged']:,} {config.judge} rows judge.",
        said,
        {
            **name_and_tags_words(name_and_tags(config)),
            "seeds": ", ".join(map(str, config.seeds)),
            "one row per trial": "results.csv",
        },
        [
            Section(
                "pretraining",
                "Does pre-training save labels?",
                "The same model begins with random or with pre-trained encoders, and learns from "
                "the same labelled rows.",
                [
                    Table(
                        "pretraining",
                        table,
                        "Means over the seeds and ± the standard deviation between them, which "
                        "have labelled rows of their own. From scratch: the difference and its "
                        "95 % interval by the paired bootstrap over rows and seeds; of few seeds "
                        "it is too narrow. The linear probe is a logistic regression on the "
                        "encoders as they were before fine-tuning.",
                    )
                ],
            )
        ],
    )
