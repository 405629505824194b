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
# # Without labels, and without a network
#
# Before a deep model: what do the rows look like, which of them belong together, and what do
# classical models of the same rows reach? The data are embedded: pictures of **glyphs** and their
# Unicode **names**; the class is the script that a glyph belongs to. Most of this notebook never
# reads it.
#
# Everything here is a scikit-learn estimator. `X` is one matrix, `views` says which of its columns
# belong to which modality ([docs/classical.md](../docs/classical.md)).

# %%
import mmkeras  # noqa: I001  (first, so that TensorFlow starts quietly)

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from mmkeras.classical import (
    LateFusionClassifier,
    MultipleKernelClassifier,
    MultiviewPCA,
    MultiviewSpectralClustering,
    SelfOrganizingMap,
)
from mmkeras.classical.clustering.choose import choose_clusters
from mmkeras.classical.clustering.drawing import map_figure
from mmkeras.classical.features import ModalityFeatures
from mmkeras.data.datasets import load_dataset
from mmkeras.evaluation.clustering import clustering_metrics

# %matplotlib inline
matplotlib.rcParams["figure.dpi"] = 70

# %% [markdown]
# ## One matrix of features
#
# `ModalityFeatures` reads the table as a deep model's pipeline would, and turns each modality into
# numbers: histograms of edges and colours for pictures, TF-IDF for texts. The schema needs no
# target.

# %%
frame, schema = load_dataset("glyphs")
frame = frame.sample(600, random_state=0)
without_target = mmkeras.Schema(schema.modalities, None)
table = mmkeras.read_table(frame, without_target)

features = ModalityFeatures(without_target)
X = features.fit_transform(table)
X = X.toarray() if hasattr(X, "toarray") else X
views = features.views_
print(X.shape, views)

# %% [markdown]
# ## Two directions to look at
#
# Side by side, the view with more columns, or the larger numbers, would drown the other one.
# Multiple factor analysis divides each view by its own largest direction first, and says how much
# of a component comes from which view.

# %%
pca = MultiviewPCA(20, views=views, standardise=False)
space = pca.fit_transform(X)
scripts = frame[schema.target.column].to_numpy()  # for the colours, and for judging below
for script in np.unique(scripts):
    plt.scatter(*space[scripts == script, :2].T, s=6, label=script)
plt.legend(fontsize=7)
plt.xlabel("component 1")
plt.ylabel("component 2")
plt.show()
pd.DataFrame(pca.contributions_[:5], columns=list(views)).round(2)

# %% [markdown]
# ## How many clusters?
#
# Nothing says it but the rows themselves: by the *silhouette* clusters should be compact and apart,
# by *stability* they should come again when other rows are drawn. Of the numbers that are stable,
# the one with the best silhouette is taken. None of this knows what the clusters are for.

# %%
choice = choose_clusters(space, KMeans(n_init=3, random_state=0), range(2, 11))
print(choice.n_clusters, "clusters;", len(np.unique(scripts)), "scripts")
choice.table.round(3)

# %% [markdown]
# ## Clusters, judged afterwards
#
# Each method makes as many clusters as there are scripts, and only then the scripts are looked at.
# `acc` is the share of rows that are right under the best matching of clusters and scripts; `nmi`
# and `ari` are 0 for clusters that know nothing of them.

# %%
number = len(np.unique(scripts))


def k_means(values: np.ndarray) -> np.ndarray:
    return KMeans(number, n_init=5, random_state=0).fit_predict(values)


spectral = MultiviewSpectralClustering(number, views=views, random_state=0)
found = {
    **{f"k-means, {name} alone": k_means(X[:, columns]) for name, columns in views.items()},
    "k-means, both": k_means(space),
    "spectral, both": spectral.fit_predict(X),
}
pd.DataFrame({name: clustering_metrics(scripts, c) for name, c in found.items()}).T.round(3)

# %% [markdown]
# Names tell the scripts apart better than shapes do, and adding the shapes to them does not help:
# what a method finds by itself need not be what you are looking for.
#
# ## A map
#
# A self-organising map puts similar rows into neighbouring cells. Dark lines in the middle picture
# are gaps between groups.

# %%
som = SelfOrganizingMap((7, 9), standardise=False).fit(space)
pictures = {
    int(cell): table["image"].iloc[np.flatnonzero(som.labels_ == cell)[0]]
    for cell in np.unique(som.labels_)
}
map_figure(som, space, pictures=pictures)

# %% [markdown]
# ## With labels: the floor of every deep model
#
# Five folds of the same rows and features. With labels the two modalities together are better than
# each alone. What a network reaches says little without lines such as these beside it: `train.py`,
# `compare_fusion.py` and `audit.py` add them (`--floor`), and `experiments/classical.py` tries many.

# %%
folds = StratifiedKFold(5, shuffle=True, random_state=0)


def accuracy(model, columns: slice = slice(None)) -> dict[str, float]:
    scores = cross_val_score(model, X[:, columns], scripts, cv=folds)
    return {"accuracy": scores.mean(), "± (folds)": scores.std(ddof=1)}


one = make_pipeline(PCA(50, random_state=0), LogisticRegression(C=10, max_iter=1000))
late = LateFusionClassifier(one, rule="product", views=views)
kernels = MultipleKernelClassifier("linear", weights="alignment", C=10, views=views)
pd.DataFrame(
    {
        **{f"{name} alone": accuracy(one, columns) for name, columns in views.items()},
        "late fusion (product)": accuracy(late),
        "two kernels": accuracy(kernels),
    }
).T.round(3)

# %%
kernels.fit(X, scripts).weights_
