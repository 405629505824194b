import json

import pytest

from mmkeras.schema import (
    Audio,
    Boxes,
    Image,
    Label,
    Labels,
    Number,
    Schema,
    Sequence,
    StepLabels,
    Tabular,
    Targets,
    Text,
    Video,
)

SCHEMA = Schema(
    [
        Image("photo", column="photo path"),
        Text("caption"),
        Tabular("facts", numeric=["age"], categorical=["city"]),
    ],
    Labels("labels", separator=";"),
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
    assert schema.target == Label("label")
    assert schema.names == schema.columns == ("photo", "caption")


def test_sounds_videos_and_sequences_survive_json():
    schema = Schema(
        [Video("picture", "clip"), Audio("sound", "clip"), Sequence("motion")], Label("label")
    )
    assert Schema.from_json(schema.to_json()) == schema
    kinds = [modality["kind"] for modality in schema.to_dict()["modalities"]]
    assert kinds == ["video", "audio", "sequence"]
    # Two modalities of one column, which is there once.
    assert schema.columns == ("clip", "motion")
    assert schema.select(["sound"]).columns == ("clip",)


def test_a_label_per_step_survives_json():
    target = StepLabels("moods", separator=" ")
    schema = Schema([Sequence("voice"), Sequence("words")], target, group="talk")
    assert Schema.from_json(schema.to_json()) == schema
    assert schema.select(["words"]).target == target


@pytest.mark.parametrize(
    ("older", "target"),
    [
        ({"column": "y"}, Label("y")),
        ({"column": "y", "task": "classification", "separator": "|"}, Label("y")),
        ({"column": "y", "task": "multilabel", "separator": ";"}, Labels("y", separator=";")),
        ({"column": "y", "task": "regression", "separator": "|", "per_step": False}, Number("y")),
        ({"column": "y", "task": "classification", "per_step": True}, StepLabels("y")),
    ],
)
def test_schemas_that_name_a_task_still_load(older, target):
    data = {"modalities": [{"kind": "sequence", "name": "walk"}], "target": older}
    assert Schema.from_dict(data).target == target


def test_several_numbers_and_no_target_survive_json():
    for target, columns in ((Number(("x", "y")), ("x", "y")), (None, ())):
        schema = Schema([Text("note")], target)
        assert schema.target_columns == columns
        assert Schema.from_json(schema.to_json()) == schema


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
        (lambda: Number(()), "one or more"),
        (lambda: Number(("x", "x")), "named once"),
        (lambda: Schema([Text("x")], Number(("x", "y"))), "given the answer"),
        (lambda: Schema([Text("a")], 3), "Label, Labels, Number.*3"),
        (
            lambda: Schema([Sequence("a"), Text("b")], StepLabels("y")),
            r"sequences only; \['b'\] have no steps",
        ),
        (lambda: Schema([Video("v", "y"), Audio("a")], "y"), r"input of \['v'\]"),
        (lambda: Schema([Audio("a"), Video("a")], "y"), r"unique.*\['a'\]"),
        (lambda: Sequence("my steps"), r"column='my steps'"),
        (lambda: Schema([Audio("modality_dropout")], "y"), r"\['modality_dropout'\]"),
    ],
)
def test_impossible_schemas_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modalites": []}, "modalites"),
        ({"modalities": None}, "modalities"),
        ({"target": {"kind": "smell", "column": "y"}}, r"step_labels.*'smell'"),
        ({"target": {"column": "y", "task": "ranking"}}, "ranking"),
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


ANSWERS = {
    "text": Text("french", judged_by="chrf"),
    "image": Image("drawing"),
    "sequence": Sequence("pose", column="pose path"),
    "boxes": Boxes("objects"),
    "several": [Label("species"), Number("age")],
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_answers_beyond_labels_survive_json(kind):
    schema = Schema([Image("photo"), Text("note")], target=ANSWERS[kind])
    assert schema.target.kind == kind
    assert Schema.from_json(schema.to_json()) == schema
    assert set(schema.target_columns) == {c for each in schema.each_target for c in each.columns}
    assert schema.select(["photo"]).target == schema.target


def test_several_targets_each_keep_their_own_settings():
    schema = Schema([Text("note")], target=[Label("a", na_is_class=True), Labels("b", ";")])
    assert schema.target.weights == (1, 1)
    assert schema.na_is_class("a") and not schema.na_is_class("b")
    assert schema.separator("b") == ";" and schema.target_of("note") is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schema([Text("a")], [Label("b"), Text("c")]), "two or more of Label, Labels"),
        (lambda: Schema([Text("a")], [Label("b")]), "two or more of Label, Labels"),
        (lambda: Schema([Text("a")], [Label("b"), Number("b")]), "the target twice"),
        (lambda: Schema([Text("a")], Targets(("b", "c"), (1, -1))), "`weights` are 2 numbers"),
        (lambda: Schema([Text("a", judged_by="wer")], "b"), "`judged_by` is for a target"),
        (lambda: Schema([Text("a")], Text("b", judged_by="bleu")), "`judged_by` is one of"),
        (lambda: Schema([Text("a")], Boxes("b")), r"one of the schema's images \[\]"),
        (lambda: Schema([Image("a"), Image("c")], Boxes("b")), r"Boxes\('b', image=NAME\)"),
        (lambda: Schema([Image("a")], Image("b", several=True)), "A target is one image"),
        (lambda: Schema([Image("a")], Image("a")), "the model would be given the answer"),
        (lambda: Schema([Image("previous")], "b"), "belong to other parts"),
    ],
)
def test_answers_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
