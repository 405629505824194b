import dataclasses
import json
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pandas as pd
import pytest
import tyro

from mmkeras.cli import parse
from mmkeras.data.kinds import KINDS
from mmkeras.data.tables.splits import split_table
from mmkeras.experiment.data_config import DataConfig
from mmkeras.experiment.defaults import CHOOSERS, default_settings
from mmkeras.experiment.defaults.training import choose_training
from mmkeras.experiment.settings import Settings
from mmkeras.experiment.train import train_run
from mmkeras.schema import Audio, Image, Label, Number, Schema, Sequence, StepLabels, Tabular, Text

RANDOM = np.random.default_rng(0)
RARE = [f"{word}ing {word}er" for word in ("walk", "sing", "read", "draw", "paint", "cook")] * 10
NOTES = [f"{text} {place}th" for place, text in enumerate(RARE)]
LONG = [" ".join(RANDOM.choice(["sun", "sea", "sand", "sky"], 40)) for _ in range(60)]
PIXELS = list(RANDOM.integers(0, 256, (60, 80, 40, 3), dtype=np.uint8))
GREY = [np.repeat(image[:10, :10, :1], 3, axis=2) for image in PIXELS]
STEPS = [RANDOM.normal(size=(length, 3)).astype("float32") for length in range(41, 101)]
SOUNDS = [RANDOM.integers(-9, 9, 16_000 * 2, dtype=np.int16)] * 60
ANSWER, LABEL = ["a", "b"] * 30, Label("answer")


