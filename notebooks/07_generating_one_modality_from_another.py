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
# # Generating one modality from another
#
# A conversion (notebook 05) makes one chosen modality of others. A **generative model** of several
# modalities learns what they have in common, a latent $z$, and makes any of them of any others, or
# all of them of nothing:
#
# $$p(x_1, \dots, x_M) = \int p(z) \prod_m p(x_m \mid z) \, dz, \qquad
# q(z \mid X_S) \text{ from any set } S \text{ of modalities.}$$
#
# How the modalities' own distributions $q(z \mid x_m)$ are joined is what tells the models apart: a
# product, a mixture, a mixture of products. The data are embedded: scikit-learn's handwritten digits,
# cut into an upper and a lower half, and the digit's name in words. It takes about two minutes on two
# CPU cores.

# %%
import mmkeras  # noqa: I001  (first, so that TensorFlow starts quietly)

import dataclasses
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from IPython.display import Image as Picture
from mmkeras import Encoder, GenerationSettings, GenerativeRun, Image, ImageSettings, Label
from mmkeras import Schema, Settings, Text, TextSettings, TrainingSettings
from mmkeras.progress import quiet
from mmkeras.studies.generation.drawing import plot_grid
from mmkeras.studies.generation.generation_config import MeasureSettings
from mmkeras.studies.generation.judges import train_judges
from mmkeras.studies.generation.run import train_and_measure
from sklearn.datasets import load_digits

# %matplotlib inline
matplotlib.rcParams["figure.dpi"] = 70
FOLDER = Path(tempfile.mkdtemp())

pictures, digits = load_digits(return_X_y=True)
pictures = (pictures.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
words = "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"
table = pd.DataFrame(
    {
        "top": list(pictures[:, :4]),
        "bottom": list(pictures[:, 4:]),
        "name": np.array(words)[digits],
        "digit": digits.astype(str),
    }
)
schema = Schema([Image("top"), Image("bottom"), Text("name")], Label("digit"))
table = mmkeras.read_table(table, schema)
splits = mmkeras.split_table(table, schema, seed=0)
{name: len(part) for name, part in splits.items()}

# %% [markdown]
# ## Train
#
# The digit, the schema's target, is no part of the model: it only judges. Each modality has an encoder
# by its kind, and a decoder; pictures and words differ in how they are distributed around what is
# decoded, which is a name in `densities`. `filters=0` asks for dense decoders, which suit pictures of
# 32 pixels.

# %%
settings = Settings(
    encoders={
        "image": Encoder("cnn", {"filters": (32,), "convs_per_block": 1}),
        "text": Encoder("bag_of_words", {"units": (32,)}),
    },
    image=ImageSettings(size=(4, 8), channels=1, background=0),
    text=TextSettings(representation="binary"),
    training=TrainingSettings(
        epochs=60, batch_size=64, learning_rate=3e-3, schedule="cosine", patience=0
    ),
)
generation = GenerationSettings(
    "mvtcae",
    latent_dim=16,
    densities={"image": "bernoulli", "text": "bag_of_words"},
    filters=0,
    units=(128,),
)
with quiet():
    run = mmkeras.train_generative(splits, schema, FOLDER / "mvtcae", settings, generation)
run.history[["epoch", "loss", "val_loss", "val_log_density", "val_divergence"]].tail(3)

# %% [markdown]
# ## Any of them from any others
#
# New rows need the given columns and nothing else. Below, the lower half and the name are made of the
# upper half alone. Where that leaves open which digit it is, so does the model: each draw of the latent
# is another guess.

# %%
made = run.predict(splits.test[["top"]].head(8), given=["top"])
made["name"].tolist(), splits.test["name"].head(8).tolist()


# %%
def pixels(cells):
    return np.stack([cell.reshape(4, 8, 1) for cell in cells]) / np.float32(255)


rows = splits.test.head(8)
of_name = run.predict(rows[["name"]], given=["name"])
top, bottom = pixels(rows["top"]), pixels(rows["bottom"])
hidden = np.full_like(bottom, 0.5)
lines = [
    ("true", np.concatenate([top, bottom], axis=1)),
    ("given", np.concatenate([top, hidden], axis=1)),
    ("lower half made of it", np.concatenate([top, pixels(made["bottom"])], axis=1)),
    ("made of the name", np.concatenate([pixels(of_name[c]) for c in ("top", "bottom")], axis=1)),
]
plot_grid(
    [(name, "top", pictures) for name, pictures in lines],
    run.preprocessing,
    titles=rows["name"].tolist(),
)

# %% [markdown]
# ## Is it right? Ask classifiers of real rows
#
# A **judge** of each modality, trained on true rows, says which digit a made one shows. How often that
# is the row's digit is the *coherence*; no model can pass the judges' own accuracy. Of samples from the
# prior nobody knows the digit, but their modalities should agree.


# %%
def measured(model):
    chosen = generation.select(model)
    with quiet():
        done = train_and_measure(
            ROWS, judges, settings, chosen, MeasureSettings(rows=300), FOLDER / model
        )
    return done


ROWS = mmkeras.experiment.rows.Rows(table, schema, splits, [])
judging = dataclasses.replace(
    settings, training=dataclasses.replace(settings.training, epochs=15, monitor="val_accuracy")
)
with quiet():
    judges = train_judges(ROWS, settings, judging, FOLDER / "judges")
runs = {model: measured(model) for model in ("mvtcae", "mopoe", "mmvae")}
figures = {}
for name, each in runs.items():
    test = each.metrics["test"]
    figures[name] = {
        "one given, %": 100 * test["coherence"]["1"],
        "two given, %": 100 * test["coherence"]["2"],
        "samples that agree, %": 100 * test["joint_coherence"]["prior"],
        "of a mixture, %": 100 * test["joint_coherence"]["mixture"],
        "log-likelihood": test["log_likelihood"]["all"],
    }
pd.DataFrame(figures).T.round(1)

# %% [markdown]
# A product of experts puts two modalities together, so that two given are better than one. A mixture of
# experts has to get along with each alone, so that a second one adds little. Which is better depends on
# what it is for; the numbers are of one seed and a few hundred test rows, and
# `experiments/compare_generation.py` repeats them over seeds.

# %%
Picture(filename=runs["mvtcae"].path / "pictures" / "given_name.png")

# %% [markdown]
# ## Rows that never were
#
# Latents of the prior may lie where no row ever was. A Gaussian mixture fitted to the latents of
# training rows draws where rows are; the run's folder keeps it.

# %%
Picture(filename=runs["mvtcae"].path / "pictures" / "samples_mixture.png")

# %%
Picture(filename=runs["mvtcae"].path / "pictures" / "interpolation.png")

# %% [markdown]
# ## Where to go from here
#
# The run's folder has the model, `report.md`, and files for TensorBoard: pictures, and the latent in the
# projector. `GenerativeRun(folder).predict(rows, given)` generates on another machine.
#
# ```
# python experiments/generate.py --dataset mnist_labels --model mopoe
# python experiments/compare_generation.py --dataset poly_mnist_small --seeds 0 1 2
# python experiments/convert.py --from zernike --to pixels --impute generative
# tensorboard --logdir runs
# ```

# %%
again = GenerativeRun(run.path).predict(splits.test[["name"]].head(2), ["name"], ["top"])
bool((np.stack(list(again["top"])) == np.stack(list(of_name["top"].head(2)))).all())
