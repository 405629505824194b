"""Read JSON that a hand or a power cut may have changed, and say what is wrong with it.

Every JSON file that the project reads comes through `read_json`, and values become dataclasses by
`construct`, so that whatever is wrong is a ValueError that names the file and the key, and says
what was expected.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import numbers
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

from mmkeras.nested import tuples

T = TypeVar("T")

# The metadata of a field that files of earlier versions lack: what they mean is its default.
LATER = {"later": True}

_SHOWN = 80  # characters of a value in a message


def read_json(path: str | Path, keys: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        path: The file.
        keys: Keys that it must have, each with the type of its value; it may have others.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, holds something else than an object, a number that JSON does not
            have (NaN), or not these keys. The message names the file.
    """
    with naming(path):
        values = parse_json(Path(path).read_bytes())
        if not isinstance(values, dict):
            raise ValueError(f"the file must hold an object, {{...}}. Received: {_kind(values)}.")
        check_keys(values, keys or {})
    return values


def parse_json(text: str | bytes) -> Any:
    """What a JSON text holds; NaN and infinity, which JSON does not have, are refused."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise ValueError(f"the file is no text in UTF-8 ({error}): it is damaged.") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"the file is no whole JSON ({error}): it is damaged.") from error
    except RecursionError as error:
        raise ValueError("the file's values lie too deep inside each other.") from error


def _no_constant(word: str) -> float:
    raise ValueError(f"the file has the number {word}, which JSON does not have.")


def _finite(word: str) -> float:
    if not math.isfinite(number := float(word)):
        raise ValueError(f"the file has the number {word}, which is too large.")
    return number


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Whatever is wrong with a file's contents becomes a ValueError with the file's name.

    >>> with naming("config.json"):
    ...     {"seed": 0}["settings"]
    Traceback (most recent call last):
    ValueError: config.json: `settings` is missing.
    """
    try:
        yield
    except KeyError as error:
        key = error.args[0] if error.args else ""
        raise ValueError(f"{path}: `{key}` is missing.") from error
    except (ValueError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        said = str(error)
        raise ValueError(said if str(path) in said else f"{path}: {said}") from error


def check_keys(values: Any, keys: Mapping[str, Any], where: str = "") -> None:
    """Refuses a dict that lacks a key, or has a value of another type.

    >>> check_keys({"seed": "0"}, {"seed": int})
    Traceback (most recent call last):
    ValueError: `seed` must be int. Received: '0'.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{_place(where)} must be an object, {{...}}. Received: {_kind(values)}.")
    for key, hint in keys.items():
        if key not in values:
            raise ValueError(f"{_place(_inside(where, key))} is missing.")
        check_value(values[key], hint, _inside(where, key))


def construct(
    cls: type[T],
    values: Any,
    where: str = "",
    *,
    complete: bool = False,
) -> T:
    """A dataclass of what JSON holds: lists become tuples, and objects dataclasses.

    Args:
        cls: The dataclass.
        values: Its fields' values by name.
        where: What the values are called in messages: the keys that lead to them.
        complete: Whether fields that have a default must be there, too, apart from those that
            earlier versions did not have (`field(metadata=LATER)`).

    Raises:
        ValueError: Unknown or missing names, or a value of another type. The message says which.

    >>> from mmkeras.schema import InputSpec
    >>> construct(InputSpec, {"shape": [None, 3]}, "inputs.note")
    InputSpec(shape=(None, 3), dtype='float32', vocabulary_size=None, groups=None, numbers=None, \
max_length=None, is_waveform=False, several=False)
    >>> construct(InputSpec, {"shape": 3}, "inputs.note")
    Traceback (most recent call last):
    ValueError: `inputs.note.shape` must be a list of int or null. Received: 3.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{_place(where)} must be an object, {{...}}. Received: {_kind(values)}.")
    known = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"{_place(where)} has no setting {unknown}. It has {sorted(known)}.")
    for name, each in known.items():
        needed = not _has_default(each) or (complete and not each.metadata.get("later"))
        if needed and name not in values:
            raise ValueError(f"{_place(_inside(where, name))} is missing.")
    hints = _hints(cls)
    own = {
        name: _converted(value, hints[name], _inside(where, name), complete)
        for name, value in values.items()
    }
    try:
        return cls(**own)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}" if where else str(error)) from error


def check_fields(settings: Any) -> None:
    """Refuses a dataclass with a value of another type than its field's, or a number that is none.

    For `__post_init__`: what is nonsense is refused where it is set.

    Raises:
        ValueError: There is such a value. The message names the field.
    """
    hints = _hints(type(settings))
    for field in dataclasses.fields(settings):
        check_value(getattr(settings, field.name), hints[field.name], field.name)


def check_value(value: Any, hint: Any, where: str) -> None:
    """Refuses a value that is not of a type, as `typing` writes types.

    A list will do for a tuple, and a whole number for a float; NaN and infinity are no numbers.
    """
    if not _fits(value, hint):
        raise ValueError(f"{_place(where)} must be {_words(hint)}. Received: {_kind(value)}.")


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return True
    if hint is None or hint is type(None):
        return value is None
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Annotated:
        return _fits(value, arguments[0])
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)
    if origin is tuple or hint is tuple or origin is list:
        return isinstance(value, (tuple, list)) and _fits_each(value, arguments, origin)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if hint is bool:
        return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")
    if hint is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if hint is float:
        return (
            isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
        )
    return not isinstance(hint, type) or isinstance(value, hint)


def _fits_each(value: Collection[Any], arguments: tuple[Any, ...], origin: Any) -> bool:
    if not arguments:
        return True
    if origin is list or arguments[-1] is Ellipsis:
        return all(_fits(item, arguments[0]) for item in value)
    return len(value) == len(arguments) and all(
        _fits(item, each) for item, each in zip(value, arguments, strict=True)
    )


def _converted(value: Any, hint: Any, where: str, complete: bool) -> Any:
    """JSON's value as a field's type wants it; checked."""
    several = typing.get_origin(hint) in (Union, types.UnionType)
    wanted = typing.get_args(hint) if several else (hint,)
    for each in wanted:
        if dataclasses.is_dataclass(each) and isinstance(each, type) and isinstance(value, Mapping):
            return construct(each, value, where, complete=complete)
    if isinstance(value, str) and Path in wanted:
        return Path(value)
    inner = typing.get_args(hint)
    if isinstance(value, Mapping) and len(inner) == 2 and dataclasses.is_dataclass(inner[1]):
        return {
            key: _converted(item, inner[1], _inside(where, key), complete)
            for key, item in value.items()
        }
    value = tuples(value)
    check_value(value, hint, where)
    return value


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return not (
        field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )


def _inside(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)


def _place(where: str) -> str:
    return f"`{where}`" if where else "the file"


def _kind(value: Any) -> str:
    """A value for a message: itself, or of a long one its kind."""
    names = {dict: "an object", list: "a list", tuple: "a list", str: "a text"}
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else names.get(type(value), type(value).__name__)


def _words(hint: Any) -> str:
    """A type in the words of JSON."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is type(None):
        return "null"
    if origin in (Union, types.UnionType):
        return " or ".join(_words(each) for each in arguments)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is Literal:
        return f"one of {list(arguments)}"
    if origin in (tuple, list):
        if origin is list or arguments[-1] is Ellipsis:
            return f"a list of {_words(arguments[0])}"
        return f"a list of {len(arguments)}: {', '.join(_words(each) for each in arguments)}"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return f"an object of {_words(arguments[1])}"
    plain = {float: "a finite number", bool: "true or false", Any: "any"}
    return plain.get(hint, getattr(hint, "__name__", str(hint)))
