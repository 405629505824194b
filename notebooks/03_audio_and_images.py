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
# # Sounds and pictures: two weak modalities, and what if one is missing
#
# A row of AV-MNIST is a **blurred picture** of a digit and the **same digit spoken** in a noisy room.
# You will look at rows and listen to them, see how a sound becomes an input, train a model on each
# modality alone and on both, ask whether the gain is more than chance, take a modality away from
# trained models, and at the end read sound files of your own.
#
# It takes a few minutes on two CPU cores. The data are made from MNIST's 10,000 test
# images and the Free Spoken Digit Dataset: found in the folder that `MMKERAS_DATA` names, or downloaded
# once (about 25 MB).

# %%
import mmkeras  # noqa: I001  (first, so that TensorFlow starts quietly)

import dataclasses
import tempfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.signal
import soundfile
from IPython.display import Audio, display

from mmkeras.data.media.sounds.augment_sound import add_noise, mask_spectrograms
from mmkeras.data.media.sounds.sound import decode_sound
from mmkeras.data.media.sounds.spectrogram import mel_filters, sound_features
from mmkeras.data.tables.splits import Splits, split_officially
from mmkeras.evaluation.significance import mcnemar, paired_bootstrap
from mmkeras.experiment.train import make_model
from mmkeras.experiment.presets import preset
from mmkeras.experiment.run_folder import predictions_frame
from mmkeras.training.fit import fit

# %matplotlib inline
matplotlib.rcParams["figure.dpi"] = 70
matplotlib.rcParams["figure.constrained_layout.use"] = True
matplotlib.rcParams["image.interpolation"] = "nearest"
COLOURS = matplotlib.colormaps["magma"].resampled(16)  # few colours, small files

# %% [markdown]
# ## The data
#
# Below you see that `image` is an image, `audio` a sound, and `digit` the class to predict. A cell of
# `audio` is an array of 8,000 samples, one second; it could as well be the path of a file. The other
# columns say where a row comes from, and `split` what it is for.

# %%
table, schema = mmkeras.load_dataset("avmnist")
print(*schema.modalities, schema.target, sep="\n")
print("image:", table["image"][0].shape, table["image"][0].dtype)
print("audio:", table["audio"][0].shape, table["audio"][0].dtype)
table.drop(columns=["image", "audio"]).groupby("split").head(2)

# %% [markdown]
# A row of each class. Above, the picture: few details are left. Below, the sound as a spectrogram,
# time from left to right and pitch from bottom to top, bright where it is loud. Somewhere in it is
# the digit, and everywhere are six other voices, as loud together as the digit itself.

# %%
settings = preset("avmnist")
shown = table[table["split"] == "train"].groupby("digit").sample(1, random_state=3)
waves = np.stack(shown["audio"]).astype(np.float32) / 32768
mels = sound_features(waves, settings.audio).numpy()
figure, axes = plt.subplots(2, 10, figsize=(10, 2.4))
for place, (digit, image) in enumerate(zip(shown["digit"], shown["image"], strict=True)):
    axes[0, place].imshow(image, cmap="gray", vmin=0, vmax=255)
    axes[0, place].set_title(digit)
    axes[1, place].imshow(mels[place].T, origin="lower", cmap=COLOURS, vmin=mels[place].max() - 40)
for panel in axes.flat:
    panel.set(xticks=[], yticks=[])

# %% [markdown]
# A 1 can be told from the picture. A blurred 4, 7 and 9 are much alike, and so are a blurred 3, 5 and 8.
# In the spectrograms the eye finds next to nothing; the ear does better. The first player below has a
# recording of a seven as it was made, the second a row of the table in which the very same recording is
# spoken in babble.

# %%
recordings, _ = mmkeras.load_dataset("fsdd")
row = table[table["digit"] == "7"].iloc[0]
path = Path(recordings.set_index("recording").loc[row["recording"], "audio"])
clean = decode_sound(path.read_bytes(), settings.audio)
print(row["recording"])
display(Audio(clean, rate=settings.audio.rate), Audio(row["audio"], rate=settings.audio.rate))

