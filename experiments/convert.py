"""Conversion: makes one modality of others, `Y = T(X)`, and says how well and what it is good for.

    python experiments/convert.py                                        # mfeat: pixels of zernike
    python experiments/convert.py --from zernike fourier --to pixels --subsets
    python experiments/convert.py --from zernike --to pixels --impute
    python experiments/convert.py --from zernike --to pixels --impute generative
    python experiments/convert.py --dataset mfeat_views --from fourier --to pixels --label class
    python experiments/convert.py --dataset emoji --from image --to text
    python experiments/convert.py --dataset emoji --from image --to text --as-features
    python experiments/convert.py --dataset emoji --from text --to image
    python experiments/convert.py --dataset wikipedia --from image --to text
    python experiments/convert.py --data my.csv --from note --to picture --label kind

Any modality of the schema can be made: a text, an image, a sequence, or a tabular modality of
numbers (as one vector). Its figures stand beside those of simple models on the same rows (ridge,
kernel ridge, the nearest training row). Where rows have classes, a classifier that was trained on
true ones is tested on made ones. With --impute the modality is hidden from classifiers of all
modalities, and made for them; a presence mask with modality dropout, and the mean, are tried, too.
"""

from __future__ import annotations

import mmkeras.interrupts  # noqa: F401  (first: Ctrl-C while the rest is imported)

# isort: split

import sys

import pandas as pd

from mmkeras.cli import option, parse, run_script
from mmkeras.studies.conversion import ConvertConfig, conversion_settings, convert

DATASET, SOURCES, TO = "mfeat", ("zernike",), "pixels"


def main(arguments: list[str] | None = None) -> pd.DataFrame:
    """Runs the experiment; returns one row per model and seed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    own = option(arguments, "--data") is not None
    name = option(arguments, "--dataset") or DATASET
    first = {} if own or name != DATASET or option(arguments, "--to") else {"to": TO}
    if first and "--from" not in arguments:
        first["sources"] = SOURCES
    settings = conversion_settings(None if own else name)
    if "--impute" in arguments:
        place = 1 + arguments.index("--impute")
        if place == len(arguments) or arguments[place].startswith("--"):
            arguments = [*arguments[:place], "conversion", *arguments[place:]]
    return convert(
        parse(ConvertConfig, arguments, __doc__, dataset=DATASET, settings=settings, **first)
    )


if __name__ == "__main__":
    run_script(main, resumes=True)
