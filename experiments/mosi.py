"""CMU-MOSI: is an utterance positive? From what is said, how, and with what face; five seeds.

    python experiments/mosi.py                             # whole videos, a label per utterance
    python experiments/mosi.py --dataset mosi-utterance    # one utterance at a time
    python experiments/mosi.py --seeds 0 --models text fused

No row is held out for validation and no epoch is chosen: these features were learnt with the
training labels, so that held-out training videos look far better than the test will be (see
`mmkeras.data.datasets.mosi`). All settings were fixed before the test videos were looked at.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.repeat import RepeatConfig, repeat


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return repeat(parse(RepeatConfig, arguments, __doc__, dataset="mosi", validation=0.0))


if __name__ == "__main__":
    run_script(main, resumes=True)
