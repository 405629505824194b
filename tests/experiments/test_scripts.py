"""The experiment scripts from the command line's side, on a small CSV with pictures in files."""

import importlib
import json
import sys
from pathlib import Path

import pandas as pd
import PIL.Image
import pytest

import mmkeras
from mmkeras.audit import AuditSettings

pytestmark = pytest.mark.eager

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
QUICK_AUDIT = AuditSettings(train="none", noise=False, explain=0, draws=5, swaps=2)
SMALL = [
    "--set",
    "image.size=12,12",
    "image.encoder.filters=4",
    "--epochs",
    "1",
    "--batch-size",
    "16",
]


def script(name):
    """The script as a module, findable by the processes that it starts."""
    if str(EXPERIMENTS) not in sys.path:
        sys.path.append(str(EXPERIMENTS))
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def table(shared_table, tmp_path_factory):
    frame, _ = shared_table
    folder = tmp_path_factory.mktemp("own")
    paths = []
    for row, picture in enumerate(frame["picture"]):
        paths.append(f"{row}.png")
        PIL.Image.fromarray(picture).save(folder / paths[-1])
    path = folder / "own.csv"
    frame = frame[["note", "when"]].assign(picture=paths)
    frame.loc[::9, "note"] = None
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def trained(table):
    runs = table.parent / "runs"
    arguments = ["--data", str(table), "--target", "when", "--runs", str(runs), *SMALL]
    arguments += ["--fusion", "late", "--auxiliary", "1", "--floor", "on"]
    arguments += ["--name", "late <1>", "--tags", "paper", "draft 2"]
    comparison = script("train").main(arguments)
    return comparison, sorted((runs / "train-own").iterdir())


def test_training_on_a_csv_compares_each_modality_with_all(trained):
    comparison, folders = trained
    constant = comparison.index[-1]
    assert list(comparison.index[:-1]) == ["note", "picture", "fused", "classical floor"]
    assert constant in ("always 'day'", "always 'night'")
    assert comparison["accuracy"].between(0, 1).all()
    assert comparison.loc[constant, "roc_auc"] == 0.5 <= comparison.loc[constant, "accuracy"]
    assert [f.name.rsplit("-", 1)[1] for f in folders] == ["fused", "note", "picture"]
    fused = next(folder for folder in folders if folder.name.endswith("fused"))
    report = (fused / "report.md").read_text()
    assert "Beside the other models" in report and "| picture" in report
    floor = json.loads((fused / "metrics.json").read_text())["floor"]
    assert floor["sentence"] in report and "| classical floor" in report
    assert floor["test"]["accuracy"] == comparison.loc["classical floor", "accuracy"] > 0.8
    config = json.loads((fused / "config.json").read_text())
    assert config["settings"]["training"]["epochs"] == 1
    assert config["settings"]["encoders"]["image"]["options"]["filters"] == [4]


def test_runs_are_listed_by_what_they_are_called(trained, capsys):
    comparison, folders = trained
    fused = next(folder for folder in folders if folder.name.endswith("fused"))
    assert json.loads((fused / "config.json").read_text())["tags"] == ["paper", "draft 2"]
    report = (fused / "report.md").read_text()
    assert "- name: late &lt;1>" in report and "- tags: paper, draft 2" in report
    events = next(fused.glob("events*")).read_bytes()
    assert b"late <1>" in events and b"paper, draft 2" in events
    listed = script("runs").main(fused.parents[1], ("paper", "draft 2"))
    assert "| late &lt;1> |" in capsys.readouterr().out
    assert list(listed.index) == [f"train-own/{fused.name[:15]}-{n}" for n in comparison.index[:3]]
    assert listed["test"].tolist() == comparison["accuracy"][:3].tolist()
    assert listed["inputs"].tolist() == ["note", "picture", "note+picture"]
    assert not len(mmkeras.list_runs(fused.parents[1], ["another"]))
    with pytest.raises(FileNotFoundError, match="no folder"):
        mmkeras.list_runs(fused / "nothing")
    for wrong, words in (
        (["--name", "two\nlines"], "name is a line"),
        (["--tags", "a,b"], "spaces"),
    ):
        with pytest.raises(ValueError, match=words):
            script("train").main(["--dataset", "synthetic", *wrong])


