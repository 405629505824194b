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
# # Quickstart: two modalities, one Keras model
#
# A row of the data here is a **picture** of a character and its **Unicode name**; the class is the
# script that it belongs to. You will look at the data, check them for leakage, split them, train a
# model whose text looks at the image through attention, see where it is right and wrong and what it
# looks at, save it and load it. At the end, the same in one call that leaves a run folder for
# TensorBoard.
#
# If you know Keras, nothing here should surprise you: a table is a `pandas.DataFrame`, what feeds
# the model is a `tf.data.Dataset`, and the model is a plain `keras.Model`.
#
# Everything runs on two CPU cores in about a minute; nothing is downloaded.
#
# `mmkeras` comes first because it keeps TensorFlow's start-up messages away from you. The seed
# decides the weights, the dropout and the order of the rows, so that on one machine this notebook
# gives the same numbers every time.

# %%
import mmkeras  # noqa: I001  (before Keras, see above)

import dataclasses
import time
from pathlib import Path

import keras
import matplotlib
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from mmkeras.data.leakage.check import format_findings
from mmkeras.inspection.attention import image_attention
from mmkeras.reports.plots import plot_attention, plot_examples, plot_history
from mmkeras.tasks.pictures import plot_confusion
from mmkeras.experiment.train import train_run
from mmkeras.experiment.presets import preset
from mmkeras.experiment.run_folder import predictions_frame

# %matplotlib inline
matplotlib.rcParams["figure.dpi"] = 70

mmkeras.set_seed(0)

# %% [markdown]
# ## The data
#
# A data set is a table and a *schema*, which says which column is what. Below you see that `image`
# is an image, `name` a text, and `script` the class to predict. The other columns are not inputs;
# `codepoint` names the row.

# %%
table, schema = mmkeras.load_dataset("glyphs", size=32)
print(schema.to_json())
table.drop(columns="image").sample(5, random_state=1)

# %% [markdown]
# There are ten classes, and they are far from equally large: always answering LATIN would be right
# for a third of the rows. Any accuracy has to be read against that.

# %%
counts = table["script"].value_counts()
print(f"{len(table):,} rows; the largest class has {counts.iloc[0] / len(table):.1%} of them")
counts.to_frame("rows").T

# %% [markdown]
# A row of each class: the class stands above the picture, the text below it. Notice that the text
# does not name the script: that word was taken out, since it is the answer.

# %%
shown = table.groupby("script").sample(1, random_state=4)
plot_examples(
    np.stack(shown["image"]), list(shown["name"]), list(shown["script"]), [True] * len(shown), 5
)

# %% [markdown]
# ## A split, and whether it leaks
#
# `split_table` splits by class, so that each part has every class in its share. Before training,
# ask whether the split gives answers away. The schema above has a *group*, the drawing, and rows of
# one group always go to the same part. To see what that is for, first a split without it. You see an
# **error**: some pictures are in training and in test with the same class.

# %%
ungrouped = dataclasses.replace(schema, group=None)
splits = mmkeras.split_table(table, ungrouped, seed=0)
print(format_findings(mmkeras.check_leakage(splits, ungrouped)))

# %% [markdown]
# What are these rows? No copies, as you see below: different characters that the font draws exactly
# alike. A model that has learnt one of them by heart would get credit for the other.

# %%
alike = table[table.duplicated(["picture", "script"], keep=False)].sort_values("picture").head(6)
plot_examples(
    np.stack(alike["image"]), list(alike["name"]), list(alike["script"]), [True] * len(alike)
)

# %% [markdown]
# With the group the errors are gone. What is left are warnings, to be judged by you: "SMALL LETTER
# A" exists in several scripts, which is the nature of these data and no mistake.

# %%
splits = mmkeras.split_table(table, schema, seed=0)
print({name: len(part) for name, part in splits.items()})
findings = mmkeras.check_leakage(splits, schema)
print(format_findings(findings))

# %% [markdown]
# ## From rows to a model's inputs
#
# `fit_preprocessing` learns the vocabulary and the class names **from the training rows only**.
# Below you see what a batch of each modality will look like: a grey picture, and a bag of words
# (with pieces of words of up to four letters, so that a name never seen resembles others).

