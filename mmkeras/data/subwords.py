"""Texts cut into pieces of words by a tokenizer that was trained elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mmkeras.reading import parse_json

FILE = "tokenizer.json"


class Subwords:
    """A tokenizer of the package `tokenizers`, by its JSON.

    Args:
        state: What a `tokenizer.json` holds.

    Raises:
        ImportError: The package is not installed.
        ValueError: It is not a tokenizer, or not 0 but another id is its padding.
    """

    def __init__(self, state: str):
        try:
            import tokenizers
        except ImportError as error:
            raise ImportError(
                "Texts for pre-trained networks are cut by the package tokenizers, which is not "
                "installed: pip install 'mmkeras[pretrained]'."
            ) from error
        try:
            self._made = tokenizers.Tokenizer.from_str(state)
        except Exception as error:  # the package raises nothing narrower
            raise ValueError(f"This is not the JSON of a tokenizer: {error}") from error
        padding = (self._made.padding or {}).get("pad_id", self._made.token_to_id("[PAD]") or 0)
        if padding != 0:
            raise ValueError(f"The id of padding must be 0. This tokenizer's is {padding}.")
        self._made.no_padding()
        self._made.no_truncation()

    @classmethod
    def read(cls, source: str | Path) -> str:
        """The JSON of a tokenizer, read from its file or from the folder of its network.

        Args:
            source: The file, the folder, or `hub:PRESET` for that of a BERT model of KerasHub.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is not one that can be used.
        """
        scheme, _, preset = str(source).partition(":")
        if scheme == "hub":
            return _of_hub(preset)
        path = Path(source)
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no {path}. A pre-trained network of texts is a folder with config.json, "
                f"model.safetensors and {FILE}."
            )
        try:
            # Without spaces, and as it will be in the preprocessing.
            state = json.dumps(parse_json(path.read_bytes()), ensure_ascii=False)
            cls(state)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return state

    @property
    def size(self) -> int:
        """How many ids there are."""
        return self._made.get_vocab_size()

    @cached_property
    def _frame(self) -> tuple[list[int], list[int]]:
        """The ids that stand before and after those of every text."""
        encoding = self._made.encode("a")
        places = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
        first, last = (places[0], places[-1] + 1) if len(places) else (len(encoding.ids), None)
        return encoding.ids[:first], encoding.ids[last:] if last is not None else []

    @cached_property
    def nothing_known(self) -> frozenset[int]:
        """The ids that say nothing of a text: those around it, and that of an unknown piece."""
        model: Any = json.loads(self._made.to_str())["model"]
        unknown = self._made.token_to_id(model.get("unk_token") or "")
        return frozenset(
            [*self._frame[0], *self._frame[1], *([] if unknown is None else [unknown])]
        )

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of whole texts."""
        return [encoding.ids for encoding in self._made.encode_batch(list(texts))]

    def cut(self, ids: list[int], most: int) -> list[int]:
        """At most so many ids of a text, the last of which still say that it ends.

        Raises:
            ValueError: The ids around a text leave no room for one of its own.
        """
        if len(ids) <= most:
            return ids
        before, after = self._frame
        if most <= len(before) + len(after):
            raise ValueError(
                f"`max_length` must be above {len(before) + len(after)}: so many tokens stand "
                f"around each text. Received: {most}."
            )
        return ids[: most - len(after)] + after

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """What ids stand for."""
        return [self._made.id_to_token(int(i)) or "" for i in ids]


def import_hub() -> ModuleType:
    """The package keras_hub.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            "Sources that begin with 'hub:' need KerasHub, which is not installed: pip install "
            "'mmkeras[hub]'."
        ) from error
    return keras_hub


def _of_hub(preset: str) -> str:
    """The tokenizer of a BERT model of KerasHub, which keeps nothing but its words."""
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers, processors

    theirs = import_hub().models.BertTokenizer.from_preset(preset)
    ids = {word: place for place, word in enumerate(theirs.get_vocabulary())}
    made = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(
        lowercase=theirs.lowercase, strip_accents=theirs.strip_accents or theirs.lowercase
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    around = [(name, ids[name]) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=around
    )
    return made.to_str()
