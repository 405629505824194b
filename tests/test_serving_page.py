"""The examples of docs/serving.md run as they stand there, and its lists are those of the tests."""

import re
from pathlib import Path

import pandas as pd
import pytest

from mmkeras.data.media.images.image_file import encode_png
from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.data.tables.read import read_table
from mmkeras.models.build import build_model
from mmkeras.schema import Image, Label, Schema, Text
from mmkeras.serving.export import export_model
from tests.serving.test_formats import REFUSED

PAGE = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_the_table_of_refused_parts_is_that_of_the_tests():
    rows = re.findall(r"^\| (\w+) \| (.*) \| (.*) \|$", PAGE, flags=re.M)
    cells = {kind: columns for kind, *columns in rows if kind in ("fusions", "decoders")}
    for place, format in enumerate(("litert", "onnx")):
        for kind, columns in cells.items():
            named = set(re.findall(r"`(\w+)`", columns[place]))
            part = kind.removesuffix("s")
            refused = {name.split("-")[1] for name in REFUSED[format] if name.startswith(part)}
            assert named == refused, (format, kind)


@pytest.mark.slow
def test_the_examples_run(shared_table, tmp_path, monkeypatch, capsys):
    pytest.importorskip("fastapi")
    frame, _ = shared_table
    schema = Schema([Image("picture"), Text("note")], Label("when"))
    table = read_table(pd.DataFrame(frame[["picture", "note", "when"]]), schema)
    preprocessing = fit_preprocessing(table, schema, presence=True)
    model = build_model(schema, preprocessing.inputs, num_outputs=2, presence=True)

    class Run:
        def export(self, folder):
            return export_model(model, preprocessing, folder)

    Run.model, Run.preprocessing = model, preprocessing
    monkeypatch.chdir(tmp_path)
    Path("sun.png").write_bytes(encode_png(frame["picture"].iloc[0]))
    examples = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(examples) == 2
    for example in examples:
        exec(example, {"run": Run()})
    assert "b'day'" in capsys.readouterr().out