# %% [markdown]
# ## From a sound to an input
#
# `AudioSettings(features=...)` says what of a sound reaches the model. Here is the clean recording in
# all four ways, with the window and the hop of the data set's preset: a Fourier transform of 64 ms
# every 18 ms. Look at the shape in each title:
#
# - **waveform**: the samples themselves, 8,000 of them.
# - **spectrogram**: 56 frames over time, 513 frequencies each, up to half the sampling rate, in decibels.
# - **log-mel**: the same 56 frames in 56 bands. The bands are narrow where the ear is keen and wide above.
# - **MFCC**: the cosine transform of each frame's log-mel energies, 20 numbers. They have no hertz any
#   more: coefficient 0 is the loudness (left out of the picture, as it outshines the others), low ones
#   are the rough shape of the spectrum, high ones its detail.

# %%
wave = clean.astype(np.float32)[np.newaxis] / 32768
audio = settings.audio
centres = mel_filters(audio).argmax(axis=0) * audio.rate / audio.fft_points
figure, axes = plt.subplots(1, 4, figsize=(13, 2.9))
for panel, name in zip(axes, ["waveform", "spectrogram", "log_mel", "mfcc"], strict=True):
    features = sound_features(wave, dataclasses.replace(audio, features=name))[0].numpy()
    panel.set(title=f"{name} {features.shape}", xlabel="time (s)")
    if name == "waveform":
        panel.plot(np.arange(len(features)) / audio.rate, features, linewidth=0.5)
        panel.set(ylabel="amplitude (1 is full scale)")
        continue
    if name == "mfcc":
        features, first, top, label = features[:, 1:], 0.5, features.shape[1] - 0.5, "coefficient"
        panel.set_yticks([1, 5, 10, 15, 19])
    elif name == "log_mel":
        first, top, label = -0.5, audio.mel_bands - 0.5, "centre of the band (Hz)"
        bands = np.arange(0, audio.mel_bands, 11)
        panel.set_yticks(bands, [f"{centres[band]:.0f}" for band in bands])
    else:
        first, top, label = 0, audio.rate / 2, "frequency (Hz)"
    extent = (0, audio.seconds, first, top)
    drawn = panel.imshow(features.T, origin="lower", aspect="auto", cmap=COLOURS, extent=extent)
    figure.colorbar(drawn, ax=panel, label="" if name == "mfcc" else "dB")
    panel.set_ylabel(label)

# %% [markdown]
# What follows the word is digital silence, since a recording shorter than `seconds` is filled up. The
# log-mel keeps what the spectrogram shows in a ninth of the numbers; the steps of its hertz axis
# grow towards the top. It is the default, and what the models below get.
#
# Two augmentations, applied again to each training row in each epoch if the settings ask for them
# (`noise_snr=10`, `time_masks=1`, `band_masks=1`). The middle picture has white noise 10 dB below the
# sound's own level: it fills the silence. The right one has SpecAugment: one stretch of time and one run
# of bands are hidden, the cross in the middle of the word. They are set to 0, the mean.

# %%
noisy = add_noise(wave, (0, 2), snr_db_low=10.0, spread_db=0.0)
plain, with_noise = (sound_features(sound, audio)[0].numpy() for sound in (wave, noisy))
scaled = (plain - plain.mean()) / plain.std()
masked = mask_spectrograms(scaled[np.newaxis], (0, 28), time_masks=1, band_masks=1)[0].numpy()
pictures = {
    "log_mel": scaled,
    "with noise": (with_noise - plain.mean()) / plain.std(),
    "with SpecAugment": masked,
}
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2))
for panel, (name, features) in zip(axes, pictures.items(), strict=True):
    drawn = panel.imshow(
        features.T,
        origin="lower",
        aspect="auto",
        cmap=COLOURS,
        extent=(0, audio.seconds, -0.5, audio.mel_bands - 0.5),
        vmin=scaled.min(),
        vmax=scaled.max(),
    )
    panel.set(title=name, xlabel="time (s)", ylabel="mel band")
    figure.colorbar(drawn, ax=panel, label="standard deviations")

