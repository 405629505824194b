"""Four sets of several feature views, on which multi-view methods are compared in the literature.

- **Source.** `Mfeat.mat`, `cub_googlenet_doc2vec_c10.mat` and `BBCSport.mat` from
  UeharaSetsuYu/Multi-view-Datasets, commit 03e5a826bd0659e1e5dab71864c81b589fe12f05;
  `3Sources.mat` from xiyu1007/Multi-view-datasets, commit 7a9df6db09f098919ce24457b791df2500fbd320.
- **Licence.** The collectors state none. The files are therefore not downloaded: put them into
  `$MMKERAS_DATA/multiview`.
- **mfeat.** 2,000 handwritten digits, 10 classes, 6 views: 216 profile correlations, 76 Fourier and
  64 Karhunen-Loève coefficients, 6 morphological features, 240 pixel averages (0 to 6; 16 rows of
  15), 47 Zernike moments.
- **cub.** 600 pictures of birds, 10 species: 1,024 numbers of a network for the picture, 300 of
  doc2vec for its description.
- **3sources.** 169 news stories, 6 topics, reported by three agencies: counts of 3,560, 3,631 and
  3,068 words.
- **bbcsport.** 544 articles, 5 sports, each cut into two parts: 3,183 and 3,203 words, weighted.

How to cite: M. van Breukelen et al., "Handwritten Digit Recognition by Combined Classifiers",
Kybernetika 1998 (mfeat); C. Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", 2011 (cub);
D. Greene and P. Cunningham, "A Matrix Factorization Approach for Integrating Multiple Data Views",
ECML PKDD 2009 (3sources); D. Greene and P. Cunningham, "Practical Solutions to the Problem of
Diagonal Dominance in Kernel Document Clustering", ICML 2006 (bbcsport).
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse

from mmkeras.schema import Label, Schema, Sequence, Tabular


class _Source(NamedTuple):
    """A file, the name of its labels, whether features are in rows, and the views' names."""

    file: str
    labels: str
    transposed: bool
    views: tuple[str, ...]


SETS = {
    "mfeat": _Source(
        "Mfeat.mat",
        "Y",
        False,
        ("profile", "fourier", "karhunen", "morphology", "pixels", "zernike"),
    ),
    "cub": _Source("cub_googlenet_doc2vec_c10.mat", "gt", False, ("image", "text")),
    "3sources": _Source("3Sources.mat", "y", False, ("bbc", "reuters", "guardian")),
    "bbcsport": _Source("BBCSport.mat", "Y", True, ("first", "second")),
}


class ViewsAndClasses(NamedTuple):
    """One set: `X` of `(rows, features)`, the widths of its views by name, a class per row."""

    X: np.ndarray | scipy.sparse.csr_array
    widths: dict[str, int]
    y: np.ndarray

    @property
    def views(self) -> dict[str, slice]:
        """The columns of each view, as estimators in `mmkeras.classical` take them."""
        ends = np.cumsum(list(self.widths.values())).tolist()
        return {
            name: slice(end - width, end)
            for end, (name, width) in zip(ends, self.widths.items(), strict=True)
        }


def load_views(name: str) -> ViewsAndClasses:
    """One set as a matrix; a sparse one where most of its numbers are 0.

    Args:
        name: mfeat, cub, 3sources or bbcsport.

    Raises:
        ValueError: There is no set of that name.
        FileNotFoundError: Its file is not in `$MMKERAS_DATA/multiview`.
    """
    if name not in SETS:
        raise ValueError(f"No set of views {name!r}. There are: {', '.join(SETS)}.")
    source = SETS[name]
    content = scipy.io.loadmat(_folder() / source.file)
    views: list[Any] = list(content["X"].ravel())
    if source.transposed:
        views = [view.T for view in views]
    y = content[source.labels].ravel().astype(np.int64)
    widths = {view: x.shape[1] for view, x in zip(source.views, views, strict=True)}
    X = scipy.sparse.hstack([scipy.sparse.csr_array(v, dtype=np.float64) for v in views], "csr")
    dense = X.nnz > 0.3 * np.prod(X.shape)
    return ViewsAndClasses(X.toarray() if dense else X, widths, y)


def load(name: str = "mfeat", target: str = "") -> tuple[pd.DataFrame, Schema]:
    """One set as a table: a tabular modality for each view, and the column `class`.

    Or, with `target`, for the conversion of views into one another: a column for each view, whose
    cells are its features as one array, and `class`.

    Args:
        name: mfeat, cub, 3sources or bbcsport.
        target: The view that is to be predicted, from all others or some
            (`schema.select(["zernike"])`); by default the class is.

    Returns:
        A pair `(table, schema)`. With `target`, the modalities are `Sequence`s of one step, and
        the cells float32 `(features,)`.

    Raises:
        ValueError: There is no set or view of that name.
        FileNotFoundError: Its file is not in `$MMKERAS_DATA/multiview`.
    """
    found = load_views(name)
    X = found.X if isinstance(found.X, np.ndarray) else found.X.toarray()
    X = X.astype(np.float32)
    classes = [f"class {number}" for number in found.y]
    if target:
        cells = {view: list(X[:, columns]) for view, columns in found.views.items()}
        return pd.DataFrame({**cells, "class": classes}), conversion(cells, target)
    columns = {view: [f"{view}_{i}" for i in range(width)] for view, width in found.widths.items()}
    table = pd.DataFrame(X, columns=[column for view in columns.values() for column in view])
    table["class"] = classes
    modalities = [Tabular(view, numeric=tuple(names)) for view, names in columns.items()]
    return table, Schema(modalities, Label("class"))


def conversion(views: Collection[str], target: str, **options: str | None) -> Schema:
    """A schema that predicts one view from the others; all are `Sequence`s of one step.

    Args:
        views: The views' names, also their columns.
        target: One of them.
        **options: Of the `Schema`.

    Raises:
        ValueError: There is no such view.

    Example:

    >>> conversion(["zernike", "fourier", "pixels"], target="pixels").names
    ('zernike', 'fourier')
    """
    if target not in views:
        raise ValueError(f"`target` is one of the views {list(views)}. Received: {target!r}.")
    sources = [Sequence(view) for view in views if view != target]
    return Schema(sources, Sequence(target), **options)


def _folder() -> Path:
    root = os.environ.get("MMKERAS_DATA")
    folder = Path(root or "$MMKERAS_DATA").expanduser() / "multiview"
    if not (root and folder.is_dir()):
        raise FileNotFoundError(
            f"{folder} does not exist. These files have no stated licence and are not downloaded; "
            "mmkeras/data/datasets/multiview.py says where they come from. Put them into a folder "
            "`multiview`, and set MMKERAS_DATA to the folder around it."
        )
    return folder
