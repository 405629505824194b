"""Do my modalities help each other, and can this model be trusted? One report on one run.

    python experiments/audit.py runs/train-emoji/20260102-030405-fused
    python experiments/audit.py RUN --against OTHER_RUN --by subgroup
    python experiments/audit.py RUN new_labelled_rows.csv --no-noise
    tensorboard --logdir RUN/audit

Writes `audit.html` (one file, opens from disk), `audit.json`, tables, pictures and TensorBoard
files into RUN/audit. Models of single modalities are taken from the folders next to the
run, where `experiments/train.py` leaves them, or trained now.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys
import time
from pathlib import Path
from typing import Annotated

import tyro

from mmkeras.audit import AuditSettings, audit
from mmkeras.cli import run_script
from mmkeras.reports.parts import Report


def main(
    run: Annotated[Path, tyro.conf.Positional],
    rows: Annotated[Path | None, tyro.conf.Positional] = None,
    /,
    *,
    against: Path | None = None,
    out: Path | None = None,
    settings: Annotated[AuditSettings, tyro.conf.arg(name="")] = AuditSettings(),  # noqa: B008
) -> Report:
    """Audits a run and says where the report is.

    Args:
        run: The run's folder.
        rows: New labelled rows (CSV or Parquet) instead of the run's test rows.
        against: Another run, to be compared with on the same rows.
        out: Where the report goes; by default RUN/audit.
        settings: What to do.
    """
    started = time.perf_counter()
    report = audit(run, rows, against=against, settings=settings, out=out)
    print("\nVerdict")
    for sentence in report.verdict:
        print(f"- {sentence}")
    folder = out or run / "audit"
    print(f"\nreport: {folder / 'audit.html'} ({time.perf_counter() - started:.0f} s)")
    print(f"look:   tensorboard --logdir {folder}")
    return report


if __name__ == "__main__":
    # Called again, models that were trained are kept.
    run_script(
        lambda: tyro.cli(main, args=sys.argv[1:], description=__doc__),
        resumes=True,
    )
