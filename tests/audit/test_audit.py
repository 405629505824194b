import json
import shutil

import numpy as np
import pandas as pd
import pytest

from mmkeras.audit import AuditSettings, audit
from mmkeras.audit.gain import Gain
from mmkeras.audit.robustness import compare_robustness
from mmkeras.audit.sections.significance import over_runs
from mmkeras.audit.sections.subgroups import subgroup_names
from mmkeras.audit.subset_models import subset_runs
from mmkeras.data.tables.splits import Splits
from mmkeras.evaluation.corruptions import CORRUPTIONS
from mmkeras.evaluation.significance import corrected_resampled_t_test
from mmkeras.experiment.run_folder import Run
from mmkeras.experiment.settings import Encoder, ModelSettings, Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import TARGETS, Number, Schema, Sequence, StepLabels, Tabular, Text
from mmkeras.tasks import FIGURES
from mmkeras.training.settings import TrainingSettings

pytestmark = pytest.mark.eager

QUICK = AuditSettings(train="none", noise=False, explain=0, draws=20, swaps=2)
SMALL = Settings(
    model=ModelSettings(hidden=(8,)),
    encoders={
        "sequence": Encoder("mlp", {"units": (8,)}),
        "text": Encoder("bag_of_words", {"units": (8,)}),
    },
    training=TrainingSettings(epochs=1, patience=0),
)


@pytest.fixture(scope="module")
def whole(four_modalities, tmp_path_factory):
    """The audit of four modalities with all that it can do, but models of fewer modalities."""
    run, splits, _ = four_modalities
    settings = AuditSettings(train="none", by=("region",), explain=4, draws=20, swaps=2)
    out = tmp_path_factory.mktemp("audit")
    return audit(run, splits=splits, settings=settings, out=out), out


@pytest.fixture(scope="module")
def with_models(two_modalities, tmp_path_factory):
    """The audit of two modalities beside whose run models of either alone were trained."""
    runs, splits = two_modalities
    out = tmp_path_factory.mktemp("audit")
    settings = AuditSettings(noise=True, floor="on", explain=2, draws=20)
    report = audit(
        runs["picture+note"], splits=splits, settings=settings, against=runs["note"], out=out
    )
    return report, out


def values(report, section):
    return next(s.values for s in report.sections if s.name == section)


def test_the_floor_is_trained_on_the_runs_rows(with_models, two_modalities):
    report, _ = with_models
    runs, _ = two_modalities
    found = values(report, "floor")
    assert found["method"].startswith(("linear", "svm", "late", "stacking"))
    run = runs["picture+note"]
    own = found["test"]["accuracy"] + found["difference"]
    assert own == pytest.approx(run.metrics["test"]["accuracy"])
    assert report.section("floor").conclusion == report.verdict[1]
    assert "classical floor" in report.verdict[1]
    assert found["test"]["accuracy"] > 0.8  # bright pictures, and words of the day


@pytest.mark.slow
def test_every_question_is_answered_in_the_page_and_in_the_files(whole):
    report, out = whole
    asked = [section.name for section in report.sections]
    assert asked == [
        "performance",
        "contribution",
        "adding",
        "missing",
        "columns",
        "noise",
        "calibration",
        "explanations",
        "subgroups",
        "data",
    ]
    page = (out / "audit.html").read_text()
    for section in report.sections:
        assert section.title in page and section.seconds > 0
    told = json.loads((out / "audit.json").read_text())
    assert set(told["values"]) == set(asked)
    assert told["verdict"] == list(report.verdict)
    assert {path.stem for path in (out / "tables").iterdir()} == {t.name for t in report.tables}
    named = {picture.name for picture in report.pictures}
    cards = {f"explanations-{place}" for place in range(1, 5)}
    assert {path.stem for path in (out / "pictures").iterdir()} == named | cards
    assert list(out.glob("events.out.tfevents*"))


