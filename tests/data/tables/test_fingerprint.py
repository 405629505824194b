import numpy as np
import pandas as pd
import pytest

from mmkeras.data.tables.fingerprint import fingerprint
from mmkeras.data.tables.read import read_table
from mmkeras.schema import Image, Schema, Tabular, Text

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    return tmp_path


def test_fingerprint_sees_values_order_and_names(folder):
    schema = Schema([Image("photo"), Text("caption"), Tabular("t", ["age"])], target="label")
    frame = pd.DataFrame(
        {
            "photo": [str(folder / "a.png"), PNG, np.zeros((2, 2))],
            "caption": ["x", "y", None],
            "age": [1, 2, 3],
            "label": [1, 2, 1],
        }
    )
    reference = fingerprint(frame, schema)
    assert fingerprint(frame.assign(other=1).set_index(pd.Index([9, 8, 7])), schema) == reference
    assert fingerprint(read_table(frame, schema), schema) == reference

    changed = [frame.iloc[[1, 0, 2]], frame.iloc[:2]]
    changed += [frame.assign(**{c: frame[c].iloc[[0, 0, 2]].tolist()}) for c in frame]
    changed += [frame.assign(caption=["xy", "", None]), frame.assign(age=[1, 2, 3.5])]
    prints = [fingerprint(each, schema) for each in changed]
    assert reference not in prints
    assert len(set(prints)) == len(prints)

    (folder / "a.png").write_bytes(PNG + b"more")
    assert fingerprint(frame, schema) != reference


def test_fingerprint_does_not_depend_on_the_folder(folder, tmp_path_factory):
    schema = Schema([Image("photo")], target="label")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a.png").write_bytes(PNG)
    frame = pd.DataFrame({"photo": ["a.png"], "label": ["x"]})
    here = read_table(frame, schema, base_dir=folder)
    there = read_table(frame, schema, base_dir=elsewhere)
    assert fingerprint(here, schema) == fingerprint(there, schema)


def test_fingerprint_does_not_depend_on_how_numbers_are_stored():
    schema = Schema([Image("pixels"), Tabular("t", ["age"])], target="label")
    pixels = np.arange(6, dtype="<f4").reshape(2, 3)
    frame = pd.DataFrame({"pixels": [pixels], "age": [0.0], "label": [1]})
    other = pd.DataFrame({"pixels": [np.asfortranarray(pixels.astype(">f4"))], "age": ["-0"]})
    other["label"] = "1"
    assert fingerprint(frame, schema) == fingerprint(other, schema)
    other["pixels"] = [pixels.T]
    assert fingerprint(frame, schema) != fingerprint(other, schema)


def test_fingerprint_is_pinned():
    schema = Schema([Text("caption"), Tabular("t", ["age"], ["size"])], target="label", id="id")
    frame = pd.DataFrame(
        {"id": [1, 2], "caption": ["é", None], "age": [0.5, None], "size": [3, 4], "label": [1, 0]}
    )
    assert fingerprint(frame, schema) == (
        "483c1b4632b02d4a72b4dc01061307dc2b051a59392fbb467fecfbfd33c9d891"
    )
