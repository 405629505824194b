"""How several trained models hold when inputs get worse or go missing: one table, one plot.

    python experiments/robustness.py runs/train-emoji/*-fused --out runs/robustness-emoji
    python experiments/robustness.py RUN RUN RUN --rows new_labelled_rows.csv

The runs must predict one target on the same rows, as runs of one data set and split do.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from mmkeras.audit import AuditSettings
from mmkeras.audit.robustness import compare_robustness
from mmkeras.cli import run_script
from mmkeras.experiment.folders import new_folder, time_stamp
from mmkeras.reports.markdown import format_table


def main(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    rows: Path | None = None,
    out: Path | None = None,
    settings: Annotated[AuditSettings, tyro.conf.arg(name="")] = AuditSettings(),  # noqa: B008
) -> pd.DataFrame:
    """Compares the runs; returns one row per run.

    Args:
        runs: Run folders, two or more.
        rows: Labelled rows (CSV or Parquet); by default the runs' own test rows.
        out: Where the report goes; by default runs/robustness-TIME.
        settings: As for an audit.
    """
    out = out or new_folder(Path("runs") / f"robustness-{time_stamp()}")
    table = compare_robustness(runs, rows, settings=settings, out=out)
    print(f"\n{format_table(table)}\n\nreport: {out / 'audit.html'}")
    return table


if __name__ == "__main__":
    # Called again, models that were trained are kept.
    run_script(
        lambda: tyro.cli(main, args=sys.argv[1:], description=__doc__),
        resumes=True,
    )