@pytest.mark.slow
def test_every_corruption_of_every_modality_was_tried(whole):
    report, _ = whole
    kinds = {"picture": "image", "note": "text", "facts": "tabular", "hum": "audio"}
    expected = {f"{name} / {c}" for name, kind in kinds.items() for c in CORRUPTIONS[kind]}
    curves = values(report, "noise")["curves"]
    assert set(curves) == expected
    clean = values(report, "performance")["figures"]["accuracy"]["value"]
    assert all(len(curve) == 6 and curve[0] == pytest.approx(clean) for curve in curves.values())


@pytest.mark.slow
def test_all_subsets_are_tried_and_shapley_values_add_up(whole):
    report, _ = whole
    told = values(report, "contribution")
    assert len(told["hidden"]) == 15
    phi = [line["Shapley value (this model)"] for line in told["modalities"].values()]
    accuracy = told["hidden"]["picture + note + facts + hum"]
    assert sum(phi) == pytest.approx(accuracy - told["nothing"])
    assert "alone" not in told["modalities"]["note"]
    assert "not every one of them has a model of its own" in report.verdict[1]


@pytest.mark.slow
def test_cards_show_the_row_as_it_is(whole, four_modalities):
    report, _ = whole
    _, splits, _ = four_modalities
    explained = next(s for s in report.sections if s.name == "explanations")
    cards = next(part for part in explained.parts if part.name == "explanations").cards
    assert len(cards) == 4
    for card in cards:
        row = splits.test.loc[int(card.notes[0].removeprefix("Row "))]
        ((_, samples, rate),) = card.sounds
        assert rate == 2000
        np.testing.assert_array_equal(samples, row["hum"])
        ((_, words),) = card.texts
        assert " ".join(word for word, _ in words) == row["note"]
        assert card.table == {"warmth": f"{row['warmth']:.4g}", "place": row["place"]}
        assert card.right == (card.title.split()[0] == row["when"])
        labels = [label for label, _ in card.pictures]
        assert "Grad-CAM (picture)" in labels and "integrated gradients (hum)" in labels
        assert any(label.startswith("attention") for label in labels)


@pytest.mark.slow
def test_subgroups_are_those_of_the_column(whole, four_modalities):
    report, _ = whole
    run, splits, _ = four_modalities
    right = run.predictions["true"] == run.predictions["predicted"]
    for region, line in values(report, "subgroups")["region"].items():
        inside = splits.test["region"] == region
        assert line["examples"] == inside.sum()
        assert line["score"] == pytest.approx(right[inside].mean())
        assert line["low"] <= line["score"] <= line["high"]


def test_models_of_single_modalities_beside_the_run_are_used(with_models, two_modalities):
    report, out = with_models
    runs, _ = two_modalities
    told = values(report, "contribution")
    for name in ("picture", "note"):
        accuracy = runs[name].metrics["test"]["accuracy"]
        assert told["modalities"][name]["alone"] == pytest.approx(accuracy)
    fused = runs["picture+note"].metrics["test"]["accuracy"]
    assert told["trained"]["picture + note"] == pytest.approx(fused)
    assert told["gain"]["difference"] == pytest.approx(
        fused - max(runs[name].metrics["test"]["accuracy"] for name in ("picture", "note"))
    )
    assert not (out / "models").exists()
    assert sum(told["who_is_right"].values()) == pytest.approx(1.0)
    parts = told["information"]["pairs"]["picture + note"]
    total = sum(parts[part] for part in ("redundant", "first", "second", "synergy"))
    assert total == pytest.approx(parts["together"])
    assert "effective" in next(iter(values(report, "noise")["figures"].values()))


def test_another_run_is_compared_on_the_same_rows(with_models, two_modalities):
    report, _ = with_models
    runs, _ = two_modalities
    tests = values(report, "significance")["tests"]
    accuracies = [runs[name].metrics["test"]["accuracy"] for name in ("picture+note", "note")]
    assert tests["paired bootstrap"]["difference"] == pytest.approx(accuracies[0] - accuracies[1])
    assert 0 <= tests["McNemar"]["p"] <= 1


