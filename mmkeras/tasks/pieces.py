"""Pieces of text: what a decoder writes one after another, learnt on the training rows.

Ids 0 to 3 are padding, start, end and an unknown piece; pieces follow from 4 on. A text that has
pieces of no training row keeps them: their characters are spelt out as ids behind the last piece,
each `size` plus the character's code point, so that any text comes back from its ids as it was.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from mmkeras.data.words import character_kind

PADDING, START, END, UNKNOWN, FIRST_PIECE = range(5)
NOT_KNOWN = "\ufffd"  # what an unknown piece is shown as


@dataclass(frozen=True)
class Pieces(ABC):
    """A way to cut texts into pieces, and the pieces that the training rows have."""

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(cls, texts: Sequence[str], vocabulary_size: int) -> Pieces:
        """Learns the pieces of texts, at most `vocabulary_size` of them."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many ids there are: 4, and one for each piece."""

    @abstractmethod
    def ids(self, text: str) -> list[int]:
        """A text as ids; unknown pieces spelt out, one id from `size` on for each character."""

    @abstractmethod
    def known_ids(self, text: str) -> list[int]:
        """A text as ids below `size`: each unknown piece is one `UNKNOWN`."""

    @abstractmethod
    def _join(self, known: list[int]) -> str:
        """The text of ids of pieces."""

    def text(self, ids: Iterable[int]) -> str:
        """The text of ids, up to the first end or padding."""
        parts: list[str] = []
        known: list[int] = []
        for each in map(int, ids):
            if each in (END, PADDING):
                break
            if each < self.size:
                known += [each] if each != START else []
                continue
            if known:
                parts.append(self._join(known))
                known = []
            parts.append(chr(each - self.size))
        return "".join([*parts, self._join(known)]).removeprefix(self._prefix)

    # What `ids` puts before a text.
    _prefix: ClassVar[str] = ""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The learnt pieces, as JSON can hold them."""


@dataclass(frozen=True)
class Characters(Pieces):
    """Each character is a piece.

    Args:
        vocabulary: The training rows' characters, the most frequent first.

    Example:

    >>> pieces = Characters.fit(["abba", "cab"], vocabulary_size=100)
    >>> pieces.ids("bad"), pieces.known_ids("bad"), pieces.text(pieces.ids("bad"))
    ([5, 4, 107], [5, 4, 3], 'bad')
    """

    kind = "characters"
    vocabulary: tuple[str, ...]

    @classmethod
    def fit(cls, texts, vocabulary_size):
        counts = Counter(piece for text in texts for piece in cls.split(cls._prefix + text))
        # By frequency, then by alphabet, so that the order of rows does not matter.
        order = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls(tuple(order[:vocabulary_size]))

    @staticmethod
    def split(text: str) -> list[str]:
        return list(text)

    @property
    def size(self):
        return FIRST_PIECE + len(self.vocabulary)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {piece: FIRST_PIECE + place for place, piece in enumerate(self.vocabulary)}

    def ids(self, text):
        ids: list[int] = []
        for piece in self.split(self._prefix + text):
            place = self._places.get(piece)
            ids += [self.size + ord(c) for c in piece] if place is None else [place]
        return ids

    def known_ids(self, text):
        return [self._places.get(piece, UNKNOWN) for piece in self.split(self._prefix + text)]

    def _join(self, known):
        unknown = self._prefix + NOT_KNOWN
        return "".join(unknown if i == UNKNOWN else self.vocabulary[i - FIRST_PIECE] for i in known)

    def to_dict(self):
        return {"vocabulary": list(self.vocabulary)}


@dataclass(frozen=True)
class Words(Characters):
    """Each word and each punctuation mark is a piece, with the space before it, if there is one.

    Characters of scripts that are written without spaces are pieces of their own.

    Example:

    >>> Words.split(" Don't panic, 多 模态!")
    [" Don't", ' panic', ',', ' 多', ' 模', '态', '!']
    """

    kind = "words"
    _prefix = " "

    @staticmethod
    def split(text):
        pieces: list[str] = []
        last = "other"  # the kind of the character before
        for place, character in enumerate(text):
            kind = character_kind(character)
            following = text[place + 1 : place + 2]
            if character in "'’" and last == "word" and following:
                kind = "word" if character_kind(following) == "word" else kind
            starts = kind != "mark" and not (kind == last == "word")
            if pieces and (not starts or pieces[-1] == " "):
                pieces[-1] += character
            else:
                pieces.append(character)
            # A mark belongs to what it stands on.
            last = last if kind == "mark" else kind
        return pieces


@dataclass(frozen=True)
class BytePairs(Pieces):
    """Frequent runs of characters are pieces (byte pair encoding of UTF-8 bytes).

    No text is unknown: what no training row has is written in shorter pieces, down to bytes.

    Args:
        tokenizer: A `tokenizers.Tokenizer`, as its JSON.

    References:
        - [Sennrich et al., 2016](https://aclanthology.org/P16-1162/)
    """

    kind = "bpe"
    _prefix = " "
    tokenizer: str

    @classmethod
    def fit(cls, texts, vocabulary_size):
        tokenizers = _tokenizers()
        alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
        if vocabulary_size < len(alphabet):
            raise ValueError(
                f"The target's `vocabulary_size` must be at least {len(alphabet)} for "
                f"pieces='bpe', one per byte. Received: {vocabulary_size}."
            )
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocabulary_size, initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator([cls._prefix + text for text in texts], trainer)
        return cls(json.dumps(json.loads(tokenizer.to_str())))

    @cached_property
    def _made(self) -> Any:
        return _tokenizers().Tokenizer.from_str(self.tokenizer)

    @property
    def size(self):
        return FIRST_PIECE + self._made.get_vocab_size()

    def ids(self, text):
        return [FIRST_PIECE + i for i in self._made.encode(self._prefix + text).ids]

    def known_ids(self, text):
        return self.ids(text)

    def _join(self, known):
        # A decoder may write an unknown piece, though it never reads one.
        return self._made.decode([i - FIRST_PIECE for i in known if i != UNKNOWN])

    def to_dict(self):
        return {"tokenizer": json.loads(self.tokenizer)}


PIECES: dict[str, type[Pieces]] = {cls.kind: cls for cls in (Characters, Words, BytePairs)}


def pieces_of(kind: str, state: Mapping[str, Any]) -> Pieces:
    """The pieces that `to_dict` wrote."""
    if kind == BytePairs.kind:
        return BytePairs(json.dumps(state["tokenizer"]))
    return {cls.kind: cls for cls in (Characters, Words)}[kind](tuple(state["vocabulary"]))


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError(
            "pieces='bpe' needs the package tokenizers: pip install 'mmkeras[bpe]'."
        ) from error
    return tokenizers
