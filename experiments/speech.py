"""Speech to text: word errors of several seeds, by greedy and beam search, and with a language.

    python experiments/speech.py                           # AN4: short sentences, CTC
    python experiments/speech.py --seeds 0
    python experiments/speech.py --dataset digit_strings --models sound
    python experiments/speech.py --dataset digit_strings-noise --validation 0.2 --weights
                                                           # sound, pictures, both; no language

Languages are counted on the training transcripts; their weights, and the epoch, are chosen on
rows of training speakers who are held out. The test rows are looked at once.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.speech import SpeechConfig, recognize


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model, seed and search."""
    arguments = sys.argv[1:] if arguments is None else arguments
    return recognize(parse(SpeechConfig, arguments, __doc__, dataset="an4"))


if __name__ == "__main__":
    run_script(main, resumes=True)