@pytest.mark.parametrize("folds", [False, True])
def test_the_folds_or_seeds_of_two_runs_are_compared(two_modalities, tmp_path, folds):
    runs, _ = two_modalities
    accuracies = {"fused": (0.9, 0.8, 0.85), "note": (0.7, 0.75, 0.7)}
    for name, run in (("fused", runs["picture+note"]), ("note", runs["note"])):
        for place, accuracy in enumerate(accuracies[name]):
            prefix = f"fold{place}-seed0" if folds else f"seed{place}"
            folder = tmp_path / f"{prefix}-{name}"
            shutil.copytree(run.path, folder)
            metrics = {**run.metrics, "test": {**run.metrics["test"], "accuracy": accuracy}}
            (folder / "metrics.json").write_text(json.dumps(metrics))
            config = run.config | ({"fold": place} if folds else {})
            (folder / "config.json").write_text(json.dumps(config))
    first = "fold0-seed0" if folds else "seed0"
    found = over_runs(Run(tmp_path / f"{first}-fused"), Run(tmp_path / f"{first}-note"))
    share = 18 / 30 if folds else 0.0
    expected = corrected_resampled_t_test([0.2, 0.05, 0.15], share)
    assert found["test"] == pytest.approx(expected)
    assert ("corrected" in found["name"]) == folds
    assert "3 runs each" in found["name"]
    shutil.rmtree(tmp_path / f"{first}-note")
    shutil.rmtree(tmp_path / ("fold1-seed0-note" if folds else "seed1-note"))
    left = Run(tmp_path / ("fold2-seed0-note" if folds else "seed2-note"))
    assert over_runs(Run(tmp_path / f"{first}-fused"), left) is None


def test_the_audit_of_one_modality_asks_what_can_be_asked(two_modalities, tmp_path):
    runs, splits = two_modalities
    report = audit(runs["note"], splits=splits, settings=QUICK, out=tmp_path)
    asked = [section.name for section in report.sections]
    assert asked == ["performance", "calibration", "data"]


@pytest.mark.slow
def test_models_that_are_not_there_are_trained_once(four_modalities, shared_table, tmp_path):
    frame, schema = shared_table
    schema = Schema(schema.modalities[1:], schema.target)
    splits = Splits(frame[:30], frame[30:42], frame[42:])
    run = train_run(splits, schema, tmp_path / "run", SMALL)
    settings = AuditSettings(noise=False, explain=0, draws=5)
    told = values(audit(run, splits=splits, settings=settings), "contribution")
    models = run.path / "audit" / "models"
    files = {name: models / name / "model.keras" for name in ("facts", "note")}
    assert sorted(path.name for path in models.iterdir()) == sorted(files)
    times = {name: path.stat().st_mtime_ns for name, path in files.items()}
    again = values(audit(run, splits=splits, settings=settings), "contribution")
    assert again["trained"] == told["trained"]
    assert times == {name: path.stat().st_mtime_ns for name, path in files.items()}


def test_new_labelled_rows_are_judged_instead(two_modalities, tmp_path):
    runs, splits = two_modalities
    run = runs["picture+note"]
    rows = splits.validation
    report = audit(run, rows, settings=QUICK, out=tmp_path)
    assert values(report, "performance")["examples"] == len(rows)
    accuracy = run.metrics["validation"]["accuracy"]
    found = values(report, "performance")["figures"]["accuracy"]["value"]
    assert found == pytest.approx(accuracy)
    assert values(report, "calibration")["temperature"] is None
    assert "Leakage could not be looked for" in report.sections[-1].conclusion
    assert "could not be checked" in report.verdict[-1]


def test_training_rows_given_as_new_ones_are_found_out(two_modalities, tmp_path):
    runs, splits = two_modalities
    report = audit(runs["note"], splits.train, splits=splits, settings=QUICK, out=tmp_path)
    found = values(report, "data")["leakage"]
    assert any("both sides" in finding["check"] for finding in found)


def test_runs_of_other_rows_are_not_taken_for_parts_of_this_one(two_modalities, tmp_path):
    runs, splits = two_modalities
    whole = tmp_path / "whole"
    other = Splits(splits.train, splits.test, splits.validation)
    shutil.copytree(runs["picture+note"].path, whole)
    schema = runs["note"].preprocessing.schema
    train_run(other, schema, tmp_path / "note", Settings.from_dict(runs["note"].config["settings"]))
    assert subset_runs(Run(whole), splits, QUICK, tmp_path / "out") == {}
    shutil.copytree(runs["note"].path, tmp_path / "the right one")
    assert set(subset_runs(Run(whole), splits, QUICK, tmp_path / "out")) == {("note",)}


