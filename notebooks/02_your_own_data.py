# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own data: a CSV, holes and all
#
# A shop's table: a **photo** of each product (a file), a **title**, a **price**, a **material**, and
# the category to predict. As real tables do, it has flaws: a missing file, a price that is not a number,
# a row without a category, a corrupt photo, a copy, and cells that are simply empty. You will see what
# the package says about each, mend what has to be mended, keep the holes, train with them, and predict
# on new rows that have holes too.
#
# The table is made here, so that the notebook needs nothing; replace it by your own.

# %%
import mmkeras  # noqa: I001  (first, so that TensorFlow starts quietly)

import dataclasses
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import PIL.Image
import PIL.ImageDraw

from mmkeras.data.leakage.check import format_findings
from mmkeras.data.tables.read import TableError
from mmkeras.experiment.settings import Encoder, ModelSettings
from mmkeras.reports.plots import plot_examples
from mmkeras.training.settings import TrainingSettings

# %matplotlib inline
matplotlib.rcParams["figure.dpi"] = 70

# %% [markdown]
# ## A table with flaws
#
# Lamps, chairs and rugs. No modality is enough alone: a third of the photos are too dark to tell, half
# of the titles are vague, and prices overlap.

# %%
rng = np.random.default_rng(0)
folder = Path("shop")
(folder / "photos").mkdir(parents=True, exist_ok=True)
WORDS = {"lamp": "light bulb shade", "chair": "seat legs back", "rug": "woven floor soft"}