# %% [markdown]
# So the quiet ends of a word drown in noise, while its loud parts stay where they were; and a model that
# relied on one moment or one pitch alone has to learn others. (The pipeline scales each band by the
# training rows; here, one sound by itself.)
#
# ## Each modality alone, and both
#
# The data set's own split; to be quick, 2,000 of the 7,000 training rows and half of the 2,000 test rows.
# The settings are those that this package keeps for the data set, with 10 epochs in place of 15. They say
# *late* fusion: each modality votes, and besides the loss of the common vote (`auxiliary`) there is one of
# each modality's own.
#
# `train` below is a short `train_run` that leaves no folder. `presence=True` gives the model a third
# input, which modalities a row has; it will be needed when some are taken away.

# %%
splits = split_officially(table, schema)
splits = Splits(
    splits.train.sample(2000, random_state=0),
    splits.validation,
    splits.test.sample(1000, random_state=0),
)
settings = dataclasses.replace(
    settings, training=dataclasses.replace(settings.training, epochs=10), seed=0
)


def train(name, schema, settings):
    """Trains on `splits`; returns the model of the best validation epoch, and its preprocessing."""
    mmkeras.set_seed(settings.seed)
    preprocessing = mmkeras.fit_preprocessing(
        splits.train,
        schema,
        settings.preprocessing(schema),
        presence=len(schema.modalities) > 1,
    )
    size = settings.training.batch_size
    pipelines = (
        mmkeras.Pipeline(rows, preprocessing, batch_size=size)
        for rows in (splits.train, splits.validation)
    )
    model = make_model(preprocessing, settings)
    fit(model, *pipelines, settings.training, seed=settings.seed, label=name)
    return model, preprocessing


def right(trained, rows):
    """Which of the rows a model gets right."""
    model, preprocessing = trained
    pipeline = mmkeras.Pipeline(rows, preprocessing, batch_size=250)
    outputs = model.predict(pipeline.evaluate(), verbose=0)
    predictions = predictions_frame(preprocessing, pipeline.frame, outputs)
    return (predictions["true"] == predictions["predicted"]).to_numpy()


trained = {name: train(name, schema.select([name]), settings) for name in schema.names}
trained["fused"] = train("fused", schema, settings)
correct = {name: right(model, splits.test) for name, model in trained.items()}

# %% [markdown]
# The share of test rows that each gets right, in percent; guessing gives 10. The interval comes from drawing test
# rows again. A test recording is spoken in several rows, each time in other babble, so whole recordings
# are drawn, not rows: rows of one recording are right or wrong together more often than others.

# %%
groups = splits.test["recording"].to_numpy()
intervals = {
    name: paired_bootstrap(hits, np.zeros(len(hits)), groups=groups)
    for name, hits in correct.items()
}
accuracy = pd.DataFrame(intervals, index=["accuracy", "low", "high"]).T
(100 * accuracy).round(1)

# %% [markdown]
# The same as bars, and by digit. In the right picture, compare the first two lines: which digits does
# the picture mistake that the sound tells well, and the other way round?

# %%
figure, (left, by_digit) = plt.subplots(1, 2, figsize=(13, 3), width_ratios=[1, 2])
errors = np.abs(accuracy[["low", "high"]].T.to_numpy() - accuracy["accuracy"].to_numpy())
left.bar(accuracy.index, accuracy["accuracy"], yerr=errors, capsize=6, color="#9ec5fe")
left.axhline(0.1, color="#57606a", linestyle=":", label="guessing")
left.set(ylim=(0, 1), ylabel="accuracy", title="test rows, 95 % interval")
left.legend(frameon=False)
digits = pd.DataFrame(correct).groupby(splits.test["digit"].to_numpy()).mean().T
by_digit.imshow(digits, cmap="Blues", vmin=0, vmax=1, aspect="auto")
by_digit.set_xticks(range(10), digits.columns)
by_digit.set_yticks(range(len(digits)), digits.index)
by_digit.set(xlabel="digit", title="accuracy by digit (%)")
for (line, column), share in np.ndenumerate(digits.to_numpy()):
    colour = "white" if share > 0.6 else "black"
    by_digit.text(column, line, f"{100 * share:.0f}", ha="center", va="center", color=colour)

