"""A text for each row: speech to text, translation, captions."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from mmkeras.data.tables.cells import row_name
from mmkeras.data.unprepared import Unprepared
from mmkeras.data.words import character_kind
from mmkeras.reading import check_fields
from mmkeras.schema import Text
from mmkeras.tasks.figures import FIGURES
from mmkeras.tasks.pieces import END, PIECES, Pieces, pieces_of
from mmkeras.tasks.task import Task

_CANDIDATES = 20  # constant answers that are tried
# More is better in every main figure, so that all of them are compared in one way.
_MAIN = {"wer": "word_accuracy", "cer": "character_accuracy", "chrf": "chrf"}


@dataclass(frozen=True)
class TextTargetSettings:
    """How texts are answers.

    Args:
        pieces: What a decoder writes one after another: `"characters"`, `"words"` or `"bpe"`
            (frequent runs of characters).
        vocabulary_size: The most pieces that are learnt, the most frequent ones.
        lower: Whether upper and lower case are the same, in the truth and in answers.
        strip_punctuation: Whether punctuation is left out of the truth and of answers; an
            apostrophe inside a word is not punctuation.
        max_length: An answer's most pieces; by default as many as the longest training text has.
    """

    pieces: str = "characters"
    vocabulary_size: int = 4000
    lower: bool = False
    strip_punctuation: bool = False
    max_length: int | None = None

    def __post_init__(self):
        check_fields(self)
        if self.pieces not in PIECES:
            raise ValueError(
                f"The target's `pieces` are one of {list(PIECES)}. Received: {self.pieces!r}."
            )
        if self.vocabulary_size < 1:
            raise ValueError(
                "The target's `vocabulary_size` must be at least 1. Received: "
                f"{self.vocabulary_size}."
            )
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(
                f"The target's `max_length` must be at least 1. Received: {self.max_length}."
            )

    def normal(self, text: str) -> str:
        """A text as it is compared: Unicode's NFC, one space between words, and as settings say.

        >>> TextTargetSettings(lower=True, strip_punctuation=True).normal(" Don't  PANIC: now!")
        "don't panic now"
        """
        text = unicodedata.normalize("NFC", text)
        text = text.lower() if self.lower else text
        if self.strip_punctuation:
            text = "".join(
                " " if _is_punctuation(text, place) else character
                for place, character in enumerate(text)
            )
        return " ".join(text.split())


def _is_punctuation(text: str, place: int) -> bool:
    around = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    if text[place] in "'’" and len(around) == 2 and around.isalnum():
        return False
    return unicodedata.category(text[place]).startswith("P")


@dataclass(frozen=True)
class TextTask(Task):
    """Texts as ids of pieces, judged by their errors or by the characters that they share.

    Encoded texts are int32 `(rows, length)`, each ended by 2 and filled up with 0; see
    `mmkeras.tasks.pieces`. They hold the whole truth, also pieces of no training row and texts
    longer than any; `fed` is what a model can be trained on.

    Args:
        target: The schema's target.
        settings: How texts are answers.
        pieces: What the training rows' texts are made of.
        max_length: The length of an answer, its end included.
        unspaced: Whether most of the training rows' letters are of a script without spaces.
    """

    kind = "text"
    words = "writing a text"
    cells = "text"
    is_flat = False
    suits_classical = False
    decoders = ("text", "ctc")
    settings = TextTargetSettings
    has_classes = False
    telling = "The longest texts that are right, then the worst mistakes."
    what = "piece of text"
    best_constant = "the best text that is the same for all"

    target: Text
    chosen: TextTargetSettings
    pieces: Pieces
    max_length: int
    unspaced: bool = False

    @classmethod
    def cell_values(cls, frame, target):
        cells = [" ".join(cell.split()) if cell else cell for cell in frame[target.column]]
        return {target.column: np.array([*cells, None], dtype=object)[:-1]}

    @classmethod
    def fit(cls, frame, target, settings=None):
        settings = settings or cls.settings()
        texts = _normal_texts(frame, target, settings)
        pieces = PIECES[settings.pieces].fit(texts, settings.vocabulary_size)
        longest = settings.max_length or max(len(pieces.known_ids(text)) for text in texts)
        kinds = Counter(character_kind(character) for text in texts for character in text)
        return cls(target, settings, pieces, longest + 1, kinds["unspaced"] > kinds["word"])

    @classmethod
    def from_dict(cls, target, state: Mapping[str, Any]):
        settings = cls.settings_of(state["settings"])
        pieces = pieces_of(settings.pieces, state["pieces"])
        return cls(target, settings, pieces, state["max_length"], state["unspaced"])

    def to_dict(self):
        return {
            "settings": asdict(self.chosen),
            "pieces": self.pieces.to_dict(),
            "max_length": self.max_length,
            "unspaced": self.unspaced,
        }

    @classmethod
    def main_of(cls, target):
        return FIGURES[_MAIN[target.judged_by or "wer"]]

    @property
    def main(self):  # type: ignore[override]
        return self.main_of(self.target)

    @classmethod
    def headline_of(cls, target):
        keys, main = ("wer", "cer", "chrf", "exact_match"), cls.main_of(target).key
        return (main, *(key for key in keys if key != main))

    @property
    def headline(self):  # type: ignore[override]
        return self.headline_of(self.target)

    @property
    def watched(self):
        # Writing texts takes too long for a figure of each epoch, and CTC has no other.
        return "loss"

    @property
    def num_outputs(self):
        return self.pieces.size

    def decoder_options(self, name):
        return {"vocabulary_size": self.pieces.size, "max_length": self.max_length}

    def encode(self, frame, id=None):
        texts = _normal_texts(frame, self.target, self.chosen, id)
        ids = [[*self.pieces.ids(text), END] for text in texts]
        encoded = np.zeros((len(ids), max([self.max_length, *map(len, ids)])), np.int32)
        for row, each in zip(encoded, ids, strict=True):
            row[: len(each)] = each
        return encoded

    def fed(self, targets):
        """Ids below the number of pieces, unknown ones as 3, cut at `max_length`."""
        fed = targets[:, : self.max_length].copy()
        for row in np.flatnonzero((targets >= self.pieces.size).any(axis=1)):
            ids = [*self.pieces.known_ids(self.pieces.text(targets[row])), END]
            fed[row] = 0
            fed[row, : len(ids)] = ids[: self.max_length]
        return fed

    def unprepared(self, frame):
        texts = _normal_texts(frame, self.target, self.chosen)
        limit, size = self.max_length, self.pieces.size
        unknown = sum(any(i >= size for i in self.pieces.ids(text)) for text in texts)
        long = sum(len(self.pieces.known_ids(text)) >= limit for text in texts)
        found = (
            (unknown, "have pieces of text that no training row has, which no answer can have"),
            (long, f"have more than {limit - 1} pieces of text, and no answer can have as many"),
        )
        column, rows = self.target.column, len(texts)
        return [Unprepared(column, cells, rows, what) for cells, what in found if cells]

    def own_unit(self, arrays):
        """Texts, `(rows,)`."""
        texts = [self.chosen.normal(self.pieces.text(row)) for row in arrays]
        return np.array([*texts, None], dtype=object)[:-1]

    decode = own_unit

    def check_judged(self, frame, id=None):
        _normal_texts(frame, self.target, self.chosen, id)

    def true(self, examples):
        cells = [cell and self.chosen.normal(cell) for cell in examples[self.target.column]]
        return np.array([*cells, None], dtype=object)[:-1]

    def texts(self, arrays):
        return [str(text) for text in arrays]

    def consensus(self, drawn):
        """For each example the one of its answers that is nearest to all of them."""
        from rapidfuzz.distance import Levenshtein

        texts, best = [self.own_unit(each) for each in drawn], drawn[0].copy()
        for row, options in enumerate(zip(*texts, strict=True)):
            costs = [sum(Levenshtein.distance(a, b) for b in options) for a in options]
            best[row] = drawn[int(np.argmin(costs))][row]
        return best

    def prediction_columns(self, examples, outputs):
        from mmkeras.tasks.text_figures import character_errors, word_errors

        said = self.own_unit(outputs)
        if self.target.column not in examples:
            return {"predicted": said}
        true = self.true(examples)
        known = np.array([bool(text) for text in true])
        columns = {"true": true, "predicted": said}
        for name, count in (
            ("word_errors", word_errors),
            ("character_errors", character_errors),
        ):
            columns[name] = np.full(len(true), np.nan)
            if known.any():
                columns[name][known] = count(true[known], said[known])[0]
        return columns

    def figures(self, targets, outputs):
        """Word and character error rates, the share of texts that are right, chrF and BLEU."""
        from mmkeras.tasks.text_figures import corpus_chrf_and_bleu

        scores, _ = corpus_chrf_and_bleu(targets, outputs, self.unspaced)
        return {**self.interval_figures(targets, outputs), **scores}

    all_figures = figures

    @property
    def figure_names(self):
        return (*self.headline, "corpus_chrf", "bleu")

    def interval_figures(self, targets, outputs):
        """Those that are means over texts."""
        return {key: float(self._scores(key, targets, outputs).mean()) for key in self.headline}

    def signatures(self):
        """How sacrebleu computed the figures of all answers together, by figure."""
        from mmkeras.tasks.text_figures import corpus_chrf_and_bleu

        return corpus_chrf_and_bleu(["a text"], ["a text"], self.unspaced)[1]

    def main_score(self, targets, outputs):
        return float(self.row_scores(targets, outputs).mean())

    def row_scores(self, targets, outputs):
        """Each text's chrF, or 1 minus its errors by the mean number of words of all.

        So the mean is 1 minus the error rate of all texts together, to which long ones add more.
        """
        return self._scores(self.main.key, targets, outputs)

    @staticmethod
    def _scores(key: str, targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        from mmkeras.tasks.text_figures import character_errors, sentence_chrf, word_errors

        if key == "exact_match":
            return (targets == outputs).astype(np.float64)
        if key == "chrf":
            return sentence_chrf(targets, outputs)
        by_word = key in ("wer", "word_accuracy")
        errors, lengths = (word_errors if by_word else character_errors)(targets, outputs)
        rates = errors / lengths.mean()
        return rates if key in ("wer", "cer") else 1 - rates

    def constant_score(self, targets):
        """That of the best among no text at all and the most frequent texts, at most 20."""
        counts = Counter(targets)
        tried = sorted(counts, key=lambda text: (-counts[text], len(text), text))[:_CANDIDATES]
        scores = [
            self.main_score(targets, np.full(len(targets), text, object)) for text in ["", *tried]
        ]
        return max(scores)

    def right_and_wrong(self, targets, outputs):
        right = self.is_right(targets, outputs)
        lengths = np.array([len(text) for text in targets], int)
        longest = np.argsort(-lengths, kind="stable")
        worst = np.argsort(-self._scores("cer", targets, outputs), kind="stable")
        return longest[right[longest]], worst[~right[worst]]

    def is_right(self, targets, outputs):
        return np.asarray(targets == outputs, bool)

    def answer_in_words(self, target, output):
        said = output or "no text"
        return said if target == output else f"{said} (true: {target})"

    def pictures(self, targets, outputs):
        from mmkeras.tasks.text_pictures import plot_edits, plot_error_by_length

        return {
            "edits": (
                plot_edits(targets, outputs, by_character=self.unspaced),
                "True texts and below each what the model said, from small to large errors. "
                "Orange words were written for others, red ones are missing, blue ones should "
                "not be there.",
            ),
            "errors_by_length": (
                plot_error_by_length(targets, outputs, by_character=self.unspaced),
                "Share of wrong words (characters where there are no spaces) by length of the true "
                "text. A rising line means that long texts are harder.",
            ),
        }


def _normal_texts(
    frame: pd.DataFrame, target: Text, settings: TextTargetSettings, id: str | None = None
) -> list[str]:
    """The rows' texts as they are compared; refuses those without a letter or digit."""
    texts = []
    for row, cell in enumerate(frame[target.column]):
        text = settings.normal(cell) if isinstance(cell, str) else ""
        if not any(map(str.isalnum, text)):
            what = "is empty" if not text else f"{text!r} has no letter or digit"
            raise ValueError(
                f"{row_name(frame, row, id)}: the target text of column {target.column!r} {what}. "
                "Give a text or leave the row out."
            )
        texts.append(text)
    return texts
