"""Features of texts: TF-IDF of words, word pairs and parts of words; or latent topics of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from mmkeras.classical.features.extractor import Extractor
from mmkeras.data.kinds import TextSettings
from mmkeras.data.kinds.text import FIRST_WORD


class TextFeatures(Extractor):
    """TF-IDF of the text kind's own terms, rows of length 1; sparse unless reduced.

    Which terms there are say the modality's `TextSettings` (stop words, stemmer, n-grams, parts of
    words); a run's token sequences become words.

    Args:
        vocabulary: The most terms, the most frequent ones, where the settings allow fewer.
        sublinear: Count a term n times as 1 + log n.
        components: Latent semantic analysis: the most important directions of the training texts
            (a truncated singular value decomposition), rows of length 1 again; 0 for none.
        seed: Of the decomposition.

    References:
        - [Deerwester et al., 1990](https://doi.org/10.1002/(SICI)1097-4571(199009)41:6%3C391::AID-ASI1%3E3.0.CO;2-9)
          (latent semantic analysis)
    """

    def __init__(
        self, vocabulary: int = 20_000, sublinear: bool = True, components: int = 0, seed: int = 0
    ):
        self.vocabulary = vocabulary
        self.sublinear = sublinear
        self.components = components
        self.seed = seed

    def settings(self, settings: TextSettings | None) -> TextSettings:
        settings = settings or TextSettings()
        size = max(settings.vocabulary_size, self.vocabulary)
        return dataclasses.replace(
            settings, representation="tfidf", vocabulary_size=size, tokenizer=""
        )

    def fit(self, values: Sequence[str], fitted: Any) -> TextFeatures:
        self.fitted_ = fitted
        self.lsa_ = None
        self.names_ = list(fitted.vocabulary)
        if self.components:
            bags = self._bags(values)
            most = min(self.components, *(side - 1 for side in bags.shape))
            if most < 1:
                raise ValueError(
                    "Latent semantic analysis needs two texts and two terms. Received: "
                    f"{bags.shape[0]} texts of {bags.shape[1]} terms."
                )
            self.lsa_ = TruncatedSVD(most, random_state=self.seed).fit(bags)
            self.names_ = [f"topic_{place}" for place in range(most)]
        return self

    def transform(self, values: Sequence[str]) -> csr_matrix | np.ndarray:
        bags = self._bags(values)
        return bags if self.lsa_ is None else normalize(self.lsa_.transform(bags))

    def _bags(self, values: Sequence[str]) -> csr_matrix:
        ids = self.fitted_.whole_ids(values)
        ends = np.cumsum([0, *map(len, ids)])
        columns = np.array([i for each in ids for i in each], np.int64) - FIRST_WORD
        shape = (len(ids), len(self.fitted_.vocabulary))
        bags = csr_matrix((np.ones(len(columns)), columns, ends), shape=shape)
        bags.sum_duplicates()
        if self.sublinear:
            bags.data = 1 + np.log(bags.data)
        return normalize(bags.multiply(np.asarray(self.fitted_.idf)).tocsr())