# %% [markdown]
# Is the fused model better than each modality alone, on the same rows, by more than chance? If an
# interval below lies above 0, it is, as far as the test rows go. McNemar's test asks the same of the rows
# that only one of the two models gets right; it takes all rows to be independent.

# %%
for name in schema.names:
    difference, low, high = paired_bootstrap(correct["fused"], correct[name], groups=groups)
    print(
        f"fused - {name}: {100 * difference:+.1f} points, 95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}; McNemar p = {mcnemar(correct['fused'], correct[name]):.1g}"
    )

# %% [markdown]
# Both gains are far outside what the drawing of test rows explains: the two modalities together get about
# 77 % right, the picture alone 59 %, the sound alone 40 %. The second picture shows why. The picture is
# good at 0, 1 and 3, which the sound hardly knows; the sound helps most where the picture is weakest, at
# 9 (from 21 % to 75 %) and 5 (from 36 % to 80 %). Two weak modalities that err on different rows make a
# better one.
#
# This is one seed, on a part of the rows, trained for a short time; another seed would give somewhat
# different figures, and no interval above speaks of that. `python experiments/avmnist.py` does it properly:
# all rows, 15 epochs, five seeds, and an interval over test rows and seeds together.
#
# ## Holes
#
# A microphone fails, a camera is covered. What does a trained model do with a row that lacks a modality?
# An empty cell (`None`) says so. Preprocessing that was fitted on rows without holes refuses such a row
# unless told otherwise, rather than feeding the model silence that it would take for a sound:

# %%
whole = splits.test
tests = {
    "both": whole,
    "image only": whole.assign(audio=None),
    "audio only": whole.assign(image=None),
}
strict = mmkeras.fit_preprocessing(splits.train, schema, settings.preprocessing(schema))
try:
    mmkeras.Pipeline(tests["image only"], strict)
except ValueError as error:
    print(error)

# %% [markdown]
# The models here were told (`presence=True` above), so they take such rows. But did they learn to? The
# one from above did in a way: through `auxiliary`, each modality had a loss of its own. So two more models,
# both with the common loss only (`auxiliary=0`): one as it is, and one with `modality_dropout=0.3`, which
# in training hides each modality of a row with probability 0.3, though never all of them.

# %%
common = dataclasses.replace(
    settings, training=dataclasses.replace(settings.training, auxiliary=0.0)
)
dropping = dataclasses.replace(
    common, model=dataclasses.replace(common.model, modality_dropout=0.3)
)
models = {
    "own losses (fused, above)": trained["fused"],
    "common loss": train("common loss", schema, common),
    "common loss, modality dropout": train("modality dropout", schema, dropping),
}
hits = {
    name: {part: right(model, rows) for part, rows in tests.items()}
    for name, model in models.items()
}

# %% [markdown]
# The share of test rows that each model gets right, in percent: whole, without the sound, without the
# picture. The last line is what a model of that modality alone reaches, the mark to measure by.

# %%
robust = pd.DataFrame(hits).T.map(np.mean)
robust.loc["a model of that modality alone"] = {
    "both": np.nan,
    "image only": correct["image"].mean(),
    "audio only": correct["audio"].mean(),
}
(100 * robust).astype(float).round(1)

# %% [markdown]
# Which of these gaps are more than chance? Each model against the one with the common loss:

# %%
for name in hits:
    for part in tests if name != "common loss" else ():
        difference, low, high = paired_bootstrap(
            hits[name][part], hits["common loss"][part], groups=groups
        )
        print(
            f"{name}, {part}: {100 * difference:+.1f} points "
            f"({100 * low:+.1f} to {100 * high:+.1f})"
        )

