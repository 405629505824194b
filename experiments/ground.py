"""Where in the picture is what a phrase names, and where are all objects? Several seeds.

    python experiments/ground.py                                   # "the yellow circle", NLVR
    python experiments/ground.py --dataset nlvr_boxes-detection    # all objects and their classes
    python experiments/ground.py --dataset emoji_scenes            # unseen emoji on photographs
    python experiments/ground.py --models fused picture            # what the picture alone gives
    python experiments/ground.py --seeds 0 --set decoder.depth=2

Says the accuracy at an overlap (IoU) of 0.5, or of detection the F1 of a row's boxes and COCO's
mAP, with intervals over new test rows and seeds, beside chance. The epoch is chosen on held-out
training pictures; the test pictures are looked at once. Each data set has a folder in `--out`
(runs/ground); the table at the end, with pictures of boxes, is of all that are there.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import parse, run_script
from mmkeras.studies.ground import ground
from mmkeras.studies.repeat import RepeatConfig
from mmkeras.studies.trainings import FUSED


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    defaults = {"dataset": "nlvr_boxes", "seeds": (0, 1, 2), "models": (FUSED,)}
    return ground(parse(RepeatConfig, arguments, __doc__, **defaults))


if __name__ == "__main__":
    run_script(main, resumes=True)
