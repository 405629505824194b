"""Classical models of several views on the four sets that multi-view methods are compared on.

    python experiments/benchmarks/multiview_sets.py                      # all four; an hour
    python experiments/benchmarks/multiview_sets.py --data 3sources bbcsport

Five folds, `StratifiedKFold(5, shuffle=True, random_state=0)`, of each method on all views and of
the simple ones on each view alone. Everything is fitted on a fold's training rows; what a method
leaves open (C, widths) is chosen by three more folds of these. Leaves, for each set,
supervised_NAME.csv with one row per method and fold, and supervised_NAME.md with means and which
methods reach the target. The targets are what the best of a few scikit-learn models reached with
settings chosen by hand. Methods that the CSV file has are not fitted again;
delete it to start anew.

The sets have no stated licence and are not downloaded: see `mmkeras/data/datasets/multiview.py`.
Small matrices are multiplied faster by one thread than by several: OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tyro
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from mmkeras.classical import (
    LateFusionClassifier,
    MultipleKernelClassifier,
    MultiviewNaiveBayes,
    StackingViewsClassifier,
)
from mmkeras.csv_files import read_csv, write_csv
from mmkeras.data.datasets.multiview import ViewsAndClasses, load_views
from mmkeras.reports.markdown import write_markdown
from mmkeras.reports.parts import Report, Section, Table

TARGETS = {"mfeat": 0.990, "cub": 0.925, "3sources": 0.870, "bbcsport": 0.978}
# Views of texts: counts, and counts that are weighted already.
TEXTS = {"3sources": TfidfTransformer(sublinear_tf=True), "bbcsport": Normalizer()}
FOLDS = 5


@dataclass(frozen=True)
class SetsConfig:
    """What is compared.

    Args:
        data: Which sets.
        methods: Only those whose name has one of these words; by default all.
        out: Where the tables go.
    """

    data: tuple[str, ...] = tuple(TARGETS)
    methods: tuple[str, ...] = ()
    out: Path = Path("experiments/results/classical")


class Method(NamedTuple):
    """An estimator of given views, what to choose about it, and whether features are scaled."""

    make: Callable[[Any], Any]
    grid: dict[str, list[Any]] = {}  # noqa: RUF012  (never changed)
    scaled: bool = True


def methods(text: bool) -> dict[str, Method]:
    """Each method by name; those of `side by side` see one view, whatever the views are."""
    kernel = "cosine" if text else "rbf"
    costs = [1.0, 10.0, 100.0]
    widths = {} if text else {"widths": [(0.5,), (1.0,), (2.0,)]}
    inverse = [1.0, 10.0, 100.0] if text else [0.01, 0.1, 1.0]

    def logistic() -> LogisticRegression:
        return LogisticRegression(max_iter=1000)

    def forest() -> RandomForestClassifier:
        return RandomForestClassifier(200, random_state=0)

    found = {
        "most frequent class": Method(lambda views: DummyClassifier()),
        "side by side, logistic regression": Method(lambda views: logistic(), {"C": inverse}),
        "side by side, SVM": Method(
            lambda views: MultipleKernelClassifier(kernel, random_state=0), {"C": costs}
        ),
        "side by side, random forest": Method(lambda views: forest(), scaled=False),
        "naive Bayes": Method(lambda views: MultiviewNaiveBayes(views=views), scaled=False),
        "naive Bayes, normal": Method(
            lambda views: MultiviewNaiveBayes("gaussian", views=views), scaled=False
        ),
    }
    for rule in ("mean", "product", "vote", "weights"):
        found[f"late {rule}, logistic regression"] = Method(
            lambda views, rule=rule: LateFusionClassifier(logistic(), rule=rule, cv=3, views=views),
            {"estimator__C": inverse},
        )
    for rule in ("mean", "product"):
        found[f"late {rule}, random forest"] = Method(
            lambda views, rule=rule: LateFusionClassifier(forest(), rule=rule, views=views),
            scaled=False,
        )
    found["stacking, logistic regression"] = Method(
        lambda views: StackingViewsClassifier(
            logistic(), LogisticRegression(C=10.0, max_iter=1000), cv=3, views=views
        ),
        {"estimator__C": inverse},
    )
    for weights in ("mean", "alignment", "independent_alignment", "easy", "simple"):
        found[f"kernels, {weights.replace('_', ' ')}"] = Method(
            lambda views, weights=weights: MultipleKernelClassifier(
                kernel, weights=weights, views=views, random_state=0
            ),
            {"C": costs[:2], **(widths if weights == "mean" else {})},
        )
    if not text:
        # On thousands of words it takes hours.
        def boosting() -> HistGradientBoostingClassifier:
            return HistGradientBoostingClassifier(max_iter=50, max_features=0.1, random_state=0)

        found["side by side, gradient boosting"] = Method(lambda views: boosting(), scaled=False)
        found["late mean, gradient boosting"] = Method(
            lambda views: LateFusionClassifier(boosting(), views=views), scaled=False
        )
    return found


def contestants(
    name: str, data: ViewsAndClasses, words: Sequence[str]
) -> Iterator[tuple[str, str, Any, Any]]:
    """Each method's name and views, a pipeline with its search, and the matrix it sees."""
    text = name in TEXTS
    alone = ("logistic regression", "SVM", "naive Bayes")
    for method, (make, grid, scaled) in methods(text).items():
        if words and not any(word in method for word in words):
            continue
        seen = {"all": data.views}
        single = method.removeprefix("side by side, ")
        if single in alone:
            seen |= {view: {view: columns} for view, columns in data.views.items()}
        for views_name, views in seen.items():
            X = data.X if views_name == "all" else data.X[:, views[views_name]]
            inner = views if views_name == "all" else None
            steps = []
            if scaled and text:
                columns = views if inner else {views_name: slice(0, X.shape[1])}
                weigh = [(view, TEXTS[name], part) for view, part in columns.items()]
                steps = [ColumnTransformer(weigh, sparse_threshold=1.0)]
            elif scaled:
                steps = [StandardScaler()]
            estimator = make_pipeline(*steps, make(inner))
            if grid:
                step = estimator.steps[-1][0]
                open_settings = {f"{step}__{key}": values for key, values in grid.items()}
                folds = StratifiedKFold(3, shuffle=True, random_state=0)
                estimator = GridSearchCV(estimator, open_settings, cv=folds)
            yield (single if views_name != "all" else method), views_name, estimator, X


