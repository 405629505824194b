"""Asks an exported SavedModel about the rows of a CSV file; needs TensorFlow and nothing else.

    python client.py rows.csv

The file has the columns that `inputs.json` names under "serve_rows"; cells of images and sounds are
paths of PNG, JPEG and WAV files relative to it, sequences paths of .npy files.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
NO_FILE = np.zeros((0, 0), np.float32)


def cells_of(rows, folder, inputs):
    """The tensors of `serve_rows`, by argument."""
    tensors = {}
    for column, about in inputs.items():
        cells = [(row.get(column) or "").strip() for row in rows]
        if about["kind"] == "presence":
            tensors[about["argument"]] = np.ones((len(rows), about["shape"][1]), bool)
        elif about["kind"] == "sequence":
            tensors[about["argument"]] = sequences(cells, folder, about["shape"][2])
        elif about["dtype"] == "float64":
            numbers = [float(cell) if cell else np.nan for cell in cells]
            tensors[about["argument"]] = np.array(numbers)
        elif about["kind"] in ("image", "audio"):
            files = [(folder / cell).read_bytes() if cell else b"" for cell in cells]
            column_of_lists = len(about["shape"]) == 2  # a cell may hold several images
            tensors[about["argument"]] = tf.constant(
                [[file] for file in files] if column_of_lists else files
            )
        else:
            tensors[about["argument"]] = tf.constant(cells)
    return {name: tf.constant(tensor) for name, tensor in tensors.items()}


def sequences(paths, folder, features):
    """Feature sequences of one length: shorter ones end with steps of NaN."""
    arrays = [np.load(folder / path) if path else NO_FILE for path in paths]
    length = max([1, *(len(array) for array in arrays)])
    padded = np.full((len(arrays), length, features), np.nan, np.float32)
    for row, array in enumerate(arrays):
        if len(array):
            padded[row, : len(array)] = array
    return padded


def main(path):
    inputs = json.loads((HERE / "inputs.json").read_text(encoding="utf-8"))["serve_rows"]
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    serve = tf.saved_model.load(str(HERE)).signatures["serve_rows"]
    answers = serve(**cells_of(rows, path.resolve().parent, inputs))
    shown = answers.get("predicted", answers["outputs"]).numpy()
    for number, answer in enumerate(shown, start=1):
        print(number, answer.decode() if isinstance(answer, bytes) else answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