# %%
preprocessing = mmkeras.fit_preprocessing(
    splits.train,
    schema,
    {
        "image": mmkeras.ImageSettings(size=(32, 32), channels=1, shift=0.03),
        "name": mmkeras.TextSettings(vocabulary_size=1000, characters=4, min_count=2),
    },
)
for name, spec in preprocessing.inputs.items():
    print(f"{name}: {spec}")
print("classes:", ", ".join(preprocessing.task.classes))

# %% [markdown]
# A `Pipeline` feeds rows to the model as a `tf.data.Dataset` of `(inputs, targets)`. One batch shows
# what arrives: inputs by name, one-hot targets.

# %%
pipelines = {
    name: mmkeras.Pipeline(part, preprocessing, batch_size=32) for name, part in splits.items()
}
inputs, targets = next(iter(pipelines["train"].train(seed=0, epochs=1)))
print({name: tensor.shape for name, tensor in inputs.items()}, targets.shape)

# %% [markdown]
# ## The model
#
# Each encoder turns its modality into *tokens*: the convolutions give 64 of them, one for each place
# of an 8×8 map of the picture, and the text gives one. In the fusion, the text token (modality 1,
# hence `query=1`) attends to the 64 image tokens. The summary shows these shapes; the names of the
# layers are always the same, so that you can take a model apart later.

# %%
model = mmkeras.build_model(
    schema,
    preprocessing.inputs,
    num_outputs=preprocessing.num_outputs,
    encoders={"image": "cnn", "name": "bag_of_words"},
    encoder_options={
        "image": {"filters": (16, 32), "convs_per_block": 1, "batch_norm": True},
        "name": {"units": (128,), "dropout": 0.3},
    },
    fusion="attention",
    fusion_options={"query": 1, "num_heads": 4, "key_dim": 16},
)
model.summary(line_length=88)

# %% [markdown]
# It is a `keras.Model` like any other: compile and fit it as you always do. One line per epoch: training
# keeps improving after validation has stopped, which is why the best epoch's weights are kept.

# %%
EPOCHS = 10
model.compile(
    optimizer=keras.optimizers.Adam(2e-3), loss="categorical_crossentropy", metrics=["accuracy"]
)
history = model.fit(
    pipelines["train"].train(seed=0, epochs=EPOCHS),
    steps_per_epoch=pipelines["train"].steps,
    epochs=EPOCHS,
    validation_data=pipelines["validation"].evaluate(),
    callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True)],
    shuffle=False,  # the pipeline has shuffled
    verbose=2,
)

# %% [markdown]
# The same as curves; the dotted line is the epoch that was kept. It was chosen by the validation rows;
# the test rows have had no part in anything so far.

# %%
curves = pd.DataFrame(history.history).assign(epoch=[epoch + 1 for epoch in history.epoch])
best_epoch = int(curves["epoch"][curves["val_loss"].idxmin()])
plot_history(curves, best_epoch)

# %% [markdown]
# ## How good is it?
#
# The share of test rows that it gets right, with a 95 % interval: from a few hundred rows, the second
# digit of an accuracy is already uncertain. The interval says what other test rows might have given.
# It does not say what other seeds might have given; for that, train more than once.


# %%
def accuracy_with_interval(predictions: pd.DataFrame) -> str:
    right, rows = int((predictions["true"] == predictions["predicted"]).sum()), len(predictions)
    interval = binomtest(right, rows).proportion_ci(method="wilson")
    return (
        f"{right} of {rows} right: {right / rows:.1%} "
        f"(95 % interval {interval.low:.1%} to {interval.high:.1%})"
    )


test = pipelines["test"]
outputs = model.predict(test.evaluate(), verbose=0)
predictions = predictions_frame(preprocessing, test.frame, outputs)
print(accuracy_with_interval(predictions))
majority = (predictions["true"] == splits.train["script"].mode()[0]).mean()
print(f"always the largest class: {majority:.1%}")
predictions[["true", "predicted", "confidence"]].sample(5, random_state=0)

# %% [markdown]
# Which classes does it mix up? A number off the diagonal is a mistake. Expect LATIN, GREEK and
# CYRILLIC to be taken for each other: they share drawings and names.

