"""Runs an exported ONNX model on prepared tensors; needs onnxruntime and NumPy.

    python client.py tensors.npz

The archive has an array for each input of `inputs.json`; how cells become these tensors says
`preprocessing.json`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent


def run(model, tensors):
    """The model's outputs for a batch of any size."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(["outputs"], tensors)[0]


def main(path):
    preprocessing = json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))
    inputs = json.loads((HERE / "inputs.json").read_text(encoding="utf-8"))["serving_default"]
    with np.load(path, allow_pickle=False) as arrays:
        tensors = {x["argument"]: arrays[name].astype(x["dtype"]) for name, x in inputs.items()}
    outputs = run(HERE / "model.onnx", tensors)
    classes = (preprocessing["target"] or {}).get("classes")
    for number, output in enumerate(outputs, start=1):
        print(number, classes[int(output.argmax())] if classes else output)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
