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
# # Do my modalities help each other, and how sure can I be?
#
# A fused model has a higher accuracy than its parts. Is that because the modalities say different
# things, because the model is larger, or by chance? Which of them does it lean on, what happens when one
# is missing, and can its probabilities be believed? This notebook asks these questions in the order in
# which a paper's analysis section would, of `glyphs`: the picture and the name of a character of a font,
# from which to tell its script. At the end stands a verdict that follows from the numbers.
#
# It takes about five minutes on two CPU cores and needs no download.

# %%
import mmkeras  # noqa: I001  (first, so that TensorFlow starts quietly)

import dataclasses
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from mmkeras.audit import AuditSettings, audit
from mmkeras.data.datasets.synthetic_truth import truth
from mmkeras.data.tables.splits import split_officially
from mmkeras.evaluation.comparison import compare_models, differences_in_words
from mmkeras.experiment.presets import preset
from mmkeras.progress import quiet
from mmkeras.studies.trainings import train_subsets
from mmkeras.tasks import FIGURES

# %matplotlib inline
matplotlib.rcParams["figure.dpi"] = 70
FOLDER = Path(tempfile.mkdtemp())

# %% [markdown]
# ## First, the instrument
#
# Before an instrument is believed, it is pointed at something known. `synthetic` has two modalities made
# with chosen amounts of information about the label: here 0.2 bits that either says, 0.4 that only the
# first says, 0.1 that only the second says, and 0.3 that only both together say (an XOR). Below you see
# what the audit finds next to what was put in.

# %%
amounts = {"redundant": 0.2, "unique": (0.4, 0.1), "synergy": 0.3}
table, schema = mmkeras.load_dataset("synthetic", **amounts)
splits = split_officially(mmkeras.read_table(table, schema), schema, "split", seed=0)
known = truth(**amounts)
quick = AuditSettings(noise=False, explain=0)
with quiet():
    runs = train_subsets(splits, schema, preset("synthetic"), FOLDER / "synthetic")
    report = audit(runs["m1+m2"], splits=splits, settings=quick)
found = report.section("contribution").values

pd.DataFrame(
    {
        "accuracy, m1 alone": [known.accuracy(["m1"]), found["trained"]["m1"]],
        "m2 alone": [known.accuracy(["m2"]), found["trained"]["m2"]],
        "both": [known.ceiling, found["trained"]["m1 + m2"]],
        "Shapley share of m1": [
            known.shares["m1"],
            found["modalities"]["m1"]["share (the data)"],
        ],
    },
    index=["put in", "found"],
).round(3)

# %% [markdown]
# And the bits: grey is said by either, blue and orange by one alone, green by both together only.

# %%
bits = found["information"]["pairs"]["m1 + m2"]
print({part: round(bits[part], 2) for part in ("redundant", "first", "second", "synergy")})
report.show("contribution", "information")

# %% [markdown]
# The instrument finds what is there, to within a few points. Now to data whose truth nobody knows.
#
# ## The data and the models
#
# Each character is a drawing and a name such as "LATIN SMALL LETTER O WITH ACUTE", in
# which words that name the script are left out. We train each modality alone and both fused, with three
# seeds, on the same rows.

# %%
table, schema = mmkeras.load_dataset("glyphs")
table = mmkeras.read_table(table, schema)
splits = mmkeras.split_table(table, schema, seed=0)
print({name: len(part) for name, part in splits.items()}, schema.names, schema.target.column)
table.drop(columns="image").sample(4, random_state=1)

# %%
settings = preset("glyphs")
settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, epochs=12))
with quiet():
    seeds = [
        train_subsets(
            splits, schema, dataclasses.replace(settings, seed=seed), FOLDER / f"seed{seed}"
        )
        for seed in range(3)
    ]
scores = {
    name: np.stack(
        [
            (runs[name].predictions["true"] == runs[name].predictions["predicted"]).to_numpy()
            for runs in seeds
        ]
    )
    for name in seeds[0]
}
fused = "+".join(schema.names)
comparison = compare_models(
    scores, {f"{name} alone": name for name in schema.names}, judged=[fused]
)
comparison.table.round(3)

# %% [markdown]
# ## Is the gain more than chance?
#
# The table's intervals come from drawing test rows and seeds again. Two models are better compared row by
# row, since both find the same rows hard. Look at the interval of each difference: chance is ruled out
# where it leaves out 0. With two baselines there are two tests, so the p-values are corrected (Holm).

# %%
over_seeds = differences_in_words(comparison, FIGURES["accuracy"])
print(*over_seeds, sep="\n")
pd.concat(comparison.differences, names=["against"]).round(4)

# %% [markdown]
# ## Which modality contributes?
#
# From here on we look at one model, that of the first seed, with one call. It finds the models of the
# single modalities next to the run. In a script: `python experiments/audit.py RUN`, which writes all of
# this as one page.
#
# *Alone* is what a model trained on the modality reaches. The *Shapley value* divides what both add to
# always giving one answer; *of the data* by models trained on each subset, *of this model* by hiding
# modalities from it. *Lost when swapped* says how much this model leans on each.

# %%
with quiet():
    report = audit(seeds[0][fused], splits=splits, settings=AuditSettings(explain=4))
report.show("contribution", "contribution", "who_is_right", "information")

# %% [markdown]
# ## What if one is missing, or gets worse?
#
# The first picture hides a growing share of a modality's cells, the second makes inputs worse by degrees.
# A line that stays high is something that the model does not need.

# %%
report.show("missing", "missing")
report.show("noise", "noise")

# %% [markdown]
# ## Can its probabilities be believed?
#
# On the dotted line, answers given with 80 % confidence are right in 80 % of the cases. The temperature
# was fitted on validation rows and changes no answer.

# %%
report.show("calibration", "calibration", "reliability")

# %% [markdown]
# ## Verdict
#
# Written by the numbers above, not by hand. The first sentence about the modalities says whether they
# help each other *in this model*; whether the gain outlives another training is what the three seeds
# said further up.

# %%
print("Over three seeds:", *over_seeds, sep="\n  ")
print("This model:", *report.verdict, sep="\n  ")
