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
# # From one modality to another
#
# What a model answers with need not be a label. Here one **writes** the name of a character that it
# sees, and another **draws** the character that a name describes: $Y = T(X)$. With more than one
# source it is $Y = T(F(X))$, where $F$ is a fusion as in the other notebooks. The data are embedded:
# pictures of Latin, Greek and Cyrillic characters and their Unicode names, such as
# `SMALL LETTER O WITH ACUTE`. No test character is known from training, but its parts are.
#
# Text, pictures, sequences and boxes are targets like labels: they stand in the schema, a task judges
# them, a decoder gives them, and a run folder, a report and predictions come out. It takes about
# five minutes on two CPU cores.

# %%
import mmkeras  # noqa: I001  (first, so that TensorFlow starts quietly)

import dataclasses
import tempfile
from pathlib import Path

import matplotlib
import pandas as pd
from IPython.display import Image as Picture
from mmkeras import Encoder, Image, ImageSettings, ModelSettings, Schema, Settings, Tabular, Text
from mmkeras import TextSettings, TrainingSettings
from mmkeras.evaluation.bootstrap import bootstrap_interval
from mmkeras.experiment.imputation import Imputer
from mmkeras.progress import quiet

# %matplotlib inline
matplotlib.rcParams["figure.dpi"] = 70
FOLDER = Path(tempfile.mkdtemp())

table, classes = mmkeras.load_dataset("glyphs")
table = table[table["script"].isin(["LATIN", "GREEK", "CYRILLIC"])].reset_index(drop=True)
table = mmkeras.read_table(table, classes)
splits = mmkeras.split_table(table, classes, seed=0)  # equal pictures stay together
{name: len(part) for name, part in splits.items()}

# %% [markdown]
# ## A picture becomes words
#
# The target is a `Text`, judged by its word errors. Its pieces are the words of the training rows'
# names. A decoder writes them one after the other and looks at the picture's regions as it does.

# %%
training = TrainingSettings(
    epochs=40,
    learning_rate=3e-3,
    schedule="cosine",
    weight_decay=0.01,
    clip_norm=1.0,
    patience=0,
    monitor="val_token_accuracy",
)
cnn = Encoder("cnn", {"filters": (16, 32, 64), "convs_per_block": 1, "batch_norm": True})
reading = Settings(
    model=ModelSettings(
        decoder="text",
        decoder_options={"dim": 96, "num_layers": 2, "ff_dim": 192, "dropout": 0.2, "beams": 4},
    ),
    encoders={"image": cnn},
    training=training,
    image=ImageSettings(size=(32, 32), channels=1, shift=0.03),
    target={"pieces": "words"},
)
written = Schema([Image("image")], Text("name", judged_by="wer"), id="codepoint", group="picture")
with quiet():
    reader = mmkeras.train_run(splits, written, FOLDER / "read", reading)
figures = reader.metrics["test"]
print({key: round(figures[key], 3) for key in ("wer", "cer", "exact_match", "chrf", "bleu")})
reader.predictions[["true", "predicted", "word_errors"]].sample(10, random_state=0)

# %% [markdown]
# A third of the words is wrong, and yet more than a quarter of the names of characters that it has
# never seen is right to the last word: `OMEGA`, `WITH` and `OXIA` are known from others. Some errors
# are not its fault: a Greek rho and a Latin p may be one drawing.
#
# Where did it look? Below each word: how much of the attention went to the picture, and
# to which regions. It looks at the accents when it writes their names. (Attention shows what was
# mixed, not why: a hint, never a proof.)

# %%
Picture(reader.path / "pictures" / "written.png", width=800)

# %% [markdown]
# The errors, as the report shows them: the true name and below it what was written.

# %%
Picture(reader.path / "pictures" / "edits.png", width=600)

# %% [markdown]
# ## Words become a picture
#
# The other way round the target is an `Image`. The name does not say which script the character is
# of, so there are two sources to compare: the name alone, and name and script together.

# %%
drawing = Settings(
    model=ModelSettings(fusion="concat", decoder="image", decoder_options={"filters": 32}),
    encoders={"text": Encoder("bag_of_words", {"units": (256,), "dropout": 0.1})},
    training=dataclasses.replace(training, epochs=12, learning_rate=2e-3, monitor="val_loss"),
    text=TextSettings(vocabulary_size=3000, min_count=2),
    target={"size": (32, 32), "channels": 1},
)
sources = [Text("name"), Tabular("facts", categorical=["script"])]
drawers = {}
for name, modalities in {"name": sources[:1], "name and script": sources}.items():
    drawn = Schema(modalities, Image("image"), id="codepoint", group="picture")
    with quiet():
        drawers[name] = mmkeras.train_run(splits, drawn, FOLDER / f"draw {name}", drawing)
pd.DataFrame({name: run.metrics["test"] for name, run in drawers.items()}).T.round(3)

# %% [markdown]
# `recall@1` asks whether the true picture is, among those of all test rows, the one most like the
# drawing; guessing would find 1 in 235. R² is the share of the pixels' variance that is explained: a
# drawing that is in doubt between two shapes is a blur of both, since that is what the error rewards.

# %%
Picture(drawers["name and script"].path / "pictures" / "converted.png", width=800)

# %% [markdown]
# ## Does it help a task?
#
# A common use of a conversion: a modality is missing, and is made of another. Take a classifier that
# tells the script from picture and name, and take the pictures of the test rows away. It was trained
# with `modality_dropout`, so that it also answers without one. Is it better to leave the picture out
# and say so, or to have it drawn from the name?

# %%
classifier = Settings(
    model=ModelSettings(fusion="concat", modality_dropout=0.3),
    encoders={"image": cnn, "text": drawing.encoders["text"]},
    training=dataclasses.replace(training, epochs=12, monitor="main"),
    image=reading.image,
    text=drawing.text,
)
with quiet():
    judge = mmkeras.train_run(splits, classes, FOLDER / "classify", classifier)
without = splits.test.copy()
without["image"] = None
filled = Imputer(drawers["name"]).fill(without)

right = {}
for said, rows in {
    "picture and name": splits.test,
    "no picture": without,
    "picture drawn from the name": filled,
}.items():
    with quiet():
        predicted = judge.predict(rows)["predicted"].to_numpy()
    right[said] = predicted == splits.test["script"].to_numpy()
intervals = {said: bootstrap_interval(each) for said, each in right.items()}
pd.DataFrame(intervals, index=["accuracy", "low", "high"]).T.round(3)

# %% [markdown]
# A drawing made of the name holds nothing that the name does not. All that can be gained is what the
# classifier could not read from the name itself; where the drawing is wrong, something is lost. The
# paired difference says which it is here; an interval around 0 means that neither can be told.

# %%
drawn, none = (right[said].astype(float) for said in ("picture drawn from the name", "no picture"))
mean, low, high = (100 * value for value in bootstrap_interval(drawn - none))
print(f"{mean:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}")

# %% [markdown]
# ## From the command line
#
# The same for a table of your own, with simple models beside and every subset of the sources:
#
# ```bash
# python experiments/convert.py --data my.csv --schema my.json --from name --to image
# python experiments/convert.py --from zernike --to pixels --impute
# ```
#
# `experiments/speech.py`, `translate.py` and `ground.py` do the same for speech to text,
# translation with a picture beside, and boxes around what a phrase names.
