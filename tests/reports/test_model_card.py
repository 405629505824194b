"""The model card of a run folder: what it says, that names stay names, that edits stay."""

import json

import pandas as pd
import pytest

from mmkeras.data.preprocessing import fit_preprocessing
from mmkeras.reports.model_card import CARD, write_model_card
from mmkeras.schema import Label, Schema, Tabular

HOSTILE_CLASS = "<img src=x onerror=alert(1)>|`x`"


@pytest.fixture(scope="module")
def run():
    frame = pd.DataFrame({"x": [1.0, 2, 3, 4], "kind": ["a", HOSTILE_CLASS] * 2})
    preprocessing = fit_preprocessing(frame, Schema([Tabular("facts", ["x"])], Label("kind")))
    config = {
        "rows": {"train": 4, "validation": 0, "test": 2},
        "seed": 0,
        "created": "2026-01-02T03:04:05",
        "settings": {"model": {"fusion": "concat"}},
        "environment": {"mmkeras": "0.1.0", "backend": "jax", "git_commit": None},
    }
    metrics = {
        "parameters": 1234,
        "test": {"accuracy": 0.75, "macro_f1": 0.5},
        "constant": {"answer": "always 'a'", "test": {"accuracy": 0.5}},
        "remarks": [f"1 of 2 classes are never predicted: {HOSTILE_CLASS!r}."],
        "unprepared": ["test: column 'x': 1 of 2 cells are far outside"],
    }
    return preprocessing, config, metrics


def test_it_says_what_the_model_is_and_how_good(run, tmp_path):
    write_model_card(tmp_path, *run)
    text = (tmp_path / CARD).read_text()
    for words in ("kind from facts", "75.0 %", "1,234 parameters", "always 'a'", "far outside"):
        assert words in text
    assert "audit says" not in text
    assert "<img" not in text


def test_an_audit_is_quoted_and_an_edited_card_is_left_alone(run, tmp_path):
    write_model_card(tmp_path, *run)
    (tmp_path / "audit").mkdir()
    audit = {"subtitle": "one, 2 rows", "verdict": ["The sound adds <b>nothing</b>."]}
    (tmp_path / "audit" / "audit.json").write_text(json.dumps(audit))
    write_model_card(tmp_path, *run)
    text = (tmp_path / CARD).read_text()
    assert "What its audit says" in text and "&lt;b>nothing" in text
    edited = text.replace("Nobody has said yet", "For greenhouses only")
    (tmp_path / CARD).write_text(edited)
    write_model_card(tmp_path, *run)
    assert (tmp_path / CARD).read_text() == edited
    (tmp_path / CARD).write_text("My own words")
    write_model_card(tmp_path, *run)
    assert (tmp_path / CARD).read_text() == "My own words"


def test_a_damaged_audit_does_not_harm_it(run, tmp_path):
    (tmp_path / "audit").mkdir()
    for contents in ("{", "[]", '{"verdict": 3}'):
        (tmp_path / "audit" / "audit.json").write_text(contents)
        write_model_card(tmp_path, *run)
        assert "audit says" not in (tmp_path / CARD).read_text()
