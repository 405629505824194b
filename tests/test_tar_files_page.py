"""The examples of docs/tar_files.md run as they stand there, and its table is the code's."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.data.tables import tar_files
from mmkeras.data.tables.read import read_table
from mmkeras.schema import Image, Label, Schema, Text
from tests.data.media_files import image_bytes, make_tar

PAGE = (Path(__file__).parents[1] / "docs" / "tar_files.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("shards").mkdir()
    members = {}
    for row in range(20):
        picture = image_bytes(np.full((8, 8, 3), 10 * row, np.uint8), "JPEG")
        members[f"n01/{row:06d}.jpg"] = picture
        members[f"n01/{row:06d}.txt"] = f"a grey picture, number {row}".encode()
        members[f"n01/{row:06d}.cls"] = str(row % 2).encode()
        members[f"n01/{row:06d}.json"] = b'{"width": %d}' % (8 + row)
    make_tar(Path("shards", "train-000000.tar"), members)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    names = {}
    exec(example, names)
    assert "n01/000000 " in capsys.readouterr().out
    assert names["inferred"].schema.columns == ("jpg", "txt", "width")
    assert names["inferred"]["__key__"].use == "id"

    (written,) = re.findall(r"```\n(photo,.*?)```", PAGE, flags=re.S)
    Path("own.csv").write_text(written)
    own = read_table("own.csv", Schema([Image("photo"), Text("caption")], Label("label")))
    assert own["photo"][0] == names["table"]["jpg"][0]
    assert isinstance(names["table"], pd.DataFrame) and len(names["table"]) == 20


def test_the_table_of_extensions_is_that_of_the_code():
    rows = re.findall(r"^\| (`\.txt`.*|`\.cls`.*) \|", PAGE, flags=re.M)
    listed = [set(re.findall(r"`\.(\w+)`", row.split("|")[0])) for row in rows]
    assert listed == [set(tar_files._TEXTS), set(tar_files._NAMES)]