def test_more_rows_than_asked_for_are_drawn(two_modalities, tmp_path):
    runs, splits = two_modalities
    settings = AuditSettings(train="none", noise=False, explain=0, draws=5, max_rows=7)
    report = audit(runs["picture+note"], splits=splits, settings=settings, out=tmp_path)
    assert values(report, "performance")["examples"] == len(splits.test)
    assert "7 of them" in report.facts["rows"]


def test_wrong_use_is_told_what_is_wrong(two_modalities, tmp_path):
    runs, splits = two_modalities
    run = runs["picture+note"]
    with pytest.raises(ValueError, match="does not say where its rows came from"):
        audit(run, settings=QUICK, out=tmp_path)
    with pytest.raises(ValueError, match="no column 'when'"):
        audit(run, splits.test.drop(columns="when"), settings=QUICK, out=tmp_path)
    with pytest.raises(ValueError, match="'dusk' is not in any training row"):
        audit(run, splits.test.assign(when="dusk"), settings=QUICK, out=tmp_path)
    with pytest.raises(ValueError, match="no column 'note'"):
        audit(run, splits.test.drop(columns="note"), settings=QUICK, out=tmp_path)
    with pytest.raises(ValueError, match=r"no column .*sex"):
        settings = AuditSettings(by=("sex",))
        audit(run, splits=splits, settings=settings, out=tmp_path)
    with pytest.raises(FileNotFoundError, match="not the folder of a finished run"):
        audit(tmp_path, settings=QUICK)
    with pytest.raises(ValueError, match=r"no rows .*'no such row'"):
        settings = AuditSettings(explain_rows=("no such row",))
        audit(run, splits=splits, settings=settings, out=tmp_path)
    for wrong in ({"max_rows": 0}, {"train": "all"}, {"by": "when"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            AuditSettings(**wrong)


def test_robustness_of_several_runs_is_shown_side_by_side(two_modalities, tmp_path):
    runs, splits = two_modalities
    settings = AuditSettings(train="none", draws=5, swaps=2)
    both = [runs["picture+note"], runs["note"]]
    table = compare_robustness(both, splits.test, settings=settings, out=tmp_path)
    assert table.index.tolist() == ["picture-note", "note"]
    clean = audit(runs["note"], splits.test, settings=QUICK, out=tmp_path / "one")
    accuracy = values(clean, "performance")["figures"]["accuracy"]["value"]
    assert table.loc["note", "clean"] == pytest.approx(accuracy)
    told = json.loads((tmp_path / "audit.json").read_text())["values"]["noise"]["curves"]
    # A model of the text alone does not see the pictures get worse.
    assert told["note"]["picture / blur"] == pytest.approx([accuracy] * 6)
    assert set(told["note"]) == set(told["picture-note"])
    assert (tmp_path / "pictures" / "robustness.png").is_file()
    with pytest.raises(ValueError, match="two runs or more"):
        compare_robustness(both[:1], splits.test, out=tmp_path)


def numbers_table():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60))
    words = np.where(y > 0, "up", "down")
    return pd.DataFrame({"x": x, "note": words, "sum": x + y, "tags": ["a|b", "a", ""] * 20})


@pytest.mark.slow
@pytest.mark.parametrize("task", ["number", "labels"])
def test_numbers_and_labels_are_audited_too(task, tmp_path):
    frame = numbers_table()
    target = TARGETS[task]("sum" if task == "number" else "tags")
    schema = Schema([Tabular("facts", ("x",)), Text("note")], target)
    splits = Splits(frame[:36], frame[36:48], frame[48:])
    run = train_run(splits, schema, tmp_path / "run", SMALL)
    settings = AuditSettings(explain=2, draws=5, swaps=2, by=("note",))
    report = audit(run, splits=splits, settings=settings)
    figures = values(report, "performance")["figures"]
    name = "rmse" if task == "number" else "micro_f1"
    assert figures[name]["value"] == pytest.approx(run.metrics["test"][name])
    assert values(report, "contribution")["gain"]["mcnemar"] is None
    assert ("calibration" in {s.name for s in report.sections}) == (task == "labels")
    assert (run.path / "audit" / "audit.html").is_file()