@dataclass(frozen=True)
class Config:
    """A script.

    Args:
        data: Which rows.
        validation, test: Their shares.
        split_seed: Decides which rows are which.
        settings: How.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    validation: float = 0.15
    test: float = 0.15
    split_seed: int = 0
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def chosen(modality, cells, rows=60, target=LABEL, answer=ANSWER, words=()):
    frame = pd.DataFrame({modality.name: cells, "answer": answer})
    frame = pd.concat([frame] * (rows // 60), ignore_index=True)
    settings = default_settings(frame, Schema((modality,), target), words)
    return settings, settings.encoder_of(modality), settings.reasons[0]


def test_short_texts_of_rare_words_are_read_in_parts():
    settings, encoder, reason = chosen(Text("x"), NOTES)
    assert (settings.text.characters, encoder.name) == (4, "bag_of_words")
    assert (
        reason
        == "text 'x': short (3 words), many words are rare -> words, pairs, and parts of words"
    )
    rate = settings.training.learning_rate
    settings, _, reason = chosen(Text("x"), LONG)
    assert settings.text.characters == 0 and "words repeat" in reason
    assert rate < settings.training.learning_rate


def test_a_table_alone_has_its_classes_learnt_slowly():
    frame = pd.DataFrame({"size": range(60), "x": LONG, "answer": ANSWER, "price": range(60)})
    table = Tabular("table", ("size",))

    def rate_of(modalities, target):
        return default_settings(frame, Schema(modalities, target)).training.learning_rate

    alone, number, beside = (
        rate_of((table,), LABEL),
        rate_of((table,), Number("price")),
        rate_of((table, Text("x")), LABEL),
    )
    assert alone < number == beside


def test_images_by_their_size_colour_and_number():
    settings, encoder, reason = chosen(Image("x"), PIXELS)
    assert (settings.image.size, settings.image.channels) == ((48, 24), 3)
    assert encoder.name == "gradients" and "40 × 80 pixels, 60 rows -> 24 × 48" in reason
    settings, encoder, reason = chosen(Image("x"), GREY)
    assert (settings.image.size, settings.image.channels) == ((10, 10), 1)
    assert encoder.options["filters"] == (16,) and "grey" in reason
    settings, encoder, _ = chosen(Image("x"), PIXELS, rows=3000)
    assert settings.image.size == (64, 32) and encoder.options["filters"] == (16, 32, 64, 128)


def test_sounds_are_heard_whole():
    settings, _, reason = chosen(Audio("x"), SOUNDS)
    assert settings.audio.seconds == pytest.approx(2.0, abs=0.02)
    assert settings.audio.hop == 0.016 and "up to 2 s" in reason
    assert settings.model.pooling == "mean_max"


def test_sequences_are_read_by_random_convolutions_and_steps_by_others():
    settings, encoder, reason = chosen(Sequence("x"), STEPS)
    assert (settings.sequence.max_length, encoder.name) == (128, "random_convolutions")
    assert reason.startswith("sequence 'x': 70 steps of 3 numbers -> z-scores")
    steps = [["a", "b"] * (len(values) // 2) + ["a"] * (len(values) % 2) for values in STEPS]
    _, encoder, _ = chosen(Sequence("x"), STEPS, target=StepLabels("answer"), answer=steps)
    assert encoder.name == "tcn"
    _, encoder, _ = chosen(Sequence("x"), [values[:1] for values in STEPS])
    assert encoder.name == "mlp"


def test_tables_by_their_rows():
    table = Tabular("x", ("x",))
    settings, encoder, _ = chosen(table, np.arange(60.0))
    assert (settings.tabular.scaling, encoder.name) == ("auto", "mlp")
    settings, encoder, _ = chosen(table, np.arange(60.0), rows=1200)
    assert (settings.tabular.scaling, encoder.name) == ("quantile", "piecewise")


def test_training_by_rows_and_logarithms_by_the_answer():
    settings, *_ = chosen(Text("x"), RARE)
    assert (settings.training.batch_size, settings.training.epochs) == (16, 120)
    settings, *_ = chosen(Text("x"), RARE, rows=12_000)
    assert (settings.training.batch_size, settings.training.epochs) == (64, 10)
    prices = np.exp(RANDOM.normal(0, 3, 60))
    settings, *_ = chosen(Text("x"), RARE, target=Number("answer"), answer=prices)
    assert settings.target == {"scaling": "log"} and "-> logarithms" in settings.reasons[1]
    settings, *_ = chosen(Text("x"), RARE, target=Number("answer"), answer=prices - 1)
    assert settings.target == {}


def test_numbers_are_trained_longer_and_from_all_modalities_at_once():
    one, two = Schema((Text("x"),), Number("n")), Schema((Text("x"), Text("y")), Number("n"))
    classes = dataclasses.replace(two, target=Label("n"))
    assert choose_training(12_000, one)[0].epochs == choose_training(12_000, two)[0].epochs == 20
    assert choose_training(12_000, classes)[0].epochs == 10
    assert choose_training(900, two)[0].epochs == choose_training(900, classes)[0].epochs == 52
    told = [choose_training(10, schema)[0].auxiliary for schema in (one, two, classes)]
    assert told == [0, 0, 1]


def test_few_rows_of_several_modalities_are_learnt_again_with_those_of_validation():
    one, two = (Schema((Text("x"), Text("y"))[:count], Label("n")) for count in (1, 2))
    found = [
        choose_training(rows, schema, once=once)
        for rows, schema, once in (
            (2999, two, False), (3000, two, False), (2999, one, False), (2999, two, True),
        )
    ]  # fmt: skip
    assert [settings.refit for settings, _ in found] == [True, False, False, False]
    assert ["with the validation rows" in reason for _, reason in found] == [True] + 3 * [False]


def test_texts_that_say_nothing_of_a_number_are_mostly_dropped():
    random = np.random.default_rng(1)
    words = np.array(["sun", "sea", "sand", "sky", "snow"])
    drawn = random.integers(0, 5, (200, 3))
    rows = pd.DataFrame({"title": [" ".join(each) for each in words[drawn]], "year": range(200)})
    rows["size"] = drawn.sum(axis=1) ** 4 + 1.0  # ranks, not values, are explained
    rows["luck"] = random.permutation(rows["size"])
    two = (Text("title"), Tabular("facts", ("year",)))

    def dropped(target, modalities=two, frame=rows):
        settings = default_settings(frame, Schema(modalities, Number(target)))
        text = settings.encoders["text"].options["input_dropout"]
        for said in ("tells next to nothing of 'luck'", "most of them dropped in training"):
            assert (said in settings.reasons[0]) == (text == 0.8)
        return text

    assert (dropped("size"), dropped("luck")) == (0.0, 0.8)
    # Alone there is nothing that it could keep from being learnt; of few rows it is not known.
    assert dropped("luck", two[:1]) == dropped("luck", frame=rows[:40]) == 0.0
    unlike = rows.assign(title=[f"no{number}" for number in range(200)])
    assert dropped("luck", frame=unlike) == 0.8


def test_words_take_the_place_of_choices(small_table):
    frame, schema = small_table
    settings = default_settings(frame, schema, ["text.characters=0", "image.encoder=cnn"])
    assert (settings.text.characters, settings.encoders["image"].name) == (0, "cnn")
    two = Schema((Text("note"), Text("place")), "when")
    settings = default_settings(frame, two, ["text.characters=3", "note.ngrams=1"])
    assert [settings.of(each).characters for each in two.modalities] == [3, 3]
    assert settings.of(two["note"]).ngrams == 1
    settings = default_settings(frame, two, ["text.encoder=lstm"])
    assert {settings.encoder_of(each).name for each in two.modalities} == {"lstm"}


def test_every_choice_is_of_a_kind():
    assert set(CHOOSERS) <= set(KINDS)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "notes.csv"
    answer = RANDOM.choice(["a", "b"], 60)
    table = pd.DataFrame({"note": NOTES, "size": RANDOM.normal(size=60), "answer": answer})
    table.to_csv(path, index=False)
    return path


def test_the_command_line_chooses_for_a_file_of_ones_own_and_goes_on_top(file, capsys):
    own = ["--data", str(file), "--target", "answer"]
    config = parse(Config, [*own, "--epochs", "3"], "", by_rows=True)
    said = capsys.readouterr().out
    assert config.settings.training.epochs == 3
    assert config.settings.training.batch_size == 16
    assert all(reason in said for reason in config.settings.reasons)
    assert Settings.from_dict(json.loads(json.dumps(config.settings.to_dict()))) == config.settings
    words = ["--set", "text.encoder.units=32", "tabular.scaling=robust"]
    config = parse(Config, [*own, *words], "", by_rows=True)
    assert config.settings.encoders["text"].options["units"] == (32,)
    assert config.settings.tabular.scaling == "robust"
    plain = parse(Config, own, "")
    assert plain.settings == Settings()


def test_what_needs_validation_rows_all_along_is_trained_once(file, capsys):
    own = ["--data", str(file), "--target", "answer"]
    assert parse(Config, own, "", by_rows=True).settings.training.refit
    assert "with the validation rows" in capsys.readouterr().out
    for words, once in (
        (["--schedule", "plateau"], False),
        (["--balance", "distillation"], False),
        (["--no-refit"], False),
        ([], True),
    ):
        config = parse(Config, [*own, *words], "", by_rows=True, once=once)
        assert not config.settings.training.refit
    assert parse(Config, [*own, "--refit"], "", by_rows=True, once=True).settings.training.refit
    with pytest.raises(ValueError, match="needs some"):
        parse(Config, [*own, "--refit", "--schedule", "plateau"], "", by_rows=True)


def test_a_run_without_settings_chooses_them(file, tmp_path, monkeypatch):
    monkeypatch.setattr("mmkeras.experiment.defaults.training._MOST_EPOCHS", 1)
    table, schema, _ = DataConfig(data=file, target="answer").load()
    run = train_run(split_table(table, schema, seed=0), schema, tmp_path / "run")
    reasons = run.config["settings"]["reasons"]
    assert len(reasons) == 3 and reasons[0].startswith("text 'note'")
