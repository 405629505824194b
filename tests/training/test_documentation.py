"""docs/training.md does what it says, and says all settings."""

import dataclasses
import doctest
import re
from pathlib import Path

import pytest

from mmkeras.training.settings import TrainingSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
# Of several modalities, and told in the README; or what anyone knows.
ELSEWHERE = {
    *("epochs", "batch_size", "label_smoothing", "auxiliary", "translation"),
    *("balance", "balance_strength", "balance_epochs"),
}


@pytest.mark.slow
@pytest.mark.eager
def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    results = doctest.DocTestRunner().run(test)
    assert results.attempted > 15 and not results.failed


def test_the_page_says_all_settings():
    text = PAGE.read_text(encoding="utf-8")
    names = {field.name for field in dataclasses.fields(TrainingSettings)} - ELSEWHERE
    assert not [name for name in names if f"--{name.replace('_', '-')}" not in text]