def test_resuming_trains_what_is_missing_and_nothing_else(trained):
    comparison, folders = trained
    times = {folder.name: (folder / "model.keras").stat().st_mtime_ns for folder in folders}
    fused = next(folder for folder in folders if folder.name.endswith("fused"))
    (fused / "metrics.json").unlink()
    again = script("train").main(["--resume", str(fused)])
    for folder in folders:
        changed = (folder / "model.keras").stat().st_mtime_ns != times[folder.name]
        assert changed == (folder == fused)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), comparison.drop(columns="seconds"))


def test_experiments_begun_in_the_same_second_have_folders_of_their_own(
    table, tmp_path, monkeypatch
):
    train, folders = script("train"), []

    def stop(splits, schema, folder, *rest, **options):
        folders.append(folder)
        raise InterruptedError

    monkeypatch.setattr(train, "train_run", stop)
    monkeypatch.setattr(train, "time_stamp", lambda: "20260102-030405")
    for _ in range(2):
        with pytest.raises(InterruptedError):
            train.main(["--data", str(table), "--target", "when", "--runs", str(tmp_path), *SMALL])
    names = [folder.name for folder in folders]
    assert names == ["20260102-030405-note", "20260102-030405-2-note"]


def test_predicting_writes_a_file_beside_the_rows(trained, table, capsys):
    fused = next(folder for folder in trained[1] if folder.name.endswith("fused"))
    rows = table.with_name("new.csv")
    pd.read_csv(table).drop(columns="when")[:7].to_csv(rows, index=False)
    script("predict").main(fused, rows)
    predictions = pd.read_csv(rows.with_name("new.predictions.csv"), index_col="index")
    assert len(predictions) == 7 and set(predictions["predicted"]) <= {"day", "night"}
    assert "7 rows" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"\.csv or \.parquet"):
        script("predict").main(fused, rows, out=Path("x.txt"))


def test_a_run_is_exported_and_served(trained, monkeypatch, tmp_path, capsys):
    fused = next(folder for folder in trained[1] if folder.name.endswith("fused"))
    script("export").main(fused, format="litert", out=tmp_path / "exported")
    assert {"model.tflite", "client.py"} <= {
        path.name for path in (tmp_path / "exported").iterdir()
    }
    assert "client.py" in capsys.readouterr().out
    uvicorn, served = pytest.importorskip("uvicorn"), {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: served.update(options, app=app))
    script("serve").main(fused, port=1234, max_rows=5)
    assert served["port"] == 1234 and served["host"] == "127.0.0.1"
    assert served["app"].title == fused.name


def test_mistakes_on_the_command_line_are_one_line(table, tmp_path, capsys):
    main = script("train").main
    with pytest.raises(ValueError, match=r"No data set 'cats'.*glyphs"):
        main(["--dataset", "cats"])
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        main(["--data", str(tmp_path / "none.csv"), "--target", "x"])
    with pytest.raises(ValueError, match="your own --data"):
        main(["--target", "x"])
    with pytest.raises(SystemExit):
        main(["--data", str(table), "--target", "when", "--pooling", "median", *SMALL])
    printed = capsys.readouterr().err
    assert "median" in printed and "mean_max" in printed


@pytest.mark.slow
def test_cross_validation_tests_every_row_once(table, tmp_path):
    out = tmp_path / "cv"
    arguments = ["--data", str(table), "--target", "when", "--out", str(out), *SMALL]
    results = script("cross_validate").main(
        [*arguments, "--folds", "2", "--models", "note", "--validation", "0", "--workers", "2"]
    )
    assert list(results["fold"]) == [0, 1]
    rows = pd.concat(
        pd.read_parquet(out / f"fold{fold}-seed0-note" / "predictions.parquet") for fold in (0, 1)
    )
    assert sorted(rows.index) == list(range(60))
    assert (out / "results.csv").is_file() and "note" in (out / "summary.md").read_text()
    run = mmkeras.Run(out / "fold1-seed0-note")
    report = script("audit").main(run.path, settings=QUICK_AUDIT)
    figures = report.sections[0].values["figures"]
    assert figures["accuracy"]["value"] == pytest.approx(run.metrics["test"]["accuracy"])


