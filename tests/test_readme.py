"""The README's Python runs as it stands there, on a table like the one that it speaks of."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)


@pytest.mark.slow
@pytest.mark.eager
def test_the_example_goes_from_a_csv_to_predictions(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    words = {True: ["bright", "warm"], False: ["soft", "large"]}
    rows = []
    for row in range(80):
        lamp = row % 2 == 0
        colour = (250, 220, 90) if lamp else (60, 60, 120)
        PIL.Image.new("RGB", (20, 20), colour).save(f"{row}.png")
        rows.append(
            {
                "photo": f"{row}.png",
                "title": f"{rng.choice(words[lamp])} item {row}",
                "price": float(rng.normal(20 if lamp else 300, 5)),
                "category": "lamp" if lamp else "sofa",
            }
        )
    pd.DataFrame(rows).to_csv("products.csv", index=False)
    example, by_hand, media = blocks()
    namespace = {}
    exec(example, namespace)
    predicted = namespace["fitted"].task.decode(namespace["outputs"])
    assert len(predicted) == len(namespace["splits"].test) == 12
    assert set(predicted) <= {"lamp", "sofa"}
    assert str(predicted[0]) in capsys.readouterr().out
    assert namespace["schema"].names == ("photo", "title", "table")
    exec(by_hand, namespace)
    assert namespace["schema"].names == ("photo", "title", "facts")
    exec(media, namespace)
    assert namespace["schema"].names == ("picture", "sound", "pose", "title")


def test_the_example_is_ten_lines_of_code():
    lines = [line for line in blocks()[0].splitlines() if line and not line.startswith("import")]
    assert len(lines) == 10


def test_every_file_that_the_readme_names_exists():
    text = README.read_text(encoding="utf-8")
    for path in re.findall(r"(?:mmkeras|experiments|docs|tests|notebooks)/[\w./-]*\w", text):
        assert (README.parent / path).exists(), path
