"""docs/classical.md says what works: its code runs as it stands there."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs/classical.md"


# Few rows: some words are in no training row of a fold.
@pytest.mark.filterwarnings("ignore:The features do not take some cells")
def test_the_example_goes_from_a_csv_to_scores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = []
    for row in range(30):
        lamp = row % 2 == 0
        PIL.Image.new("RGB", (20, 20), (250, 220, 90) if lamp else (60, 60, 120)).save(f"{row}.png")
        title = f"{random.choice(['bright', 'warm'] if lamp else ['soft', 'large'])} item"
        price, category = float(random.normal(20, 5)), "lamp" if lamp else "sofa"
        rows.append({"photo": f"{row}.png", "title": title, "price": price, "category": category})
    pd.DataFrame(rows).to_csv("products.csv", index=False)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    namespace = {}
    exec(example, namespace)
    np.testing.assert_array_equal(namespace["scores"], 1)
    namespace["features"].fit(namespace["table"], namespace["table"]["category"])
    assert namespace["features"].get_feature_names_out()[-1] == "facts__price"