def test_an_audit_finds_the_rows_and_the_models_of_single_modalities(trained, tmp_path, capsys):
    comparison, folders = trained
    fused = next(folder for folder in folders if folder.name.endswith("fused"))
    report = script("audit").main(fused, settings=QUICK_AUDIT, out=tmp_path)
    found = {section.name: section.values for section in report.sections}
    alone = found["contribution"]["modalities"]
    for name in ("picture", "note"):
        assert alone[name]["alone"] == pytest.approx(comparison.loc[name, "accuracy"])
    accuracy = found["performance"]["figures"]["accuracy"]["value"]
    assert accuracy == pytest.approx(comparison.loc["fused", "accuracy"])
    assert found["missing"]["built_for_missing"]
    printed = capsys.readouterr().out
    assert "Verdict" in printed and str(tmp_path / "audit.html") in printed


def test_an_audit_of_changed_data_is_refused(trained, table, tmp_path):
    fused = next(folder for folder in trained[1] if folder.name.endswith("fused"))
    before = table.read_text()
    try:
        table.write_text(before.replace("noon", "morn"))
        with pytest.raises(ValueError, match="rows of 'own' are no longer those of"):
            script("audit").main(fused, settings=QUICK_AUDIT, out=tmp_path)
    finally:
        table.write_text(before)


def test_robustness_shows_runs_side_by_side(trained, tmp_path, capsys):
    runs = tuple(f for f in trained[1] if f.name.endswith(("fused", "note")))
    settings = AuditSettings(train="none", swaps=1)
    result = script("robustness").main(runs, settings=settings, out=tmp_path)
    assert list(result.index) == [folder.name for folder in runs]
    assert (tmp_path / "audit.html").is_file()
    assert "relative" in capsys.readouterr().out


def test_speech_is_written_as_a_text_or_refused(tmp_path):
    with pytest.raises(ValueError, match="Speech is written as a text"):
        script("speech").main(["--dataset", "synthetic", "--out", str(tmp_path)])


def test_one_modality_is_made_of_another(table, tmp_path, capsys):
    small = ["--set", "target.size=8,8", "decoder.filters=4", "--epochs", "1"]
    own = ["--data", str(table), "--target", "when", "--out", str(tmp_path / "out"), *small]
    results = script("convert").main([*own, "--from", "note", "--to", "picture", "--seeds", "0"])
    assert list(results["model"])[-1] == "model" and len(results) == 4
    assert results[["r2", "ssim", "coherence"]].notna().all().all()
    printed = capsys.readouterr().out
    assert "rows without picture, any source, or label left out" in printed
    assert "How well is picture made?" in printed
    with pytest.raises(ValueError, match="name modalities"):
        script("convert").main([*own, "--to", "sound"])


def test_translation_from_the_command_line(shared_table, tmp_path):
    frame, _ = shared_table
    frame = pd.DataFrame({"note": frame["note"].fillna("nothing"), "goal": frame["when"]})
    frame.to_csv(tmp_path / "own.csv", index=False)
    schema = mmkeras.Schema([mmkeras.Text("note")], mmkeras.Text("goal", judged_by="chrf"))
    schema.save(tmp_path / "own.json")
    results = script("translate").main(
        [
            *("--data", str(tmp_path / "own.csv"), "--schema", str(tmp_path / "own.json")),
            *("--targets", "goal", "--hide", "0.5", "--seeds", "1", "--workers", "0"),
            *("--out", str(tmp_path / "out"), "--epochs", "1"),
            *("--set", "decoder.dim=8", "decoder.num_layers=1"),
        ]
    )
    assert results[["model", "hidden", "seed"]].to_numpy().tolist() == [["fused", 0.5, 1]]
    assert "nearest neighbour by note" in (tmp_path / "out" / "summary.md").read_text()
