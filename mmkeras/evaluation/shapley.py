"""Shapley values: what each modality adds, averaged over every order in which they may arrive."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """All non-empty subsets, the smaller ones first, names in the given order.

    >>> list(subsets(["image", "text"]))
    [('image',), ('text',), ('image', 'text')]
    """
    for size in range(1, len(names) + 1):
        yield from itertools.combinations(names, size)


def shapley_values(
    names: Sequence[str], values: Mapping[tuple[str, ...], Any], nothing: Any = 0.0
) -> dict[str, Any]:
    """The exact Shapley values of modalities.

    With `v(S)` what a subset `S` of the `m` modalities is worth:

        phi_i = sum over S without i of |S|! (m - |S| - 1)! / m! (v(S + i) - v(S))

    They add up to `v(all) - v(none)`, two modalities that add the same to every subset get the
    same, and one that adds nothing to any gets 0; no other division does all of this. It sums over
    all `2^m` subsets, which for five modalities are 32.

    Args:
        names: The modalities.
        values: For each non-empty subset, names in the order of `names`, its worth: a number, or
            an array (`(rows,)`: Shapley values of every row).
        nothing: The worth of no modality at all.

    Returns:
        By modality, of the type of the values.

    Raises:
        ValueError: A subset has no value.

    Example:

    >>> values = {("image",): 0.6, ("text",): 0.7, ("image", "text"): 0.9}
    >>> {name: round(x, 3) for name, x in shapley_values(["image", "text"], values, 0.5).items()}
    {'image': 0.15, 'text': 0.25}

    References:
        - Shapley, "A value for n-person games", 1953 (equation 12).
        - [Hu et al., 2022](https://arxiv.org/abs/2201.00814) ("SHAPE": for modalities)
    """
    worth = _worth(names, values, nothing)
    size = len(names)
    result = {}
    for name in names:
        others = [other for other in names if other != name]
        total: Any = 0.0
        for coalition in [(), *subsets(others)]:
            weight = math.factorial(len(coalition)) * math.factorial(size - len(coalition) - 1)
            joined = tuple(n for n in names if n in coalition or n == name)
            total = total + weight / math.factorial(size) * (worth[joined] - worth[coalition])
        result[name] = total
    return result


def interaction(
    first: str,
    second: str,
    names: Sequence[str],
    values: Mapping[tuple[str, ...], Any],
    nothing: Any = 0.0,
) -> Any:
    """The Shapley interaction index of two modalities.

        I_ij = sum over S without i, j of |S|! (m - |S| - 2)! / (m - 1)!
               (v(S + i + j) - v(S + i) - v(S + j) + v(S))

    Above 0 the two are worth more together than apart (synergy), below 0 they say the same
    (redundancy). With two modalities it is `v(both) - v(first) - v(second) + v(none)`.

    Args:
        first, second: The two modalities.
        names, values, nothing: As for `shapley_values`.

    Example: either of two copies would do.

    >>> copies = {("left",): 1.0, ("right",): 1.0, ("left", "right"): 1.0}
    >>> interaction("left", "right", ["left", "right"], copies, 0.5)
    -0.5

    References:
        - [Grabisch and Roubens, 1999](https://doi.org/10.1007/s001820050125) (definition 1)
    """
    worth = _worth(names, values, nothing)
    size = len(names)
    others = [name for name in names if name not in (first, second)]
    total: Any = 0.0
    for coalition in [(), *subsets(others)]:
        weight = math.factorial(len(coalition)) * math.factorial(size - len(coalition) - 2)

        def joined(*more, coalition=coalition):
            return worth[tuple(name for name in names if name in coalition or name in more)]

        together = joined(first, second) - joined(first) - joined(second) + joined()
        total = total + weight / math.factorial(size - 1) * together
    return total


def _worth(
    names: Sequence[str], values: Mapping[tuple[str, ...], Any], nothing: Any
) -> dict[tuple[str, ...], Any]:
    missing = [subset for subset in subsets(names) if subset not in values]
    if missing:
        raise ValueError(
            f"Every non-empty subset of {list(names)} needs a value. Missing: {missing}."
        )
    return {(): nothing, **values}