def compare(name: str, words: Sequence[str], path: Path) -> pd.DataFrame:
    """One row per method, views and fold: accuracy, and what was chosen; saved as it grows.

    Methods whose rows are in the file already are not fitted again.
    """
    data = load_views(name)
    folds = list(
        StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(np.zeros(len(data.y)), data.y)
    )
    rows = read_csv(path).fillna("").to_dict("records") if path.is_file() else []
    known = {(row["method"], row["views"]) for row in rows}
    for method, views, estimator, X in contestants(name, data, words):
        if (method, views) in known:
            continue
        started = time.perf_counter()
        for fold, (train, test) in enumerate(folds):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                estimator.fit(X[train], data.y[train])
            chosen = getattr(estimator, "best_params_", {})
            rows.append(
                {
                    "method": method,
                    "views": views,
                    "fold": fold,
                    "accuracy": estimator.score(X[test], data.y[test]),
                    "chosen": " ".join(f"{k.split('__')[-1]}={v}" for k, v in chosen.items()),
                }
            )
        mean = np.mean([row["accuracy"] for row in rows[-FOLDS:]])
        seconds = time.perf_counter() - started
        print(f"{name}: {method} ({views}) {100 * mean:.1f} %, {seconds:.0f} s", file=sys.stderr)
        write_csv(path, pd.DataFrame(rows))
    return pd.DataFrame(rows)


def report(name: str, results: pd.DataFrame) -> Report:
    """The means, best first, and which methods reach the target."""
    target = TARGETS[name]
    grouped = results.groupby(["method", "views"], sort=False)
    table = pd.DataFrame(
        {
            "accuracy, %": 100 * grouped["accuracy"].mean(),
            "std": 100 * grouped["accuracy"].std(ddof=0),
            "chosen most often": grouped["chosen"].agg(lambda values: values.mode()[0]),
        }
    )
    table.insert(2, "target", np.where(table["accuracy, %"].round(1) >= 100 * target, "yes", ""))
    table = table.sort_values("accuracy, %", ascending=False, kind="stable")
    table.index = [f"{method} ({views})" for method, views in table.index]
    best = table.index[0]
    together = [place.endswith("(all)") for place in table.index]
    verdict = [f"{(table['target'] == 'yes').sum()} of {len(table)} reach {100 * target:.1f} %."]
    for which, part in (
        ("of all views", table[together]),
        ("of a single view", table[np.logical_not(together)]),
    ):
        if len(part):
            verdict.append(
                f"The best {which}, {part.index[0]}, has {part['accuracy, %'].iloc[0]:.1f} %, "
                f"{part['accuracy, %'].iloc[0] - 100 * target:+.1f} points from the target."
            )
    caption = (
        f"Mean and standard deviation over {FOLDS} folds. The target, {100 * target:.1f} %, counts "
        "as reached by the mean rounded to a tenth. Several views are worth it where a method on "
        "all beats the best single one by more than the deviation between folds. The best of so "
        "many methods was picked on these very folds, and is a little worse on new rows."
    )
    return Report(
        f"{name}: classical models of several views",
        f"Five folds; settings chosen inside the training folds. Best: {best}, "
        f"{table['accuracy, %'].iloc[0]:.1f} %.",
        [],
        {"written by": f"experiments/benchmarks/multiview_sets.py --data {name}"},
        [
            Section(
                "methods",
                "Which methods?",
                " ".join(verdict),
                [Table("methods", table, caption, digits=1)],
            )
        ],
    )


def main(arguments: Sequence[str] | None = None) -> dict[str, pd.DataFrame]:
    """Compares, prints and writes; returns each set's rows."""
    config = tyro.cli(SetsConfig, args=arguments, description=__doc__)
    unknown = sorted(set(config.data) - set(TARGETS))
    if unknown:
        raise SystemExit(f"No sets {unknown}. There are: {', '.join(TARGETS)}.")
    config.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in config.data:
        found[name] = compare(name, config.methods, config.out / f"supervised_{name}.csv")
        print(write_markdown(report(name, found[name]), config.out / f"supervised_{name}.md"))
    return found


if __name__ == "__main__":
    main()
