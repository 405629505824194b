"""JSON that anyone may have changed: what is wrong is said with the file and the key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from mmkeras.reading import LATER, check_fields, check_keys, construct, read_json


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = (1,)

    def __post_init__(self):
        check_fields(self)
        if min(self.sizes) < 1:
            raise ValueError(f"`sizes` must be at least 1. Received: {self.sizes}.")


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    rate: float | None = None
    way: Literal["a", "b"] = "a"
    each: Mapping[str, Inner] = field(default_factory=dict)
    pair: tuple[int, str] = (1, "x")
    flag: bool = False
    new: int = field(default=0, metadata=LATER)


WHOLE = {
    "name": "n",
    "inner": {"sizes": [2, 3]},
    "rate": 1,
    "way": "b",
    "each": {"k": {"sizes": [4]}},
    "pair": [2, "y"],
    "flag": True,
}


def test_objects_become_dataclasses_and_lists_tuples():
    made = construct(Outer, WHOLE, complete=True)
    assert made == Outer("n", Inner((2, 3)), 1, "b", {"k": Inner((4,))}, (2, "y"), True)
    assert construct(Outer, {"name": "n", "inner": {}}) == Outer("n", Inner())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": None}, r"`of.name` must be str. Received: None"),
        ({"inner": []}, r"`of.inner` must be Inner"),
        ({"inner": {"sizes": [0]}}, r"of.inner: `sizes` must be at least 1"),
        ({"inner": {"sizes": [1.5]}}, r"`of.inner.sizes` must be a list of int"),
        ({"inner": {"width": 1}}, r"`of.inner` has no setting \['width'\]. It has \['sizes'\]"),
        ({"rate": float("nan")}, "`of.rate` must be a finite number or null"),
        ({"rate": True}, "`of.rate` must be a finite number or null"),
        ({"rate": "1"}, "`of.rate`"),
        ({"way": "c"}, r"`of.way` must be one of \['a', 'b'\]. Received: 'c'"),
        ({"each": {"k": 1}}, "`of.each.k` must be Inner"),
        ({"each": [1]}, "`of.each` must be an object of Inner"),
        ({"pair": [1]}, "`of.pair` must be a list of 2: int, str"),
        ({"flag": 1}, "`of.flag` must be true or false"),
        ({"name": [1] * 200}, "Received: a list"),
    ],
)
def test_a_wrong_value_is_said_with_its_key(change, says):
    with pytest.raises(ValueError, match=says):
        construct(Outer, {**WHOLE, **change}, "of")


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match=r"`of\.name` is missing"):
        construct(Outer, {"inner": {}}, "of")
    for name in set(WHOLE) - {"name"}:
        with pytest.raises(ValueError, match=f"`of.{name}` is missing"):
            construct(Outer, {k: v for k, v in WHOLE.items() if k != name}, "of", complete=True)


def test_numpys_numbers_are_numbers():
    check_keys({"a": np.int64(1), "b": np.float32(2)}, {"a": int, "b": float})
    with pytest.raises(ValueError, match="`a`"):
        check_keys({"a": np.float64("inf")}, {"a": float})


def test_a_file_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    assert read_json(path, {"a": int}) == {"a": 1}
    for text, says in (('{"a": NaN}', "NaN"), ("[1]", "must hold an object"), ('{"a"', "no whole")):
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"a\.json: .*{says}"):
            read_json(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"a\.json: `a` is missing"):
        read_json(path, {"a": Any})
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_json(tmp_path / "none.json")