# %%
classes = preprocessing.task.classes
confusion = pd.crosstab(predictions["true"], predictions["predicted"])
plot_confusion(confusion.reindex(index=classes, columns=classes, fill_value=0).to_numpy(), classes)

# %% [markdown]
# Rows to look at: the six mistakes that the model was surest of (red), and six rows that it got right
# (green). Would you have known the mistakes?

# %%
is_right = (predictions["true"] == predictions["predicted"]).to_numpy()
surest_first = np.argsort(-predictions["confidence"].to_numpy(), kind="stable")
wrong_rows = surest_first[~is_right[surest_first]][:6]
right_rows = np.random.default_rng(0).choice(np.flatnonzero(is_right), 6, replace=False)
rows = [*right_rows.tolist(), *wrong_rows.tolist()]

images = np.stack(test.frame["image"].iloc[rows])
names = test.frame["name"].iloc[rows].tolist()
verdicts = [
    f"{guess} {confidence:.0%}" + ("" if guess == true else f" (true: {true})")
    for true, guess, confidence in predictions[["true", "predicted", "confidence"]]
    .iloc[rows]
    .itertuples(index=False)
]
plot_examples(images, names, verdicts, is_right[rows].tolist())

# %% [markdown]
# ## What does it look at?
#
# For the same rows, how much attention the text pays to each part of the picture (the mean of the four
# heads): bright is much. Expect it to rest on strokes and their ends, and now and then on empty ground.
# Attention shows what the model mixed, not why it decided: read it as a hint, never as a proof.

# %%
(maps,) = image_attention(model, test, rows).values()
plot_attention(
    images, maps, [f"{verdict}\n{name}" for verdict, name in zip(verdicts, names, strict=True)]
)

# %% [markdown]
# ## Save and load
#
# The model goes into a `.keras` file and the preprocessing into a readable JSON file next to it.
# `safe_mode=True` refuses files that carry code. The loaded model gives the same numbers: the largest
# difference is 0.

# %%
folder = Path("runs") / "quickstart" / time.strftime("%Y%m%d-%H%M%S")
folder.mkdir(parents=True)
model.save(folder / "attention.keras")
preprocessing.save(folder / "attention.json")

loaded = keras.saving.load_model(folder / "attention.keras", safe_mode=True)
print("largest difference:", np.abs(loaded.predict(test.evaluate(), verbose=0) - outputs).max())

# %% [markdown]
# ## The same in one call
#
# `train_run` does all of this at once and keeps everything in one folder. Here with *late* fusion, in
# which each modality votes, and with the settings that this package keeps for these data, shortened to
# eight epochs. The figure below belongs to the same test rows as the one above. Do not read
# the difference as "late fusion against attention": widths, vocabulary and schedule differ too, and
# both are one seed of a short training.

# %%
settings = preset("glyphs")
settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, epochs=8))
run = train_run(splits, schema, folder / "late", settings, findings=findings)
print(settings.model.fusion, "fusion:", accuracy_with_interval(run.predictions))

# %% [markdown]
# What the folder holds. It is all that `mmkeras.Run(folder)` needs to predict on new rows, here or on
# another machine; `report.md` with its `pictures/` is for you.

# %%
for path in sorted(run.path.iterdir()):
    if "tfevents" not in path.name:  # TensorBoard's, named after time and machine
        print(path.name + ("/" if path.is_dir() else f"  {path.stat().st_size / 1024:,.0f} KB"))

# %% [markdown]
# Predicting on raw rows from the folder alone: a table with the input columns is enough. You see the
# class, how sure the model is, and (not shown) a column of probabilities for each class.

# %%
run = mmkeras.Run(run.path)
new_rows = table[table["character"].isin(list("ωЖאξ"))][["codepoint", "character", "image", "name"]]
run.predict(new_rows)[["codepoint", "predicted", "confidence"]].assign(
    character=new_rows["character"]
)

# %% [markdown]
# ## TensorBoard
#
# Curves, settings, graph, pictures, attention and the fused vectors in the projector wait in the run
# folder. In a terminal, in the folder of this notebook:
#
#     tensorboard --logdir runs
#
# or here in the notebook, in a cell of its own:
#
#     %load_ext tensorboard
#     %tensorboard --logdir runs
#
# Next: `02_your_own_data`, from a CSV file with all its flaws to predictions on new rows.