def draw(kind: str, path: Path) -> None:
    dark = rng.random() < 0.33
    ground = tuple(int(v) for v in rng.integers(200, 256, 3) // (6 if dark else 1))
    ink = tuple(int(v) for v in rng.integers(0, 120, 3) // (6 if dark else 1))
    picture = PIL.Image.new("RGB", (48, 48), ground)
    pen, x, y = PIL.ImageDraw.Draw(picture), int(rng.integers(8, 16)), int(rng.integers(6, 12))
    if kind == "lamp":
        pen.polygon([(x + 4, y), (x + 18, y), (x + 24, y + 12), (x - 2, y + 12)], fill=ink)
        pen.line([(x + 11, y + 12), (x + 11, y + 30)], fill=ink, width=3)
    elif kind == "chair":
        pen.line([(x, y), (x, y + 30)], fill=ink, width=3)
        pen.line([(x, y + 16), (x + 18, y + 16)], fill=ink, width=3)
        pen.line([(x + 18, y + 16), (x + 18, y + 30)], fill=ink, width=3)
    else:
        pen.rectangle([x - 4, y + 14, x + 28, y + 28], outline=ink, width=3)
    picture.save(path)


rows = []
for number in range(240):
    kind = ["lamp", "chair", "rug"][number % 3]
    draw(kind, folder / "photos" / f"{number}.png")
    vague = rng.random() < 0.5
    word = "thing" if vague else rng.choice(WORDS[kind].split())
    rows.append(
        {
            "photo": f"photos/{number}.png",
            "title": f"{rng.choice(['nice', 'new', 'used'])} {word} no. {number}",
            "price": f"{rng.normal({'lamp': 40, 'chair': 70, 'rug': 110}[kind], 30):.2f}",
            "material": rng.choice(["wood", "metal", "wool"]),
            "seller": f"seller {rng.integers(40)}",
            "category": kind,
        }
    )
frame = pd.DataFrame(rows)
frame.loc[rng.choice(240, 20, replace=False), "title"] = ""
frame.loc[rng.choice(240, 20, replace=False), "photo"] = ""
frame.loc[rng.choice(240, 20, replace=False), "price"] = ""
frame.loc[5, "photo"] = "photos/lost.png"
frame.loc[11, "price"] = "cheap"
frame.loc[17, "category"] = ""
frame.loc[len(frame)] = frame.loc[30]
frame.to_csv(folder / "products.csv", index=False)
frame.head()

# %% [markdown]
# ## Which column is what
#
# `infer_schema` guesses from the values, and says of each column why. Read it: here it warns of the one
# price that is not a number, and it does not know that a seller's products belong together.

# %%
print(mmkeras.infer_schema(folder / "products.csv", target="category"))

# %% [markdown]
# So say it yourself; this is all there is to say. The seller is a *group*: no split will put one
# seller's products on two sides, so that the test is about sellers never seen.

# %%
schema = mmkeras.Schema(
    [
        mmkeras.Image("photo"),
        mmkeras.Text("title"),
        mmkeras.Tabular("facts", numeric=["price"], categorical=["material"]),
    ],
    mmkeras.Label("category"),
    group="seller",
)

# %% [markdown]
# ## Reading checks everything at once
#
# You see all problems together, each with its row and column. Empty cells of inputs are not among
# them: a row may lack a modality.

# %%
try:
    mmkeras.read_table(folder / "products.csv", schema)
except TableError as error:
    print(str(error).replace(str(Path.cwd()), "."))

# %% [markdown]
# Mend them (here: leave the three rows out), read again, and drop copies. Of the rows that lack
# something, none is lost.

# %%
mended = pd.read_csv(folder / "products.csv", dtype=str, keep_default_na=False)
mended = mended.drop(index=[5, 11, 17])
table = mmkeras.read_table(mended, schema, base_dir=folder)
table, cleaning = mmkeras.clean_table(table, schema)
print(cleaning)
print("empty cells:", table[["photo", "title", "price"]].isna().sum().to_dict())

# %% [markdown]
# ## Does anything give the answer away?
#
# Suppose that someone adds the shelf on which a product stands, and each category has its shelf. The
# check finds a column that predicts the target alone.

# %%
leaky = table.assign(shelf=table["category"].map({"lamp": "A", "chair": "B", "rug": "C"}))
leaky_schema = dataclasses.replace(
    schema,
    modalities=(*schema.modalities, mmkeras.Tabular("place", categorical=["shelf"])),
)
print(format_findings(mmkeras.check_leakage(leaky, leaky_schema)))

# %% [markdown]
# Without it there is no error. (A warning that titles repeat is the nature of short titles.)

# %%
splits = mmkeras.split_table(table, schema, validation=0.2, test=0.25, seed=0)
print({name: len(part) for name, part in splits.items()})
print(format_findings(mmkeras.check_leakage(splits, schema)))

# %% [markdown]
# ## A corrupt photo
#
# A file that is there but is not an image shows when it is decoded, before training starts. By default
# that is an error that names the row and the file.

# %%
broken = Path(table["photo"].dropna().iloc[3])
whole = broken.read_bytes()
broken.write_bytes(whole[:60])
preprocessing = mmkeras.fit_preprocessing(table, schema)
try:
    mmkeras.Pipeline(table, preprocessing)
except ValueError as error:
    print(str(error).replace(str(Path.cwd()), "."))

# %% [markdown]
# With `on_error="skip"` the row is left out, and the pipeline says so. Here the photo is repaired
# instead.

# %%
pipeline = mmkeras.Pipeline(table, preprocessing, on_error="skip")
print(len(table), "rows,", len(pipeline), "fed,", len(pipeline.skipped), "skipped")
_ = broken.write_bytes(whole)

# %% [markdown]
# ## Training with holes
#
# Rows lack modalities, so the model gets one more input, `present`; whatever is in an absent
# modality's place cannot change the output. `train_run` trains, picks the best epoch by validation,
# looks at the test rows once, and writes a folder.

# %%
settings = mmkeras.Settings(
    model=ModelSettings(fusion="late"),
    encoders={"image": Encoder("cnn", {"filters": (16, 32), "convs_per_block": 1})},
    training=TrainingSettings(
        epochs=25,
        learning_rate=3e-3,
        schedule="cosine",
        patience=0,
        auxiliary=0.5,
        monitor="val_accuracy",
    ),
    image=mmkeras.ImageSettings(size=(48, 48)),
)
runs = {}
for name in (*schema.names, "all"):
    own = schema if name == "all" else schema.select([name])
    # A model of one modality is trained, and tested, on the rows that have it.
    parts = dataclasses.replace(
        splits,
        **{
            part: rows if name == "all" else rows[rows[list(own.columns)].notna().any(axis=1)]
            for part, rows in splits.items()
        },
    )
    runs[name] = mmkeras.train_run(parts, own, folder / "runs" / name, settings)
pd.DataFrame(
    {
        name: {
            "test rows": run.config["rows"]["test"],
            "accuracy": run.metrics["test"]["accuracy"],
        }
        for name, run in runs.items()
    }
).T

# %% [markdown]
# Each modality alone answers only for the rows that have it; the fused model answers for all of them.
# With about 60 test rows these accuracies are uncertain by about ten points to either side: believe the
# order only where the gaps are larger than that.
#
# ## Predicting on new rows, with holes
#
# The run folder is all that is needed. The first row has only a photo, the second only a title, the
# third everything.

# %%
for number, kind in enumerate(["lamp", "chair", "rug"]):
    draw(kind, folder / "photos" / f"new{number}.png")
new = pd.DataFrame(
    {
        "photo": ["photos/new0.png", None, "photos/new2.png"],
        "title": [None, "used seat with a high back", "new woven thing"],
        "price": [None, None, 120.0],
        "material": [None, None, "wool"],
    }
)
predictions = mmkeras.Run(folder / "runs" / "all").predict(new, base_dir=folder)
predictions

# %% [markdown]
# The same from a shell: `python experiments/predict.py shop/runs/all new.csv`. Next to look at: the
# most confident right and wrong test rows.

# %%
shown = runs["all"].predictions.join(splits.test[["photo", "title"]])
shown = shown[shown["photo"].notna()].sort_values("confidence", ascending=False)
right = shown["true"] == shown["predicted"]
shown = pd.concat([shown[right][:6], shown[~right][:6]])
plot_examples(
    np.stack([np.asarray(PIL.Image.open(path)) for path in shown["photo"]]),
    shown["title"].fillna("(no title)").tolist(),
    [f"{p} {c:.0%} (true: {t})" for t, p, c in shown[["true", "predicted", "confidence"]].values],
    (shown["true"] == shown["predicted"]).tolist(),
)
