"""List runs: what they are called, what they are, and how good.

python experiments/runs.py                       # all below runs
python experiments/runs.py runs/train-glyphs --tags paper
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from mmkeras.cli import run_script
from mmkeras.experiment.listing import list_runs
from mmkeras.reports.markdown import format_table


def main(
    folder: Annotated[Path, tyro.conf.Positional] = Path("runs"), tags: tuple[str, ...] = ()
) -> pd.DataFrame:
    """List runs: what they are called, what they are, and how good.

    Args:
        folder: Where to look; also the folders in it.
        tags: Only runs that have all of these.
    """
    table = list_runs(folder, tags)
    print(format_table(table.dropna(axis=1, how="all").astype({"seed": object})))
    return table


if __name__ == "__main__":
    run_script(lambda: tyro.cli(main, args=sys.argv[1:], description=__doc__))
