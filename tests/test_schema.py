import json

import pytest

from mmkeras.schema import Image, Schema, Tabular, Target, Text

SCHEMA = Schema(
    [
        Image("photo", column="photo path"),
        Text("caption"),
        Tabular("facts", numeric=["age"], categorical=["city"]),
    ],
    Target("labels", task="multilabel", separator=";"),
    id="row",
    group="patient",
)


def test_a_schema_survives_json_and_files(tmp_path):
    assert Schema.from_json(SCHEMA.to_json()) == SCHEMA
    SCHEMA.save(tmp_path / "schema.json")
    assert Schema.load(tmp_path / "schema.json") == SCHEMA
    kinds = [modality["kind"] for modality in json.loads(SCHEMA.to_json())["modalities"]]
    assert kinds == ["image", "text", "tabular"]


def test_three_lines_are_enough():
    schema = Schema([Image("photo"), Text("caption")], "label")
    assert schema.target == Target("label", task="classification")
    assert schema.names == schema.columns == ("photo", "caption")


def test_modalities_can_be_looked_up_and_selected():
    assert SCHEMA["photo"].columns == ("photo path",)
    assert SCHEMA.select(["facts"]).names == ("facts",)
    assert SCHEMA.select(["facts"]).group == "patient"
    with pytest.raises(KeyError, match=r"'sound'.*photo"):
        SCHEMA["sound"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schema([], "y"), "at least one modality"),
        (lambda: Schema([Text("a"), Image("a")], "y"), r"unique.*\['a'\]"),
        (lambda: Schema([Text("present")], "y"), r"\['present'\] belong to other parts"),
        (lambda: Schema([Text("output")], "y"), r"column='output'"),
        (lambda: Schema([Text("a"), Text("a_mask")], "y"), r"\['a_mask'\]"),
        (lambda: Schema([Text("y")], "y"), "given the answer"),
        (lambda: Schema([Tabular("t", ["a", "y"])], "y"), r"input of \['t'\]"),
        (lambda: Text("my text"), r"column='my text'"),
        (lambda: Tabular("t"), "names no column"),
        (lambda: Tabular("t", numeric="age"), "list of columns"),
        (lambda: Target("y", task="ranking"), r"classification.*'ranking'"),
    ],
)
def test_impossible_schemas_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modalites": []}, "modalites"),
        ({"target": None}, "target"),
        ({"modalities": [{"kind": "smell", "name": "a"}]}, r"'smell'"),
        ({"modalities": [{"kind": "text", "nam": "a"}]}, r"no setting \['nam'\]"),
        ({"modalities": [{"kind": "text"}]}, r"needs \['name'\]"),
    ],
)
def test_mistakes_in_a_schema_file_name_the_file_and_the_mistake(tmp_path, change, message):
    data = {"modalities": [{"kind": "text", "name": "a"}], "target": "y", **change}
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not None}))
    with pytest.raises(ValueError, match=message) as error:
        Schema.load(path)
    assert "schema.json" in str(error.value)


def test_a_missing_or_broken_schema_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        Schema.load(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json"):
        Schema.load(tmp_path / "broken.json")
