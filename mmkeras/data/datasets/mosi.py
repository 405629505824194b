"""CMU-MOSI: opinions about films, spoken into a camera; text, voice and face; positive or negative.

- **Source.** Features and transcripts of Poria et al., soujanyaporia/
  contextual-utterance-level-multimodal-sentiment-analysis, `data`, commit
  f1199e608b42f13878f724d82b6b2adaed8f42fe.
- **Licence.** For research use; cite both papers below.
- **Rows.** 93 videos of one speaker each, cut into 2,199 utterances: 62 videos with 1,447 for
  training and 31 with 752 for testing, the official split. No video is in both.
- **Classes.** negative and positive; positive are 709 of the training utterances (49.0 %) and 467
  of the test utterances (62.1 %).
- **Features**, one vector per utterance: text 100 (a convolutional network over words), audio 73
  (openSMILE), video 100 (a 3D convolutional network). The three files of a split have the same
  rows in the same order; the text file with row numbers says which transcript each row is.
- **The trap.** The features were learnt with the training labels. Logistic regression reaches
  98 % on the training rows' text and 76 % on the test rows'. So whatever is held out from the
  training videos, whole videos too, promises far more than the test keeps, and cannot choose
  between models: better to fix the settings beforehand, from the papers, to regularise strongly
  and to average over seeds.
- **Published** on these files (Poria et al., 2017, bc-LSTM, which reads the whole video), test
  accuracy: text 78.1 %, audio 60.3 %, video 55.8 %, all three 80.3 %.
- **Baselines** (scikit-learn, `StandardScaler` and `LogisticRegression(C=0.01)`, one utterance at
  a time), test accuracy: text 75.7 %, audio 55.7 %, video 51.5 %, all three 76.7 %; the test
  rows' majority, positive, 62.1 %.

How to cite: A. Zadeh, R. Zellers, E. Pincus, L.-P. Morency, "MOSI: Multimodal Corpus of Sentiment
Intensity and Subjectivity Analysis in Online Opinion Videos", arXiv:1606.06259, 2016; S. Poria,
E. Cambria, D. Hazarika, N. Majumder, A. Zadeh, L.-P. Morency, "Context-Dependent Sentiment Analysis
in User-Generated Videos", ACL 2017.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from mmkeras.data.download import files_folder
from mmkeras.schema import Label, Schema, Sequence, StepLabels, Text

_SOURCE = (
    "https://raw.githubusercontent.com/soujanyaporia/"
    "contextual-utterance-level-multimodal-sentiment-analysis/"
    "f1199e608b42f13878f724d82b6b2adaed8f42fe/data"
)
_SHA256 = {
    "transcripts.csv": "e7689e6d70720addd2a6b316419d245a68839c32b014ff426c406063ee777466",
    "text_train.csv": "73770b6302ad0f7a51f4eddcae6788efde4d0b6802e09f78249d5b538d1c1d67",
    "text_test.csv": "f3b735070bf07ceff7a6ef6c8f4c32757e988de484e35bd6d38b2aecef851a59",
    "text/text_train0.csv": "cc327045db6cc361a08b4037b97bb24de4ddb5efb381468c4835cc4a60674668",
    "text/text_test0.csv": "a343e22272919d1384c2075dbcdd5fef5aa9f9366b0552a83f7c3147b64b047a",
    "audio/audio_train0.csv": "5435398a54664e7b00304587dc59ae84a438852be033c2a2fba779588624a2a1",
    "audio/audio_test0.csv": "ddd17eeefd3d951d51d4e2ef8a0d132652d8161e1886f71eb7262b7a14bffff6",
    "video/video_train0.csv": "b6efc0413132d627efd06f67f1706830e775e90af9a75696f535c48dbc73f12f",
    "video/video_test0.csv": "cab836253d81100f59d533fa2ff65cd53c486be3ec9fd82203c5e25a7a77265f",
}
MODALITIES = ("text", "audio", "video")
LEVELS = ("utterance", "video")
_SENTIMENTS = {"0": "negative", "1": "positive"}


def load(
    level: str = "utterance",
    transcripts: bool = False,
    validation: float = 0.0,
    seed: int = 0,
) -> tuple[pd.DataFrame, Schema]:
    """Finds or downloads the features.

    The files are taken from `$MMKERAS_DATA/mosi` if that folder exists, and otherwise downloaded
    once into a cache: about 11 MB, checked against known hashes.

    Args:
        level: `"utterance"` (one row and one label per utterance) or `"video"` (one row per
            video, a label for each of its utterances).
        transcripts: Whether what is said is a fourth modality, `transcript`; for utterances only.
        validation: Share of the training videos whose `split` becomes "validation". See "the
            trap" above before relying on them.
        seed: Draws those videos.

    Returns:
        A pair `(table, schema)`, rows by video and utterance, training videos first.

        Columns of `"utterance"`: `text`, `audio`, `video`, float32 arrays `(features,)`;
        `sentiment`, "negative" or "positive"; `transcript`; `video_id`, the group; `utterance`,
        its number in the video, from 1; `split`, "train", "validation" or "test"; and `id`.

        Columns of `"video"`: `text`, `audio`, `video`, float32 arrays `(utterances, features)`
        in the order in which they were spoken; `sentiment`, the utterances' labels joined by
        "|"; `video_id`, which names the row; and `split`.

    Raises:
        ValueError: An argument is out of range, or a file is not the one that it should be.
        FileNotFoundError: `$MMKERAS_DATA/mosi` is incomplete.
        ConnectionError: Nothing is there and the network is not either.
    """
    if level not in LEVELS:
        raise ValueError(f"`level` must be one of {LEVELS}. Received: {level!r}.")
    if transcripts and level == "video":
        raise ValueError("A video's row has no text of its own: `transcripts` needs utterances.")
    folder = files_folder("mosi", _SOURCE, _SHA256)
    table = pd.concat([_read_split(folder, split) for split in ("train", "test")])
    table = table.sort_values(
        ["split", "video_id", "utterance"], ascending=[False, True, True], ignore_index=True
    )
    if validation:
        table = validation_split(table, validation, seed)
    sequences = [Sequence(name) for name in MODALITIES]
    if level == "video":
        return _by_video(table), Schema(sequences, StepLabels("sentiment"), id="video_id")
    texts = [Text("transcript")] if transcripts else []
    return table, Schema(sequences + texts, Label("sentiment"), id="id", group="video_id")


def validation_split(table: pd.DataFrame, share: float = 0.15, seed: int = 0) -> pd.DataFrame:
    """Sets whole training videos aside for validation.

    Args:
        table: What `load` gave, at either level.
        share: Of the training videos, in (0, 1).
        seed: Draws the videos.

    Returns:
        A copy whose `split` is "validation" on those videos' rows. The same at both levels.

    Raises:
        ValueError: `share` is out of range or leaves one of the two sides without a video.
    """
    videos = np.unique(table.loc[table["split"] == "train", "video_id"].astype(str))
    count = round(share * len(videos))
    if not 0 < count < len(videos):
        raise ValueError(
            f"A share of {share} of {len(videos)} training videos is {count} for validation; both "
            "sides need at least one."
        )
    held_out = np.random.default_rng(seed).choice(videos, count, replace=False)
    return table.assign(split=table["split"].mask(table["video_id"].isin(held_out), "validation"))


def _read_split(folder: Path, split: str) -> pd.DataFrame:
    spoken = _read_csv(folder / "transcripts.csv")
    rows = [spoken[int(row[0])] for row in _read_csv(folder / f"text_{split}.csv")]
    # "03bSnISJMiM_12": the video and the utterance's number; a video's name may have a "_", too.
    names = [row[0].rpartition("_") for row in rows]
    columns = {"id": [row[0] for row in rows]}
    for name in MODALITIES:
        path = folder / name / f"{name}_{split}0.csv"
        values = _read_csv(path)
        if [row[-1] for row in values] != [row[3] for row in rows]:
            raise ValueError(
                f"{path}: the labels are not those of the transcripts named by "
                f"{folder / f'text_{split}.csv'}. The files do not belong together: download them "
                "again."
            )
        columns[name] = list(np.array([row[:-1] for row in values], np.float64).astype(np.float32))
    columns["sentiment"] = [_SENTIMENTS[row[3]] for row in rows]
    columns["transcript"] = [row[1] for row in rows]
    columns["video_id"] = [video for video, _, _ in names]
    columns["utterance"] = [int(number) for _, _, number in names]
    return pd.DataFrame(columns).assign(split=split)


def _by_video(table: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            **{name: np.stack(list(utterances[name])) for name in MODALITIES},
            "sentiment": "|".join(utterances["sentiment"]),
            "video_id": video,
            "split": utterances["split"].iloc[0],
        }
        for video, utterances in table.groupby("video_id", sort=False)
    ]
    return pd.DataFrame(rows)


def _read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))
