import io
import json
import sys
from dataclasses import dataclass, field
from typing import Annotated

import pytest
import tyro

from mmkeras.cli import parse, read_config, run_script
from mmkeras.experiment.data_config import DataConfig, to_json
from mmkeras.experiment.presets import preset
from mmkeras.experiment.settings import Settings


@dataclass(frozen=True)
class Config:
    """A script.

    Args:
        data: Which rows.
        settings: How.
    """

    data: Annotated[DataConfig, tyro.conf.arg(name="")] = field(default_factory=DataConfig)
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Settings)


def parsed(*arguments):
    return parse(Config, list(arguments), "A script.").settings


def test_the_data_sets_preset_is_the_default_and_options_go_on_top():
    assert parsed("--dataset", "emoji") == preset("emoji")
    assert parsed("--data", "x.csv") == Settings()
    settings = parsed("--dataset", "emoji", "--epochs", "3", "--seed", "7")
    assert (settings.training.epochs, settings.seed) == (3, 7)
    assert settings.training.learning_rate == preset("emoji").training.learning_rate


def test_set_reaches_kinds_modalities_encoders_and_fusions_wherever_it_stands():
    words = ["image.size=48,48", "xray.encoder=patches", "xray.encoder.dim=32"]
    first = parsed("--set", *words, "fusion.num_heads=8", "--fusion", "attention")
    last = parsed("--fusion", "attention", "--set", *words, "--set", "fusion.num_heads=8")
    assert first == last
    assert first.image.size == (48, 48) and first.model.fusion_options == {"num_heads": 8}
    assert first.modalities["xray"] == {"encoder": "patches", "encoder_options": {"dim": 32}}


def test_another_fusion_takes_of_the_preset_what_it_has_use_for():
    settings = parsed("--dataset", "glyphs", "--fusion", "attention", "--pooling", "mean")
    assert settings.model.pooling == "mean" and settings.model.hidden == (128,)
    assert settings.model.fusion_dropout == preset("glyphs").model.fusion_dropout


@pytest.mark.parametrize(
    "arguments",
    [("--fusion", "self_attention", "--pooling", "mean"), ("--fusion", "late", "--hidden", "8")],
)
def test_an_option_without_effect_is_refused(arguments):
    with pytest.raises(ValueError, match=r"no option \['pooling'\]|`hidden`"):
        parsed(*arguments)


def test_a_runs_configuration_starts_another_run(tmp_path):
    before = parsed("--dataset", "emoji", "--set", "image.size=20,20")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"seed": 3, "settings": before.to_dict(), "rows": {}}))
    after = parsed("--config", str(path), "--epochs", "40")
    assert after.image.size == (20, 20) and after.training.epochs == 40
    assert after.encoders == before.encoders and after.seed == 3
    about = {"data": {**to_json(DataConfig(dataset="emoji"))}, "settings": before.to_dict()}
    path.write_text(json.dumps({"seed": 4, "experiment": {**about, "models": "fused"}}))
    again = parse(Config, ["--config", str(path)], "A script.")
    assert again.data.dataset == "emoji" and again.settings.image.size == (20, 20)
    other = parse(Config, ["--config", str(path), "--dataset", "glyphs"], "A script.")
    assert other.data.dataset == "glyphs" and other.settings.image.size == (20, 20)
    path.write_text(json.dumps({"modalities": {"xray": {"size": [96, 96]}}, "seed": 5}))
    assert parsed("--config", str(path)).modalities["xray"]["size"] == (96, 96)
    with pytest.raises(FileNotFoundError, match="none"):
        parsed("--config", str(tmp_path / "none.json"))
    path.write_text('{"epochs": 3}')
    with pytest.raises(ValueError, match=r"config\.json.*\['epochs'\]"):
        parsed("--config", str(path))


def test_help_shows_the_defaults_of_the_command_it_is_given(capsys):
    for arguments, epochs in ((("--dataset", "avmnist"), 15), (("--data", "x.csv"), 30)):
        with pytest.raises(SystemExit):
            parsed(*arguments, "--help")
        shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert f"Passes over the training rows, at most. (default: {epochs})" in shown
        assert "--help-all" in shown and "mel_bands" not in shown
    with pytest.raises(SystemExit):
        parsed("--dataset", "avmnist", "--help-all")
    shown = capsys.readouterr().out
    assert "audio.mel_bands=56" in shown and "image.size=28,28" in shown
    assert "patches: patch_size" in shown and "gmu: " in shown


def test_the_configuration_of_a_run_with_parts_of_ones_own_starts_no_other(tmp_path):
    path = tmp_path / "config.json"
    config = {"settings": {}, "own_model": {"given": ["model"]}}
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ValueError, match=r"parts of one's own \(model\)"):
        read_config(path)


def test_a_finished_script_does_not_fail_for_a_letter_that_the_terminal_lacks(monkeypatch):
    written = {"stdout": io.BytesIO(), "stderr": io.BytesIO()}
    for name, stream in written.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, encoding="cp1252", newline="\n"))

    def main():
        print("accuracy 0.9 ± 0.1, class ✓日")
        print("epoch → 1", file=sys.stderr)

    run_script(main)
    sys.stdout.flush()
    sys.stderr.flush()
    assert written["stdout"].getvalue().decode("cp1252") == (
        "accuracy 0.9 ± 0.1, class \\u2713\\u65e5\n"
    )
    assert written["stderr"].getvalue() == b"epoch \\u2192 1\n"