# %% [markdown]
# With both modalities there, the three models are level: each difference could be chance. With one of them
# gone they are not. Trained with the common loss only, the model has learnt to lean on both, and what is left
# of it, 53 % and 31 %, is less than what a model gets that never had the other modality. Modality dropout
# wins most of that back (60 % and 37 %) and costs nothing that can be seen on whole rows. A loss for each
# modality's own vote does as much (60 % and 40 %): in late fusion the common vote of one modality *is*
# that modality's own, so with the settings that this package keeps for these data modality dropout is not
# needed.
#
# Do not carry that over to other fusions. `concat` and `attention` mix the modalities before anything
# votes; there, `auxiliary` trains the encoders, but the fusion has still never seen a row with a hole.
# And this too is one seed. What to take along: before you rely on a model where a modality may fail, take
# it away and measure.
#
# ## Your own sounds
#
# A CSV with paths of sound files is all it takes. Here six small ones of different formats, rates,
# channels and lengths, in a temporary folder: tones that rise, and tones that fall.

# %%
folder = Path(tempfile.mkdtemp()).resolve()
KINDS = [("wav", 8000, 1, 0.6), ("flac", 16000, 2, 1.0), ("ogg", 44100, 1, 1.4)]
rows = []
for direction, (start, end) in {"rising": (200, 2000), "falling": (2000, 200)}.items():
    for suffix, rate, channels, seconds in KINDS:
        times = np.arange(round(rate * seconds)) / rate
        tone = 0.5 * scipy.signal.chirp(times, start, seconds, end)
        tone *= scipy.signal.windows.tukey(len(tone), 0.2)  # swells and fades, without a click
        name = f"{direction}.{suffix}"
        soundfile.write(folder / name, np.stack([tone] * channels, axis=1), rate)
        rows.append({"clip": name, "direction": direction})
pd.DataFrame(rows).to_csv(folder / "tones.csv", index=False)
pd.DataFrame(rows)

# %% [markdown]
# `infer_schema` sees by the names (or the first bytes) that `clip` holds sounds. `read_table` checks that
# every file is there. Every sound becomes one channel at the settings' rate and length: shorter ones
# are followed by silence, of longer ones the middle is kept. One batch shows what the model would get.

# %%
tones_schema = mmkeras.infer_schema(folder / "tones.csv", target="direction").schema
print(*tones_schema.modalities)
tones = mmkeras.read_table(folder / "tones.csv", tones_schema)
fitted = mmkeras.fit_preprocessing(
    tones, tones_schema, {"clip": mmkeras.AudioSettings(rate=8000, seconds=1.0, mel_bands=40)}
)
inputs, _ = next(iter(mmkeras.Pipeline(tones, fitted).evaluate()))
print({name: tensor.shape for name, tensor in inputs.items()})
figure, axes = plt.subplots(1, 6, figsize=(11, 2.2), sharey=True)
for panel, features, file in zip(axes, inputs["clip"].numpy(), tones["clip"], strict=True):
    panel.imshow(features.T, origin="lower", aspect="auto", cmap=COLOURS, extent=(0, 1, -0.5, 39.5))
    panel.set(title=Path(file).name, xlabel="time (s)", xticks=[0, 0.5, 1])
_ = axes[0].set_ylabel("mel band")

# %% [markdown]
# Rate, channels and format have left no trace; only the lengths differ. Tones of 0.6 s (`.wav`) are followed
# by silence. Of those of 1.4 s (`.ogg`) the middle second is kept: they begin and end away from the lowest
# and highest pitch, and the bright edge is where they were cut (it
# outshines the tone, since each picture has its own scale of colours).
#
# A video file is a sound as well: `mmkeras.Audio("voice", "clip")` next to `mmkeras.Video("clip")` reads
# the sound track and the frames of the same files as two modalities.
#
# Last, a file that was cut off, as by a broken download. Its header is whole, so that many programs
# play it without a word. Here it is an error before training starts, with the row, the file and
# what is missing (or, with `on_error="skip"`, a row left out and listed).

# %%
victim = folder / "rising.wav"
victim.write_bytes(victim.read_bytes()[:3000])
try:
    mmkeras.Pipeline(tones, fitted)
except ValueError as error:
    print(str(error).replace(str(folder), "."))

# %% [markdown]
# Next: `experiments/avmnist.py` for your own comparison with other encoders or fusions (`--help` lists
# every setting), and `python experiments/train.py --data tones.csv --target direction` for a table of
# sounds of your own.