@pytest.mark.slow
def test_a_label_per_step_is_audited_too(tmp_path):
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 6, 40)
    walks = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    frame = pd.DataFrame(
        {
            "walk": walks,
            "run": [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths],
            "labels": ["|".join(np.where(w[:, 0] > 0, "a", "b")) for w in walks],
        }
    )
    schema = Schema([Sequence("walk"), Sequence("run")], StepLabels("labels"))
    splits = Splits(frame[:24], frame[24:32], frame[32:])
    run = train_run(splits, schema, tmp_path / "run", SMALL)
    settings = AuditSettings(explain=2, draws=5, swaps=2)
    report = audit(run, splits=splits, settings=settings)
    told = values(report, "performance")
    assert told["examples"] == lengths[32:].sum()
    accuracy = run.metrics["test"]["accuracy"]
    assert told["figures"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert values(report, "missing")["curves"]["walk"][0] == pytest.approx(accuracy)


def test_numbers_that_do_not_differ_are_refused(tmp_path):
    frame = numbers_table()
    schema = Schema([Tabular("facts", ("x",))], Number("sum"))
    splits = Splits(frame[:36], frame[36:48], frame[48:])
    run = train_run(splits, schema, tmp_path / "run", SMALL)
    with pytest.raises(ValueError, match="have the same 'sum'"):
        audit(run, frame[48:].assign(sum=2.0), settings=QUICK)
    with pytest.raises(ValueError, match="without a number in 'sum'"):
        audit(run, frame[48:].assign(sum=[None, *frame["sum"][49:]]), settings=QUICK)
    assert not (run.path / "audit").exists()


def test_numbers_are_grouped_by_quarters_and_holes_are_a_group():
    cells = pd.Series([*np.arange(40.0), np.nan, np.inf])
    names = subgroup_names(cells)
    assert names.value_counts().tolist() == [10, 10, 10, 10, 2]
    assert (names[-2:] == "(none)").all()


def test_the_rows_that_were_asked_for_are_explained(two_modalities, tmp_path):
    runs, splits = two_modalities
    wanted = tuple(str(label) for label in splits.test.index[[4, 1]])
    settings = AuditSettings(train="none", noise=False, explain=0, explain_rows=wanted, draws=5)
    report = audit(runs["note"], splits=splits, settings=settings, out=tmp_path)
    explained = next(s for s in report.sections if s.name == "explanations")
    assert [card.notes[0] for card in explained.parts[1].cards] == [f"Row {w}" for w in wanted]


def test_each_modality_is_judged_by_a_model_without_it(with_models):
    report, _ = with_models
    told = values(report, "adding")
    scores = values(report, "contribution")["trained"]
    assert {name: part["without"] for name, part in told["parts"].items()} == pytest.approx(
        {"picture": scores["note"], "note": scores["picture"]}
    )
    assert all(part["trained"] for part in told["parts"].values())
    assert told["verdict"][0] in report.verdict and "picture " in told["verdict"][0]


@pytest.mark.parametrize(
    ("low", "high", "start"),
    [
        (0.01, 0.09, "Yes, the modalities help each other"),
        (-0.09, -0.01, "No: all modalities together are worse than text alone"),
        (-0.02, 0.005, "No: all modalities together gain next to nothing over text alone"),
        (-0.02, 0.12, "It cannot be said that the modalities help each other"),
    ],
)
def test_the_verdict_follows_from_the_interval(low, high, start):
    gain = Gain(
        best="text",
        alone=0.8,
        fused=0.8 + (low + high) / 2,
        low=low,
        high=high,
        mcnemar=0.5,
        figure=FIGURES["accuracy"],
    )
    assert gain.sentence.startswith(start)
    assert f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}" in gain.sentence
