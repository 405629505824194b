"""Runs `docs/corrections.md`, and holds the corrected model to the documents' description."""

import ast
import contextlib
import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from mmkeras.models.image_text import image_text_classifier
from mmkeras.models.parts import attention_model
from mmkeras.schema import Image, Schema, Text

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT = (REPOSITORY / "docs" / "corrections.md").read_text(encoding="utf-8")
WRONG = re.findall(
    r"<!-- wrong -->\n```python\n(.*?)```\n.*?<!-- happens -->\n```text\n(.*?)```", DOCUMENT, re.S
)
CORRECTED = re.findall(r"<!-- corrected -->\n```python\n(.*?)```", DOCUMENT, re.S)


def test_the_document_has_code_to_run():
    assert len(WRONG) == DOCUMENT.count("<!-- wrong -->") == DOCUMENT.count("<!-- happens -->")
    assert len(WRONG) >= 10
    assert len(CORRECTED) == DOCUMENT.count("<!-- corrected -->") >= 8


@pytest.mark.parametrize(("code", "happens"), WRONG, ids=range(1, len(WRONG) + 1))
def test_the_wrong_code_does_what_the_document_says(code, happens):
    if "Dimensions must be equal" in happens and keras.config.backend() != "tensorflow":
        pytest.skip("The message quoted is TensorFlow's.")
    printed = io.StringIO()
    # Section 2 starts where section 1 would have ended.
    names = {"__name__": "wrong", "model": image_text_classifier((20, 20, 3), filters=(2, 2))}
    with contextlib.redirect_stdout(printed):
        try:
            exec(code, names)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    assert happens.strip() in printed.getvalue()


@pytest.mark.parametrize("code", CORRECTED, ids=range(1, len(CORRECTED) + 1))
def test_the_corrected_code_runs(code):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {"__name__": "corrected"})
    for expected in re.findall(r"^print\(.*\)  # (.*)$", code, re.M):
        assert expected in printed.getvalue()


def test_every_test_that_the_document_names_exists():
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT))
    assert len(named) >= 15
    for path, name in sorted(named):
        tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{path} has no {name}"


def test_lint_finds_names_unimported_unused_and_redefined():
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff is not installed.")

    def lint(code):
        arguments = ["check", "--config", str(REPOSITORY / "pyproject.toml"), "-"]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", "mmkeras/wrong.py"],
            cwd=REPOSITORY, input=code, capture_output=True, text=True,
        )  # fmt: skip
        return set(re.findall(r"\bF\d{3}\b", done.stdout))

    codes = [lint(code) for code, _ in WRONG]
    assert {"F401", "F821"} <= codes[0]  # LSTM is unused, MaxPooling2D undefined.
    assert "F821" in codes[1]
    assert any("F811" in found for found in codes)  # evaluate_model, twice.


def test_the_documents_model_is_there_layer_for_layer():
    model = image_text_classifier()
    image, text = model.get_layer("image_encoder"), model.get_layer("text_encoder")
    convolutions = [step for step in image.steps if isinstance(step, keras.layers.Conv2D)]
    assert [conv.filters for conv in convolutions] == [64, 64, 128, 128]
    assert {conv.kernel_size for conv in convolutions} == {(3, 3)}
    kinds = [type(step).__name__ for step in image.steps]
    assert kinds == [*["Conv2D", "ReLU", "Conv2D", "ReLU", "MaxPooling2D"] * 2, "Reshape"]
    assert text.units == (128, 64)
    assert model.input["image"].shape == (None, 224, 224, 3)
    assert model.input["text"].shape == (None, 1000)
    assert model.get_layer("head_dense_0").units == 128
    assert model.get_layer("head_dropout_0").rate == 0.5
    assert model.get_layer("output").units == 10
    assert model.get_layer("output").activation is keras.activations.softmax


def test_the_documents_model_attends_to_2809_image_tokens():
    model = image_text_classifier()
    assert model.get_layer("image_encoder").output.shape == (None, 53 * 53, 128)
    assert attention_model(model).output["text_to_image"].shape == (None, 1, 1, 2809)


def test_a_schema_refuses_the_target_as_an_input():
    with pytest.raises(ValueError, match="would be given the answer"):
        Schema([Image("picture"), Text("label")], target="label")
